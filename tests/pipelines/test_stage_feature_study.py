"""The feature study: every number by NumPy or by hand; drift, unit roots and repeats that were planted, and none."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy.signal import lfilter
from scipy.stats import ks_2samp, spearmanr

from market.bars import empty_bars
from market.lake import Lake
from market.synthetic import SyntheticConfig, simulate
from market.time import DAY
from models.dataset import Panel, Samples, Series
from models.importance.member_fold import spaced
from models.importance.panel import ImportanceSettings, panel_clusters
from models.statistics.drift import OUTSIDE
from pipelines.arrays_json import write_document
from pipelines.feature_study import FeatureStudy
from pipelines.stages import feature_study as stage
from pipelines.stages.artefacts import Artefacts, job, silent
from pipelines.stages.data import describe, series_key
from pipelines.stages.feature_study import feature_study_job, load_feature_study, numbered_stretches, study_features
from pipelines.stages.fit import Window, training_samples
from pipelines.stages.panel import PanelFacts, load_panel, panel_job, save_panel
from pipelines.stages.windows import fold_windows, folds
from tests.pipelines.honesty import IDEAS, run_config
from trading.config import ExchangeConfig

STEP = 1_000
ROWS = 6_000
WARMUP = 30
NAMES = ("noise", "again", "slow", "walk", "still", "moved", "heavy", "holey")
FOLDS = 6
TRAIN, TEST = 2_400, 600


def features(number, random):
    found = random.standard_normal((ROWS, len(NAMES)))
    found[:, 1] = -2.0 * found[:, 0] + 0.05 * found[:, 1] + 7.0
    found[:, 2] = lfilter([1.0], [1.0, -(0.5 ** (1 / 20))], found[:, 2])
    found[:, 3] = found[:, 3].cumsum()
    found[:, 4] = 0.1
    found[:, 5] += 0.0004 * np.arange(ROWS) * (number + 1)
    found[:, 6] = random.standard_t(2.5, ROWS)
    found[:WARMUP] = np.nan
    found[: WARMUP + 10, 7] = np.nan
    found[3_000:3_060, 7] = np.nan
    found[4_000, 6] = np.inf
    return found


def make_panel():
    random = np.random.default_rng(11)
    series = []
    for number in range(2):
        bars = empty_bars(ROWS)
        bars["start"] = STEP * np.arange(ROWS)
        bars["start"][2_000:] += STEP * 3
        bars["start"][5_000:] += STEP * 11
        bars["end"] = bars["start"] + STEP
        for field in ("open", "high", "low", "close", "volume"):
            bars[field] = random.uniform(1, 2, ROWS)
        bars["volume"][100:107] = 0
        bars["high"][200:203] = bars["low"][200:203]
        bars["vwap"][: ROWS // 4] = 1.5
        series.append(Series(f"S{number}", bars, features(number, random), np.full(ROWS, 0.01)))
    rows = [np.flatnonzero(np.isfinite(one.features).all(axis=1)) for one in series]
    row, instrument = np.concatenate(rows), np.repeat([0, 1], [len(one) for one in rows])
    t0 = np.concatenate([one.bars["end"][mine] for one, mine in zip(series, rows, strict=True)])
    order = np.lexsort((instrument, t0))
    row, instrument, t0 = row[order], instrument[order], t0[order]
    samples = Samples(
        instrument, row, t0, t0, t0 + 2 * STEP, row % 2, np.zeros(len(row)), np.ones(len(row))
    )  # fmt: skip
    return Panel(tuple(series), NAMES, STEP, samples)


PANEL = make_panel()
CUT = int(PANEL.series[0].bars["end"][-1])
WINDOWS = tuple(
    Window(k, STEP * k * TEST, STEP * (k * TEST + TRAIN), STEP * (k * TEST + TRAIN), STEP * (k * TEST + TRAIN + TEST))
    for k in range(FOLDS)
)


def studied(panel):
    return study_features(panel, [panel] * FOLDS, WINDOWS, CUT, silent)


@pytest.fixture(scope="module")
def study():
    return studied(PANEL)


def place(name):
    return NAMES.index(name)


def test_bars_are_counted(study):
    assert [one.symbol for one in study.bars] == ["S0", "S1"]
    one = study.bars[0]
    assert (one.rows, one.gaps, one.missing, one.longest, one.idle, one.flat) == (ROWS, 2, 14, 11, 7, 3)
    assert (one.start, one.end) == (0, CUT)
    assert one.fields == ("open", "high", "low", "close", "volume")
    assert one.partial == {"vwap": 0.75}


def test_volume_that_is_missing_is_not_zero():
    bars = empty_bars(5)
    bars["start"], bars["end"] = np.arange(5), np.arange(5) + 1
    found = stage.studied_bars(Series("A", bars, np.zeros((5, 1)), np.zeros(5)), 1)
    assert (found.idle, found.fields, found.partial) == (None, (), {})


def test_what_is_missing_is_counted_behind_the_warm_up(study):
    columns = study.columns
    assert columns.warmup.tolist() == [WARMUP] * 7 + [WARMUP + 10]
    expected = np.zeros(len(NAMES))
    expected[place("holey")] = 60 / (ROWS - WARMUP - 10)
    expected[place("heavy")] = 1 / (ROWS - WARMUP)  # the infinite value
    np.testing.assert_allclose(columns.missing, expected, atol=1e-15)


def test_a_feature_that_never_has_a_value_is_missing_everywhere():
    features = np.column_stack([np.arange(100.0), np.full(100, np.nan)])
    one = Series("A", empty_bars(100), features, np.zeros(100))
    found = stage.feature_columns([one, one])
    assert (found.missing.tolist(), found.warmup.tolist(), found.mean[0]) == ([0.0, 1.0], [0, 100], 49.5)
    assert np.isnan(found.mean[1])


def test_values_are_described_over_evenly_spaced_rows_of_all_instruments(study):
    whole = np.concatenate([one.features[WARMUP:] for one in PANEL.series])
    rows = whole[spaced(np.arange(len(whole)), stage.DESCRIBED)]
    assert study.columns.rows == len(rows) == 2 * (ROWS - WARMUP)
    for name in ("noise", "walk", "heavy", "holey"):
        column = rows[:, place(name)]
        column = column[np.isfinite(column)]
        assert study.columns.mean[place(name)] == pytest.approx(column.mean(), rel=1e-12)
        assert study.columns.high[place(name)] == pytest.approx(np.quantile(column, 0.99), rel=1e-12)
    parts = [np.arange(10.0)[:, None], np.arange(10.0, 15.0)[:, None]]
    assert stage.evenly(parts, 8).ravel().tolist() == spaced(np.arange(15), 8).tolist()


def test_unit_roots_are_rejected_where_there_is_none(study):
    kept = dict(zip(NAMES, study.roots.kept, strict=True))
    assert kept["walk"] == 1.0
    assert kept["noise"] == kept["slow"] == kept["heavy"] == 0.0
    assert np.isnan(kept["still"])
    assert study.named(study.wandering) == ("walk",)
    assert study.roots.tests == 2 * (len(NAMES) - 1)
    assert study.roots.critical[0, 0] == pytest.approx(-2.8645, abs=1e-4)  # MacKinnon's table: −2.8645 at 993


def test_one_walk_in_twenty_is_called_stationary():
    """The level of the test as it is used here: evenly spaced rows of walks."""
    random = np.random.default_rng(12)
    walks = random.standard_normal((4_000, 400)).cumsum(axis=0)
    found = stage.unit_roots([Series("A", empty_bars(4_000), walks, np.zeros(4_000))])
    assert 1 - found.kept.mean() == pytest.approx(0.05, abs=0.03)


def test_memory_is_what_was_planted(study):
    life = dict(zip(NAMES, study.half_life, strict=True))
    assert life["slow"] == pytest.approx(20, rel=0.25)
    assert life["noise"] < 1
    assert np.isnan(life["still"])
    assert study.autocorrelation[place("slow")] == pytest.approx(0.5 ** (1 / 20), abs=0.01)


def test_an_instrument_in_which_a_feature_stands_still_does_not_hide_the_others():
    random = np.random.default_rng(13)
    one, other = random.standard_normal((2, 1_000, 1))
    series = [Series("A", empty_bars(1_000), rows, np.zeros(1_000)) for rows in (one.cumsum(axis=0), 0 * other)]
    assert stage.persistence(series)[0] == stage.persistence(series[:1])[0]


def test_drift_is_between_the_rows_that_are_learned_from_and_those_that_are_tested(study):
    samples = PANEL.samples
    for fold, window in enumerate(WINDOWS):
        train = spaced(training_samples(PANEL, window), stage.COMPARED)
        test = np.flatnonzero((samples.t0 >= window.test_start) & (samples.t0 < window.test_stop))
        assert samples.t1[train].max() < window.test_start <= samples.t0[test].min()
        one, other = PANEL.rows(train), PANEL.rows(spaced(test, len(train) // study.drift.stretches[fold]))
        for name in ("noise", "walk", "moved"):
            theirs = ks_2samp(one[:, place(name)], other[:, place(name)], method="asymp").statistic
            assert study.drift.distance[fold, place(name)] == pytest.approx(theirs, abs=1e-12)


def test_drift_that_was_planted_is_found_and_no_other(study):
    assert study.drift.stretches.tolist() == [4] * FOLDS
    assert "moved" in study.named(study.drifting)
    assert not {"noise", "again", "slow", "still", "heavy", "holey"} & set(study.named(study.drifting))
    assert study.drift.beyond[:, place("moved")].all()
    assert study.drift.by_chance == pytest.approx(1 / 5)


def test_without_drift_the_test_is_beyond_its_past_as_often_as_chance_has_it():
    random = np.random.default_rng(14)
    names = tuple(f"x_{number}" for number in range(120))
    series = tuple(replace(one, features=random.standard_normal((ROWS, 120))) for one in PANEL.series)
    found = studied(Panel(series, names, STEP, PANEL.samples))
    assert found.drift.beyond.mean() == pytest.approx(found.drift.by_chance, abs=0.05)
    assert not found.drifting.any()
    assert not found.shifting.any()
    assert not found.wandering.any()
    assert not found.empty.any()
    assert found.repeats == {}


def test_stretches_are_about_as_long_as_the_test():
    assert numbered_stretches(np.arange(100), 30).tolist() == [0] * 34 + [1] * 33 + [2] * 33
    assert numbered_stretches(np.arange(88), 30).max() == 2  # what purging takes does not cost one
    assert numbered_stretches(np.arange(80), 30).max() == 1
    assert set(numbered_stretches(np.arange(45), 30)) == {OUTSIDE}  # one and a half
    holed = np.concatenate([np.arange(30), np.arange(70, 100)])
    assert set(numbered_stretches(holed, 30)) == {OUTSIDE}  # one of three has no rows
    assert numbered_stretches(np.arange(1_000), 30).max() == stage.MOST_STRETCHES - 1


def test_a_training_window_without_room_has_nothing_usual():
    short = [Window(0, STEP * 2_000, STEP * 2_400, STEP * 2_400, STEP * 3_000)]
    found = stage.feature_drift([PANEL], short)
    assert np.isnan(found.usual).all()
    assert np.isnan(found.by_chance)
    assert not found.beyond.any()
    assert stage.feature_drift([], []) is None
    assert stage.feature_drift([PANEL], [Window(0, 0, 10 * STEP, 10 * STEP, 20 * STEP)]) is None


def test_a_feature_that_repeats_another_is_named_with_it(study):
    assert list(study.repeats) == ["again"]
    name, correlation = study.repeats["again"]
    rows = PANEL.rows(spaced(np.arange(len(PANEL.samples)), stage.CLUSTERED))
    assert name == "noise"
    assert correlation == pytest.approx(-spearmanr(rows[:, 0], rows[:, 1]).statistic, abs=1e-9)
    label = study.clusters.label
    assert label[place("noise")] == label[place("again")]


def test_clusters_are_those_that_importances_permute(study):
    theirs = panel_clusters(PANEL, ImportanceSettings())
    assert study.clusters.label.tolist() == theirs.label.tolist()
    assert ImportanceSettings().cluster_rows == stage.CLUSTERED


def test_what_stands_still_says_nothing(study):
    assert study.named(study.empty) == ("still",)
    assert study.columns.commonest[place("still")] == 1.0


def test_two_features_are_not_clustered():
    assert stage.feature_clusters(replace(PANEL, feature_names=NAMES[:2]), np.arange(100)) is None


@pytest.fixture
def saved(tmp_path):
    def build(draft, progress):
        save_panel(draft, PANEL)
        draft.json("panel", PanelFacts(("S0", "S1"), NAMES, "feed", {}, STEP, 8))

    artefacts = Artefacts(tmp_path)
    return artefacts, artefacts.make(job("panel", "planted", (), build, ("numpy",)))


def test_the_job_keeps_what_was_found_and_is_not_done_twice(saved, study, monkeypatch):
    artefacts, panel = saved
    one = feature_study_job(panel, [panel] * FOLDS, WINDOWS, CUT)
    found = load_feature_study(artefacts.make(one))
    for name in ("autocorrelation", "half_life"):
        np.testing.assert_array_equal(getattr(found, name), getattr(study, name))
    np.testing.assert_array_equal(found.drift.usual, study.drift.usual)
    np.testing.assert_array_equal(found.columns.histogram, study.columns.histogram)
    assert isinstance(found, FeatureStudy)
    assert (found.cut, found.names, found.repeats) == (CUT, NAMES, study.repeats)
    monkeypatch.setattr(stage, "study_features", None)
    artefacts.make(feature_study_job(panel, [panel] * FOLDS, WINDOWS, CUT))
    assert feature_study_job(panel, [panel] * FOLDS, WINDOWS[:-1], CUT).digest != one.digest


def test_labels_are_not_looked_at(study):
    other = replace(PANEL, samples=replace(PANEL.samples, label=1 - PANEL.samples.label, move=PANEL.samples.move + 1))
    found = studied(other)
    np.testing.assert_array_equal(found.drift.distance, study.drift.distance)
    np.testing.assert_array_equal(found.clusters.distance, study.clusters.distance)


def test_each_fold_is_compared_in_the_panel_it_learns_from(study):
    """Features that are fitted have other values in other folds."""
    swapped = [PANEL] * (FOLDS - 1) + [replace(PANEL, series=tuple(_moved(one) for one in PANEL.series))]
    found = study_features(PANEL, swapped, WINDOWS, CUT, silent)
    np.testing.assert_array_equal(found.drift.distance[:-1], study.drift.distance[:-1])
    assert found.drift.distance[-1, place("noise")] == 1.0


def _moved(series):
    features = series.features.copy()
    features[series.bars["end"] >= WINDOWS[-1].test_start, place("noise")] += 1e3
    return replace(series, features=features)


def test_nothing_after_the_cut_is_looked_at(tmp_path):
    market = simulate(SyntheticConfig(instruments=2, bars=1_400, interval="4h"), 11)
    config = run_config(market, IDEAS[0], ExchangeConfig())
    cut = max(int(bars["end"][-1]) for bars in market.bars.values()) - 2 * DAY
    documents = {}
    for name, first in (("as it was", None), ("another holdout", cut), ("another past", cut - DAY)):
        lake, artefacts = Lake(tmp_path / name / "lake"), Artefacts(tmp_path / name / "artefacts")
        for symbol, bars in market.bars.items():
            bars = bars.copy()
            if first is not None:
                for field in ("open", "high", "low", "close", "vwap"):
                    bars[field][bars["end"] > first] *= 3.0
            lake.write(series_key(config.data, symbol), bars)
        facts = describe(config.data, lake)
        assert facts.cut == cut
        made = artefacts.make(panel_job(config, facts, lake))
        windows = fold_windows(folds(config, load_panel(made)))
        found = load_feature_study(artefacts.make(feature_study_job(made, [made] * len(windows), windows, cut)))
        assert max(one.end for one in found.bars) == cut == found.cut
        documents[name] = write_document(found, tmp_path / name, "study.json").read_bytes()
    assert documents["as it was"] == documents["another holdout"] != documents["another past"]
