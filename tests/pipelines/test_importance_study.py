"""The importances of a run in figures, report and MLflow: what stands there is what the study says."""

from __future__ import annotations

import msgspec
import numpy as np
import pytest
from matplotlib.colors import to_hex

from models.importance.table import Importances
from pipelines.figures.importance_study import as_contributions, as_importances, importance_pictures, leading_member
from pipelines.figures.importances import importance_by_member
from pipelines.report.importance import importance_view
from pipelines.results import Estimate, RunResult
from pipelines.stages.importance import LEVEL
from pipelines.tracking.importance import importance_tables
from tests.pipelines.factory import FEATURES, make_result

RESULT = make_result()
STUDY = RESULT.importance_study


def test_a_result_is_read_back_with_its_importances(tmp_path):
    RESULT.save(tmp_path)
    found = RunResult.load(tmp_path).importance_study
    assert found.members == STUDY.members
    for one, other in zip(found.tables, STUDY.tables, strict=True):
        assert (one.title, one.names, one.agreement) == (other.title, other.names, other.agreement)
        assert one.values.tobytes() == other.values.tobytes()
        assert (one.low.tobytes(), one.high.tobytes()) == (other.low.tobytes(), other.high.tobytes())
    assert found.clusters.distance.tobytes() == STUDY.clusters.distance.tobytes()
    assert as_contributions(found.explained[0]).gap < 1e-12


def test_figures_compute_the_intervals_that_are_kept():
    for table in STUDY.tables:
        low, high = as_importances(table).interval(STUDY.level, STUDY.overlap)
        assert (low.tobytes(), high.tobytes()) == (table.low.tobytes(), table.high.tobytes())


def two_members():
    random = np.random.default_rng(4)
    names = ("cause", "noise", "harm")
    values = np.array([0.5, 0.0, -0.4]) + 0.05 * random.standard_normal((6, 3))
    values[:, 1] -= values[:, 1].mean()
    back = np.array([2, 1, 0])
    return {
        "lightgbm": Importances("demo", "nats", names, values),
        "linear": Importances("demo", "nats", tuple(names[place] for place in back), 10 * values[:, back]),
    }


def test_members_stand_side_by_side_with_the_same_rows_and_hollow_where_zero_is_inside():
    panels = importance_by_member(two_members(), overlap=0.2).axes
    assert [axes.get_title(loc="left") for axes in panels] == ["lightgbm", "linear"]
    assert [label.get_text() for label in panels[0].get_yticklabels()] == ["cause", "noise", "harm"]
    for axes, table in zip(panels, two_members().values(), strict=True):
        dots = axes.collections[1]
        means = [table.mean[table.names.index(name)] for name in ("cause", "noise", "harm")]
        np.testing.assert_allclose(dots.get_offsets()[:, 0], means)
        hollow = [to_hex(colour) == "#ffffff" for colour in dots.get_facecolors()]
        assert hollow == [False, True, False]


def test_the_leading_member_is_the_best_that_was_asked():
    gains = {"ensemble": 9.0, "lstm": 8.0, "lightgbm": 0.1, "xgboost": 0.3, "linear": None}
    predictors = tuple(
        msgspec.structs.replace(one, scores={"information_gain": Estimate(gains.get(one.name))})
        for one in RESULT.predictors
    )
    assert leading_member(msgspec.structs.replace(RESULT, predictors=predictors), STUDY) == "xgboost"
    assert leading_member(msgspec.structs.replace(RESULT, predictors=()), STUDY) == STUDY.members[0]


def test_without_trees_or_single_features_their_pictures_are_left_out():
    linear = tuple(one for one in STUDY.tables if one.member == "linear")
    bare = msgspec.structs.replace(STUDY, tables=linear, explained=(), clusters=None)
    names = [one.name for one in importance_pictures(msgspec.structs.replace(RESULT, importance_study=bare))]
    assert names == ["permutation", "permutation_clusters", "importance_folds"]
    assert importance_pictures(msgspec.structs.replace(RESULT, importance_study=None)) == []


def test_the_report_counts_what_is_surely_above_zero():
    shown = importance_view(RESULT)
    rows = {(row["member"], row["method"]): row for row in shown["rows"]}
    table = STUDY.table("lightgbm", "mda")
    assert table.low[0] > 0
    assert rows["lightgbm", table.title]["above"] == f"{(table.low > 0).sum()} of {len(FEATURES)}"
    assert rows["lightgbm", table.title]["below"] == str((table.high < 0).sum())
    assert ("each by itself", "single feature (SFI)") in rows
    assert {one.name for one in importance_pictures(RESULT)} <= set(shown["pictures"])
    assert shown["level"] == f"{100 * LEVEL:.0f} %"
    assert importance_view(msgspec.structs.replace(RESULT, importance_study=None)) is None


@pytest.mark.parametrize("asked", [True, False])
def test_the_report_has_a_section_where_something_was_asked(asked):
    from pipelines.report.write import render

    result = msgspec.structs.replace(
        make_result(), predictors=(), folds=(), backtest=None, paper=None, laboratory=None, learning_curves=()
    )
    page = render(result if asked else msgspec.structs.replace(result, importance_study=None))
    assert ('id="importance"' in page) is asked
    assert ("1,000 test rows" in page.replace("\u00a0", " ")) is asked


def test_mlflow_has_a_row_for_every_member_method_and_feature():
    (found,) = importance_tables(RESULT).values()
    assert len(found["feature"]) == sum(len(one.names) for one in STUDY.tables)
    table = STUDY.table("linear", "mda")
    place = found["member"].index("linear")
    assert (found["feature"][place], found["low"][place]) == (table.names[0], float(table.low[0]))
    assert importance_tables(msgspec.structs.replace(RESULT, importance_study=None)) == {}
