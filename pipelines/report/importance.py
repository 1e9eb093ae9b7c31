"""What the report says of the importances, as plain rows of text."""

from __future__ import annotations

from typing import Any

from pipelines.figures.style import house_order
from pipelines.importances import NOBODY, ImportanceStudy, ImportanceTable
from pipelines.results import RunResult
from pipelines.verdict import number, percent

Row = dict[str, Any]
SHOWN = ("mda", "clustered_mda", "sfi")
"""Methods that score out of sample, so that zero means worthless."""
PICTURES = (
    "permutation",
    "permutation_clusters",
    "single_features",
    "importance_folds",
    "importance_methods",
    "feature_clusters",
)


def importance_view(result: RunResult) -> Row | None:
    """The sentence, the table's rows and the pictures' names; None if nothing was asked."""
    study = result.importance_study
    if study is None:
        return None
    return {
        "sentence": sentence(study),
        "rows": [_row(one) for one in out_of_sample(study)],
        "pictures": (*PICTURES, *(f"shap_{rows.member}" for rows in study.explained)),
        "level": percent(study.level, 0),
    }


def out_of_sample(study: ImportanceStudy) -> list[ImportanceTable]:
    """The tables that score out of sample, method by method, members in the house's order."""
    members = [*house_order(study.members), NOBODY]
    found = [study.table(member, method) for method in SHOWN for member in members]
    return [one for one in found if one is not None]


def sentence(study: ImportanceStudy) -> str:
    """How the members were asked."""
    many = "once" if study.repeats == 1 else f"{study.repeats} times"
    return (
        f"Asked on at most {study.rows:,} test rows of each fold, which the fits have not seen; every shuffle is made "
        f"{many} and averaged. A member that is kept as a graph only is not asked."
    )


def _row(table: ImportanceTable) -> Row:
    agreement = table.agreement
    return {
        "member": table.member or "each by itself",
        "method": table.title,
        "above": f"{int((table.low > 0).sum())} of {len(table.names)}",
        "below": f"{int((table.high < 0).sum())}",
        "correlation": number(agreement.rank_correlation, 2, signed=True) if agreement else "–",
        "shared": (
            f"{number(agreement.shared, 1)} of {agreement.leading} (by chance {number(agreement.by_chance, 1)})"
            if agreement
            else "–"
        ),
    }
