"""The pictures of a run's importances, each with a caption that says what it shows and what it does not."""

from __future__ import annotations

from collections.abc import Iterator

from models.importance.clusters import Clusters
from models.importance.shap import Contributions
from models.importance.table import Importances
from pipelines.figures.importances import (
    cluster_map,
    fold_agreement,
    importance_bars,
    importance_by_member,
    method_agreement,
    shap_summary,
)
from pipelines.figures.picture import Picture
from pipelines.figures.style import house_order
from pipelines.importances import NOBODY, SINGLE, ExplainedRows, FeatureClusters, ImportanceStudy, ImportanceTable
from pipelines.results import Estimate, RunResult, is_known

METHODS = {"mda": "permutation (MDA)", "mdi": "impurity (MDI)", "shap": "SHAP"}
"""Methods of a member that rank the same features, and what people call them."""
SINGLE_TITLE = "single feature (SFI)"
FOLDS = (
    "The dots are means over the folds, the lines {level} intervals of Student's, widened for what training windows "
    "have in common. They are still on the narrow side, and of many features some are above zero by luck"
)


def importance_pictures(result: RunResult) -> list[Picture]:
    """Every picture of the importances that this result has."""
    return list(_pictures(result, result.importance_study)) if result.importance_study else []


def leading_member(result: RunResult, study: ImportanceStudy) -> str:
    """Of the members that were asked, the one with the highest information gain out of fold; the first if none has."""
    gains = {one.name: one.scores.get("information_gain", Estimate(None)).value for one in result.predictors}
    known = {name: gain for name, gain in gains.items() if gain is not None and is_known(gain)}
    return max(study.members, key=lambda name: known.get(name, float("-inf")))


def as_importances(table: ImportanceTable) -> Importances:
    """A kept table as the figures take it."""
    return Importances(table.title, table.unit, table.names, table.values)


def as_clusters(found: FeatureClusters) -> Clusters:
    """Kept clusters as the figures take them."""
    return Clusters(found.names, found.label, found.silhouette, found.distance)


def as_contributions(found: ExplainedRows) -> Contributions:
    """Kept SHAP values as the figures take them."""
    return Contributions(found.names, found.features, found.values, found.bias, found.margin, found.weight)


def _pictures(result: RunResult, study: ImportanceStudy) -> Iterator[Picture]:
    yield from _permuted(study)
    single = study.table(NOBODY, SINGLE)
    if single is not None:
        text = (
            "What a small tree makes of each feature by itself, out of sample, above the training base rate. Good: to "
            f"the right of zero. {_folds(study)}. A feature that only helps together with others is at or below zero "
            "here."
        )
        yield Picture(
            "single_features", text, importance_bars(as_importances(single), level=study.level, overlap=study.overlap)
        )
    if study.members:
        yield from _agreements(study, leading_member(result, study))
    for rows in study.explained:
        text = (
            f"SHAP: how much each of the leading features moved {rows.member}'s log odds on {len(rows.values):,} test "
            "rows of all folds, and whether its value was low or high. It says what the model does, not that it is "
            "right."
        )
        yield Picture(f"shap_{rows.member}", text, shap_summary(as_contributions(rows)))
    if study.clusters is not None and (result.feature_study is None or result.feature_study.clusters is None):
        text = (
            "How far features are from each other by rank correlation, and the clusters that are permuted together. A "
            "silhouette near one: at home in its cluster; near zero: alone, or as near to the next."
        )
        yield Picture("feature_clusters", text, cluster_map(as_clusters(study.clusters)))


def _permuted(study: ImportanceStudy) -> Iterator[Picture]:
    """Permutation of features and of clusters, all members in one figure."""
    words = {
        "mda": (
            "permutation",
            "What each member loses out of sample when a feature's values are shuffled within the instrument. Good: to "
            f"the right of zero; left of it, the member is misled. {_folds(study)}. Features that say the same stand "
            "in for each other, and then none seems to matter. Mind the axes: they differ.",
        ),
        "clustered_mda": (
            "permutation_clusters",
            "The same with clusters of features shuffled together, so that none can stand in for another. A cluster is "
            "named by the feature in its middle and how many others it holds.",
        ),
    }
    for method, (name, text) in words.items():
        found = {member: study.table(member, method) for member in house_order(study.members)}
        tables = {member: as_importances(one) for member, one in found.items() if one is not None}
        if tables:
            yield Picture(name, text, importance_by_member(tables, level=study.level, overlap=study.overlap))


def _agreements(study: ImportanceStudy, member: str) -> Iterator[Picture]:
    """Whether folds, and methods, rank the features of one member alike."""
    permuted = study.table(member, "mda")
    if permuted is not None and permuted.agreement is not None:
        text = (
            f"Whether the folds agree on what {member}, the best of these members out of sample, loses by permutation. "
            "Good: a row keeps its shade from fold to fold. Bad: ranks that jump are luck, and the next months will "
            "have a list of their own."
        )
        yield Picture("importance_folds", text, fold_agreement(as_importances(permuted)))
    tables = {title: study.table(member, method) for method, title in METHODS.items()}
    tables[SINGLE_TITLE] = study.table(NOBODY, SINGLE)
    known = {title: as_importances(table) for title, table in tables.items() if table is not None}
    if len(known) > 1:
        text = (
            f"Ranks of the same features by several methods, {member}. Impurity and SHAP say what was used, "
            "permutation and single features what helped out of sample: where they part, the member uses what does not "
            "help."
        )
        yield Picture("importance_methods", text, method_agreement(known))


def _folds(study: ImportanceStudy) -> str:
    return FOLDS.format(level=f"{100 * study.level:.0f} %")
