"""Drift is called where there is some, and where there is none as rarely as is said."""

import numpy as np
import pytest
from scipy.signal import lfilter

from market.time import HOUR
from pipelines.gates.config import GateConfig
from pipelines.gates.drift import FEWEST, drift_gate, finite_by_time, measure_drift

CONFIG = GateConfig()
NAMES = tuple(f"f{number}" for number in range(6))
TRAIN, NEWEST = 1_900, 100


def market(random, memory=0.8, count=TRAIN + NEWEST):
    """Features that remember their past and share a common factor, hour by hour."""
    noise = random.normal(size=(count + 200, 1)) + random.normal(size=(count + 200, len(NAMES)))
    return lfilter([1.0], [1.0, -memory], noise, axis=0)[200:]


def measured(rows, names=NAMES):
    time = HOUR * np.arange(1, len(rows) + 1)
    return measure_drift(names, rows[:TRAIN], time[:TRAIN], rows[TRAIN:], time[TRAIN:], CONFIG.stretches)


def called(change, runs=200):
    """In what share of markets the gate refuses, if the newest rows are changed so."""
    found = []
    for seed in range(runs):
        rows = market(np.random.default_rng(seed))
        rows[TRAIN:] = change(rows[TRAIN:])
        found.append(not drift_gate(measured(rows), CONFIG).passed)
    return float(np.mean(found))


def test_the_rate_of_false_alarms_is_what_is_said():
    """Dependent rows, dependent features: 5 % of markets without drift, within three of its standard errors."""
    assert called(lambda newest: newest) == pytest.approx(CONFIG.drift, abs=3 * (0.05 * 0.95 / 200) ** 0.5)


@pytest.mark.parametrize(
    "change", [lambda newest: newest + 6.0, lambda newest: 4.0 * newest], ids=["another level", "another spread"]
)
def test_drift_is_found(change):
    assert called(change, runs=20) >= 0.9


def test_the_features_that_moved_are_named():
    rows = market(np.random.default_rng(5))
    rows[TRAIN:, 4] += 50.0
    found = measured(rows)
    assert found.farthest[0] == "f4"
    assert "f4" in drift_gate(found, CONFIG).reason


def test_only_the_end_of_a_long_newest_stretch_is_compared():
    """As much of it as one stretch of the training data lasts."""
    rows = market(np.random.default_rng(6), count=2 * TRAIN)
    rows[TRAIN:-120] += 100.0
    found = measured(rows)
    assert found.length == pytest.approx(TRAIN // CONFIG.stretches * HOUR, rel=0.01)
    assert found.distance < 0.9


def test_too_few_rows_are_not_judged():
    rows = market(np.random.default_rng(7), count=TRAIN + FEWEST - 1)
    assert measured(rows) is None
    assert measured(rows[:TRAIN]) is None


def test_rows_of_all_instruments_are_put_in_order_and_missing_ones_left_out():
    rows, time = finite_by_time([np.array([[1.0], [np.nan]]), np.array([[2.0]])], [np.array([5, 9]), np.array([3])])
    assert (rows[:, 0].tolist(), time.tolist()) == ([2.0, 1.0], [3, 5])
