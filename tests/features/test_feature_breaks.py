"""Structural breaks: bubbles are seen, the deviation is not the variance, and unit and scale of the price are not."""

from __future__ import annotations

import numpy as np
import pytest

from features.catalogue.breaks import shortest_regression
from features.conformance import flattened, plain_bars, replayed
from features.engine import FeatureEngine
from features.feature_set import FeatureSet
from market.time import MINUTE
from models.statistics.stationarity import sadf

pytestmark = pytest.mark.xdist_group("features")

NAMES = ("csw_rise_96", "csw_fall_96", "csw_excess_96", "sup_adf_96")


@pytest.fixture(scope="module")
def breaks() -> FeatureEngine:
    return FeatureEngine(FeatureSet(NAMES, MINUTE, 3)).build()


def following(logs: np.ndarray) -> np.ndarray:
    """Bars whose closes are given by their logarithms."""
    bars = plain_bars(len(logs), 1)
    for name in ("open", "high", "low", "close"):
        bars[name] = np.exp(logs)
    return bars


def walk(count: int, seed: int, size: float = 0.01) -> np.ndarray:
    return size * np.random.default_rng(seed).standard_normal(count).cumsum()


def test_the_supremum_is_that_of_the_other_implementation(breaks):
    """`models.statistics.stationarity.sadf` over each window by itself: n prices have n - 2 rows."""
    logs = 4.0 + walk(160, 3)
    found = replayed(breaks, following(logs))[:, 3]
    for row in range(95, 160, 5):
        window = logs[row - 95 : row + 1]
        assert found[row] == pytest.approx(sadf(window, shortest_regression(96), 1)[-1], rel=1e-7)


def test_a_bubble_is_explosive_while_it_grows(breaks):
    logs = walk(500, 5)
    logs[400:] += 0.02 * (1.06 ** np.arange(100) - 1.0)
    found = replayed(breaks, following(logs))[:, 3]
    assert np.nanmax(found[:400]) < 2.5
    assert found[-1] > 5.0


def test_a_perfect_explosion_is_bounded(breaks):
    found = replayed(breaks, following(1e-3 * 1.05 ** np.arange(150)))[95:, 3]
    assert np.isfinite(found).all()
    assert (np.abs(found) <= 100 * np.sqrt(94)).all()


def test_the_statistic_of_one_step_is_the_step_in_standard_deviations(breaks):
    """A jump of J after 95 moves of +-s: (y_t - y_{t-1}) / deviation; by the variance it would be thousands."""
    logs = np.concatenate([[0.0], np.cumsum(np.where(np.arange(94) % 2, 1e-3, -1e-3)), [0.05]])
    bars = following(logs)
    rise, fall, excess, _ = replayed(breaks, bars)[-1]
    jump = 0.05 - logs[-2]
    deviation = np.sqrt((94 * 1e-6 + jump**2) / 95)
    assert rise == pytest.approx(jump / deviation, rel=1e-9)
    assert rise < np.sqrt(95) < jump / deviation**2
    assert excess == pytest.approx(rise - np.sqrt(4.6), rel=1e-9)
    assert fall < 0.0


def test_falling_mirrors_rising(breaks):
    logs = walk(300, 6)
    up, down = replayed(breaks, following(logs))[95:], replayed(breaks, following(-logs))[95:]
    np.testing.assert_allclose(up[:, 0], down[:, 1], rtol=1e-9, atol=1e-9)
    np.testing.assert_allclose(up[:, 2], down[:, 2], rtol=1e-9, atol=1e-9)


def test_unit_and_scale_of_moves_do_not_matter(breaks):
    logs = walk(300, 7)
    one, other = replayed(breaks, following(logs))[95:], replayed(breaks, following(0.1 * logs - 9.0))[95:]
    np.testing.assert_allclose(one, other, rtol=1e-6, atol=1e-6)


def test_a_walk_seldom_exceeds_its_critical_value(breaks):
    """The 5 % value is of one beginning; over 95 dependent ones the share is larger, but far below a half."""
    found = replayed(breaks, following(walk(20_000, 8)))[95:, 2]
    assert 0.0 < (found > 0).mean() < 0.2


def test_without_moves_all_are_zero_or_the_critical_value(breaks):
    bars = flattened(plain_bars(400, 9), 200, 400, silent=True)
    np.testing.assert_allclose(replayed(breaks, bars)[-1], [0.0, 0.0, -np.sqrt(4.6), 0.0], rtol=1e-15)
