"""What people and machines see of a run's features: report, figures, MLflow; with and without a study, or folds."""

from __future__ import annotations

import re

import msgspec
import numpy as np
import pytest

from pipelines.feature_study import FeatureStudy
from pipelines.figures.feature_study import feature_pictures
from pipelines.figures.features_distributions import SHOWN, notable_features
from pipelines.figures.features_drift import drift_map, drift_order
from pipelines.figures.gallery import gallery
from pipelines.report.features import SPARK, feature_rows, features_view, glance, spark
from pipelines.report.write import render
from pipelines.tracking.features import COLUMNS, feature_metrics, feature_tables
from tests.pipelines.factory import FEATURES, SYMBOLS, make_result

RESULT = make_result()
STUDY = RESULT.feature_study
NOISE, REPEATS, WANDERS, STILL, DRIFTS = FEATURES[:5]
BARE = msgspec.structs.replace(
    RESULT, folds=(), reliability=(), learning_curves=(), importances=(), importance_study=None, backtest=None,
    paper=None, certificate={}, laboratory=None,
)  # fmt: skip


def with_study(**changes):
    return msgspec.structs.replace(BARE, feature_study=msgspec.structs.replace(STUDY, **changes))


def without_drift():
    return with_study(drift=None, clusters=None)


@pytest.fixture(scope="module")
def html():
    return render(BARE)


def words(html):
    text = re.sub(r"</?span[^>]*>", "", html.partition("</style>")[2])
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", text))


def test_what_was_planted_is_named_and_nothing_else():
    assert isinstance(STUDY, FeatureStudy)
    found = dict(glance(STUDY))
    assert found["Say nothing"] == STILL
    assert found["Repeat another (which, correlation)"].startswith(f"{REPEATS} ({NOISE}, 0.99")
    assert found["Wander"] == f"{WANDERS}, {DRIFTS}"  # a trend has no level to come back to either
    assert found["Drift beyond their past"] == DRIFTS
    assert found["Farthest from training (mean distance)"].startswith(DRIFTS)
    assert found["Longest memory (half-life, bars)"].startswith((WANDERS, DRIFTS))


def test_every_feature_has_a_row_with_its_numbers_and_what_to_know():
    rows = {row["name"]: row for row in feature_rows(STUDY)}
    assert list(rows) == list(FEATURES)
    assert rows[NOISE]["marks"] == ""
    assert rows[REPEATS]["marks"] == f"repeats {NOISE}"
    assert "wanders" in rows[WANDERS]["marks"]
    assert rows[STILL]["marks"] == "says nothing"
    assert "drifts" in rows[DRIFTS]["marks"]
    assert rows[WANDERS]["root"] == f"{len(SYMBOLS)} of {len(SYMBOLS)}"
    assert rows[STILL]["root"] == rows[STILL]["skewness"] == rows[STILL]["memory"] == "–"
    assert (rows[NOISE]["warmup"], rows[NOISE]["missing"], rows[NOISE]["memory"]) == ("20", "0.00 %", "< 1")
    assert rows[DRIFTS]["beyond"] == "6 of 6"
    assert rows[STILL]["median"] == rows[STILL]["mean"] == "1.00"


def test_the_section_says_of_which_bars_and_how_it_was_measured(html):
    text = words(html)
    assert "bars that end by 2018-03-04, where the untouched stretch begins" in text
    assert f"{3 * (len(FEATURES) - 1)} augmented Dickey–Fuller tests" in text
    assert "a single rejection says little" in text
    assert "no p-value is given" in text
    assert "where stretches that are all alike make about 20 %" in text
    assert "the source has no taker-buy volume taker_imbalance_24" in text
    for symbol in SYMBOLS:
        assert f"{symbol} 3,000 2018-01-01 2018-03-04 0 0 (0.00 %) 0 0 0 open, high, low, close, volume" in text
    assert html.count('<svg class="spark"') == len(FEATURES)


@pytest.mark.usefixtures("undrawn")
def test_a_result_of_before_it_was_looked_at_still_names_its_data_and_features():
    html = render(msgspec.structs.replace(BARE, feature_study=None))
    text = words(html)
    assert features_view(msgspec.structs.replace(BARE, feature_study=None)) is None
    assert ", ".join(FEATURES) in text
    assert "the source has no taker-buy volume taker_imbalance_24" in text
    assert 'id="data"' in html
    assert "Dickey" not in text


def test_without_folds_there_is_no_word_of_drift():
    result = without_drift()
    text = words(render(result))
    assert "Drift" not in text
    assert "stability" not in text
    assert [one.name for one in feature_pictures(result.feature_study)] == ["feature_distributions"]
    assert feature_tables(result)["features"]["distance"] == [None] * len(FEATURES)
    assert set(feature_metrics(result)) == {f"features/{name}" for name in ("count", "empty", "repeats", "wandering")}


@pytest.mark.usefixtures("undrawn")
def test_training_windows_too_short_to_know_what_is_usual_say_so():
    drift = msgspec.structs.replace(
        STUDY.drift, stretches=0 * STUDY.drift.stretches, usual=np.full(STUDY.drift.usual.shape, np.nan)
    )
    result = with_study(drift=drift)
    text = words(render(result))
    assert "too short for two stretches as long as a test: nothing is usual" in text
    assert not result.feature_study.drifting.any()


