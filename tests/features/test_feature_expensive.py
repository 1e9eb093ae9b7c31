"""The features of memory, information, breaks and regimes: conformance, exactness, real data, registered cost."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from features import conformance
from features.catalogue import CATALOGUE
from features.catalogue.costs import NANOSECONDS
from features.conformance import degenerate_series, flattened, plain_bars, replayed, without
from features.engine import FeatureEngine
from features.feature_set import FeatureSet
from features.fitting import fit_features
from market.readers import read_bars
from market.time import MINUTE
from tests.features.information_reference import REFERENCE, worst_errors
from tests.features.test_feature_conformance import BARS, FEW, gappy, holes
from tests.features.test_feature_reference import REAL, archive_bars

pytestmark = pytest.mark.xdist_group("features")

TOLERANCE = 1e-9
NAMES = tuple(name for name, feature in CATALOGUE.items() if feature.cost == "expensive")
UNFITTED = FeatureSet(NAMES, MINUTE, 3)
SERIES = {
    "prices near 50,000": lambda: plain_bars(1_500, 2, 5e4),
    "prices near 1e-5": lambda: plain_bars(1_500, 3, 1e-5),
    "bridged gaps": lambda: without(plain_bars(1_500, 4), range(50, 1_400, 7)),
    "a silent stretch": lambda: flattened(plain_bars(1_500, 5), 1_000, 1_200, silent=True),
    "a stretch at one price": lambda: flattened(plain_bars(1_500, 6), 1_000, 1_100, silent=False),
}


@pytest.fixture(scope="module")
def expensive() -> FeatureEngine:
    training = {"A": plain_bars(4_000, 21), "B": plain_bars(4_000, 22, 1e-5)}
    return FeatureEngine(fit_features(UNFITTED, training, 0, 4_000 * MINUTE)).build()


def assert_exact(feature_set: FeatureSet, rows: np.ndarray, bars: np.ndarray, every: int, first: int = 0) -> None:
    worst = worst_errors(feature_set, rows, bars, every, first)
    assert {name: error for name, error in worst.items() if not error <= TOLERANCE} == {}


def test_every_expensive_feature_has_a_reference():
    assert set(REFERENCE) == set(NAMES)


def test_every_expensive_feature_states_what_it_costs():
    assert list(NANOSECONDS) == list(NAMES)
    assert all(10 <= cost <= 20_000 for cost in NANOSECONDS.values())


def test_features_of_one_model_share_its_steps():
    """Three statistics of one window, or three states of one model, run its kernel once."""
    for names in (("csw_rise_96", "csw_fall_96", "csw_excess_96"), ("regime_calm_3", "regime_turbulent_3")):
        alone, together = (FeatureSet(asked, MINUTE, 3).plan for asked in (names[:1], names))
        assert together.nodes == alone.nodes
        assert (together.floats, together.ints) == (alone.floats, alone.ints)


def test_all_conform(expensive):
    conformance.check_features(expensive.feature_set)


@FEW
@given(seed=st.integers(0, 999), missing=holes, start=st.integers(0, 10**7), splits=st.sets(st.integers(1, 1_100)))
def test_update_and_restarts_equal_replay(expensive, seed, missing, start, splits):
    conformance.check_parity(expensive, gappy(seed, missing, start), splits)


@FEW
@given(
    seed=st.integers(0, 999), missing=holes, start=st.integers(0, 10**7), late=st.sets(st.integers(1, 700), max_size=6)
)
def test_finite_memory_is_exact_across_bridged_gaps(expensive, seed, missing, start, late):
    bars = gappy(seed, missing, start)
    conformance.check_late_start(expensive, bars, late)
    whole = replayed(expensive, bars)
    for place in (3, 57, *late):
        conformance.check_forgotten(expensive, bars, place, whole)


@FEW
@given(seed=st.integers(0, 999), cuts=st.sets(st.integers(1, BARS - 1), min_size=1, max_size=5))
def test_the_future_never_changes_the_past(expensive, seed, cuts):
    conformance.check_no_lookahead(expensive, plain_bars(BARS, seed), cuts)


@pytest.mark.parametrize("series", SERIES)
def test_exact_on(expensive, series):
    bars = SERIES[series]()
    assert_exact(expensive.feature_set, replayed(expensive, bars), bars, 7)


@pytest.mark.parametrize("number", [3, 5, 6, 7, 8])
def test_exact_on_degenerate_bars(expensive, number):
    bars = list(degenerate_series(1_200, 9))[number]
    assert_exact(expensive.feature_set, replayed(expensive, bars), bars, 13)


def test_interpreted_code_gives_the_same_bits(expensive):
    bars = flattened(without(plain_bars(1_000, 5), range(10, 900, 17)), 700, 740, silent=True)
    conformance.check_interpreted(expensive, bars)
    leaping = list(degenerate_series(900, 3))[5]
    conformance.check_interpreted(expensive, leaping)


@pytest.mark.parametrize("price", [5e4, 1e-5])
def test_exact_after_a_quarter_of_a_million_bars(expensive, price):
    bars = plain_bars(250_000, 12, price)
    rows = replayed(expensive, bars)
    tail = 12_000  # all of history to the slowest average
    assert_exact(expensive.feature_set, rows[-tail:], bars[-tail:], 50, tail - 1_000)


@pytest.mark.long
@pytest.mark.parametrize("price", [5e4, 1e-5])
def test_exact_after_five_million_bars(expensive, price):
    """One state all the way, in chunks with an outlier each; the end against the exact recomputation of its bars."""
    chunk, tail = 100_000, 12_000
    expensive.reset()
    for number in range(50):
        bars = plain_bars(chunk, number, price, start=number * chunk * MINUTE)
        bars["volume"][chunk // 2] = 1e12
        rows = expensive.replay(bars)
    assert expensive.count == 50 * chunk
    assert_exact(expensive.feature_set, rows[-tail:], bars[-tail:], 50, tail - 1_000)


@pytest.mark.real_data
@pytest.mark.parametrize("file", REAL)
def test_exact_and_finite_on_real_bars(real_data, file):
    path = next(iter((real_data / "klines").glob(file.replace(".csv.gz", "*.csv.gz"))))
    bars = archive_bars(path, REAL[file])[:12_000]
    interval = int(bars["end"][0] - bars["start"][0])
    training = int(bars["end"][6_000])
    feature_set = fit_features(FeatureSet(NAMES, interval, 3), {"A": bars}, 0, training)
    rows = FeatureEngine(feature_set).replay(bars)
    assert np.isfinite(rows[feature_set.warmup - 1 :]).all()
    assert_exact(feature_set, rows[:3_000], bars[:3_000], 40)


@pytest.mark.long
@pytest.mark.real_data
def test_finite_on_every_real_series_exactly_where_warm(real_data):
    """Gaps that empty the state included: a value is finite if and only if enough bars came since."""
    files = [path for path in sorted((real_data / "klines").rglob("*")) if path.suffix in (".gz", ".parquet")]
    series = [read_bars(path).bars for path in files if path.parent.name != "spot-1d"]
    values = None
    for bars in series:
        interval = int(np.median(bars["end"] - bars["start"]))
        bars = bars[bars["end"] - bars["start"] == interval][:20_000]
        wanted = FeatureSet(NAMES, interval, 3)
        if values is None:
            values = fit_features(wanted, {"A": bars}, 0, int(bars["end"][10_000])).fitted
        rows = FeatureEngine(wanted.with_fitted(values)).replay(bars)
        place = np.arange(len(bars))
        fresh = np.append(True, (bars["start"][1:] - bars["end"][:-1]) // interval > 3)
        seen = place - np.maximum.accumulate(np.where(fresh, place, 0)) + 1
        for column, feature in enumerate(wanted.features):
            assert (np.isfinite(rows[:, column]) == (seen >= feature.warmup)).all(), feature.name
    assert len(series) >= 60