@pytest.mark.usefixtures("undrawn")
def test_the_link_to_the_importances_is_there_only_where_they_are():
    assert 'href="#importance"' not in render(BARE)
    asked = msgspec.structs.replace(BARE, importance_study=RESULT.importance_study)
    assert render(asked).count('href="#importance"') == 2  # the menu's, and the section's


def test_clusters_are_drawn_once():
    assert {"feature_tree", "feature_clusters"} & set(gallery(RESULT)) == {"feature_tree"}
    before = msgspec.structs.replace(RESULT, feature_study=None)
    assert {"feature_tree", "feature_clusters"} & set(gallery(before)) == {"feature_clusters"}


def test_faults_are_shown_first_and_each_feature_once():
    found = notable_features(STUDY)
    places = [one.place for one in found]
    assert len(set(places)) == len(places) <= SHOWN
    assert [one.fault for one in found] == sorted((one.fault for one in found), reverse=True)
    faults = {FEATURES[one.place]: one.reason for one in found if one.fault}
    assert set(faults) == {STILL, WANDERS, DRIFTS}
    assert faults[STILL] == "one value in 100\u00a0% of bars"
    assert faults[DRIFTS].startswith("drifts beyond its past, index ")


def test_where_all_features_fit_all_are_shown():
    assert {one.place for one in notable_features(STUDY)} == set(range(len(FEATURES)))
    assert [one.fault for one in notable_features(STUDY, 3)] == [True] * 3


def test_the_drift_map_shows_the_distances_and_marks_what_is_beyond():
    top, axes = drift_map(STUDY, STUDY.drift, shown=5).axes
    order = drift_order(STUDY.drift)[:5]
    said = [text.get_text() for text in axes.texts]
    assert said == [f"{value:.2f}" for value in STUDY.drift.distance[:, order].T.ravel()]
    marks = axes.collections[0].get_offsets()
    assert len(marks) == STUDY.drift.beyond[:, order].sum()
    assert [label.get_text() for label in axes.get_yticklabels()] == [FEATURES[place] for place in order]
    heights = [bar.get_height() for bar in top.patches]
    np.testing.assert_allclose(heights, 100 * STUDY.drift.beyond.mean(axis=1))


def test_the_tree_has_every_feature_in_an_order_that_keeps_clusters_together():
    (picture,) = [one for one in feature_pictures(STUDY) if one.name == "feature_tree"]
    tree, heat = picture.figure.axes[:2]
    names = [text.get_text().strip() for text in heat.texts]
    assert sorted(names) == sorted(FEATURES)
    label = STUDY.clusters.label[[FEATURES.index(name) for name in names]]
    assert len(np.flatnonzero(np.diff(label))) == STUDY.clusters.label.max()
    assert len(tree.collections[0].get_segments()) == len(FEATURES) - 1
    assert abs(names.index(NOISE) - names.index(REPEATS)) == 1


def test_a_small_histogram_has_a_step_a_bin_and_fills_its_height():
    path = spark(np.array([0, 5, 10]))
    assert path == f"M0 {SPARK[1]}V16H20V8H40V0H60V{SPARK[1]}Z"
    assert spark(np.zeros(2, int)) == f"M0 {SPARK[1]}V16H30V16H60V{SPARK[1]}Z"


def test_mlflow_gets_counts_and_a_row_a_feature():
    metrics = feature_metrics(RESULT)
    assert metrics["features/count"] == len(FEATURES)
    assert (metrics["features/empty"], metrics["features/repeats"], metrics["features/wandering"]) == (1, 1, 2)
    assert metrics["features/drifting"] == 1
    assert metrics["features/beyond"] == STUDY.drift.beyond.mean()
    found = feature_tables(RESULT)["features"]
    assert tuple(found) == COLUMNS
    assert all(len(column) == len(FEATURES) for column in found.values())
    assert found["repeats"][1] == NOISE
    assert found["skewness"][3] is None
    assert found["half_life"][0] == STUDY.half_life[0]
    assert feature_metrics(msgspec.structs.replace(RESULT, feature_study=None)) == {}
    assert feature_tables(msgspec.structs.replace(RESULT, feature_study=None)) == {}


@pytest.mark.usefixtures("undrawn")
def test_bars_that_were_left_out_are_told():
    told = ("8 of 840 bars of A are left out at the ends, where funding_rate is missing", "3 of 9 bars of B are too")
    listed = msgspec.structs.replace(BARE.features, left_out=told)
    assert f"{'; '.join(told)}." in words(render(msgspec.structs.replace(without_drift(), features=listed)))
    assert "left out at the ends" not in words(render(without_drift()))


@pytest.mark.usefixtures("undrawn")
def test_decisions_at_events_alone_are_told():
    listed = msgspec.structs.replace(BARE.features, events="cusum_event_4")
    text = words(render(msgspec.structs.replace(without_drift(), features=listed)))
    assert "labelled decisions, made only where cusum_event_4 is not 0, worth" in text
    assert "labelled decisions, worth" in words(render(without_drift()))
