"""Holes in the data: golden rows and evidence come from where there is enough, and too little is told at once."""

from __future__ import annotations

import numpy as np
import pytest

from features.engine import FeatureEngine
from models.bundle.golden import record_golden
from models.dataset import Panel, Samples, Series
from models.graph.compose import compose
from models.graph.linear import linear_part
from pipelines.errors import StageError
from pipelines.stages import evidence
from pipelines.stages.golden_rows import PREDICTED, golden_rows, stretches
from tests.pipelines.tiny_bundle import FEATURES, random_walk

BURN_IN = 16
FULL = FEATURES.warmup + BURN_IN + PREDICTED
MODEL = compose([linear_part("linear", [0.0, 0.0], [1.0, 1.0], 8.0, [0.01, 0.1], 0.0)]).SerializeToString()
NO_SAMPLES = Samples(*(np.empty(0, np.int64) for _ in range(6)), *(np.empty(0) for _ in range(2)))


def without(bars, first, count):
    """Bars with a hole."""
    return np.delete(bars, slice(first, first + count))


def panel(*bars):
    engine, series = FeatureEngine(FEATURES), []
    for number, one in enumerate(bars):
        engine.reset()
        series.append(Series(f"S{number}", one, engine.replay(one), np.ones(len(one))))
    return Panel(tuple(series), FEATURES.names, FEATURES.interval, NO_SAMPLES)


def of_rows(*finite):
    """A panel of series whose rows are usable where said."""
    made = [Series("S", random_walk(2), np.where(one[:, None], 1.0, np.nan), np.ones(len(one))) for one in finite]
    return Panel(tuple(made), ("a",), FEATURES.interval, NO_SAMPLES)


def same(one, other):
    return one.bars.tobytes() == other.bars.tobytes() and one.probability.tobytes() == other.probability.tobytes()


def test_without_a_hole_the_golden_rows_are_the_first_series_end():
    bars = random_walk(1_500)
    found = golden_rows(panel(bars, random_walk(1_500, seed=4)), FEATURES, MODEL, BURN_IN)
    assert same(found, record_golden(bars[-FULL:], FEATURES, MODEL, BURN_IN))
    assert np.isfinite(found.probability).sum() >= PREDICTED


@pytest.mark.parametrize("place", [30, FEATURES.warmup, FULL - 30])
def test_a_hole_near_the_end_of_the_first_series_is_avoided(place):
    broken, whole = without(random_walk(1_500), 1_500 - place - 20, 20), random_walk(1_500, seed=4)
    found = golden_rows(panel(broken, whole), FEATURES, MODEL, BURN_IN)
    assert same(found, record_golden(whole[-FULL:], FEATURES, MODEL, BURN_IN))


def test_a_hole_near_the_end_of_every_series_leaves_the_stretch_before_it():
    bars = [without(random_walk(1_500, seed), 1_500 - 60, 20) for seed in (3, 4)]
    found = golden_rows(panel(*bars), FEATURES, MODEL, BURN_IN)
    assert same(found, record_golden(bars[0][1_440 - FULL : 1_440], FEATURES, MODEL, BURN_IN))


def test_a_bridged_hole_is_none():
    bars = without(random_walk(1_500), 1_480, FEATURES.max_gap)
    assert [len(part) for part in stretches(bars, FEATURES.interval, FEATURES.max_gap)] == [len(bars)]
    assert [len(part) for part in stretches(bars, FEATURES.interval, FEATURES.max_gap - 1)] == [1_480, 12]


def test_a_short_stretch_is_better_than_none():
    bars = random_walk(FEATURES.warmup + BURN_IN + 20)
    found = golden_rows(panel(bars), FEATURES, MODEL, BURN_IN)
    assert len(found.bars) == len(bars)
    assert np.isfinite(found.probability).any()


def test_no_stretch_is_told_with_the_numbers():
    bars = without(random_walk(2 * FEATURES.warmup), FEATURES.warmup - 10, 20)
    with pytest.raises(StageError, match=f"no series has {FEATURES.warmup + BURN_IN + 1} bars in a row"):
        golden_rows(panel(bars), FEATURES, MODEL, BURN_IN)


def test_evidence_reaches_back_until_there_are_enough_usable_rows():
    holey = np.ones(20_000, bool)
    holey[-4_000::2] = False
    found = evidence.last_rows(of_rows(holey, np.ones(3_000, bool), np.zeros(500, bool)))
    assert len(found) == 2
    assert sum(evidence.usable_rows(rows) for rows in found) >= evidence.TOGETHER
    assert all(np.isfinite(rows[0]).all() for rows in found)


def test_evidence_has_a_long_stretch_although_the_end_has_none():
    """Two holes leave no 2,000 rows in a row among the last 4,096 of any series."""
    one = np.ones(20_000, bool)
    one[[-1_500, -3_000]] = False
    found = evidence.last_rows(of_rows(one, one, one))
    assert max(evidence.longest_stretch(rows) for rows in found) >= evidence.NEEDED.sequence == 10_000


def test_one_series_gives_the_stretch_that_is_wanted_for_carried_state():
    found = evidence.last_rows(of_rows(np.ones(20_000, bool), np.arange(20_000) != 9_000))
    assert [len(rows) for rows in found] == [10_000, 6_000]
    assert evidence.longest_stretch(found[0]) == 10_000


def test_where_no_stretch_is_that_long_the_longest_is_asked_for():
    panel = of_rows(np.arange(20_000) % 4_000 > 0)
    assert evidence.requirements(panel).sequence == 3_999
    assert evidence.requirements(of_rows(np.ones(20_000, bool))) == evidence.NEEDED


@pytest.mark.parametrize(("count", "words"), [(9_999, "9,999 bars"), (0, "0 bars")])
def test_too_few_rows_are_told_with_both_numbers(count, words):
    usable = np.arange(20_000) < count
    with pytest.raises(StageError, match=rf"{words}.*10,000.*bring more history") as raised:
        evidence.check_enough_rows(of_rows(usable), ("linear",))
    assert "\n" not in str(raised.value)


def test_a_recurrent_member_needs_a_long_stretch():
    usable = np.arange(30_000) % 1_000 > 0
    evidence.check_enough_rows(of_rows(usable), ("linear", "xgboost"))
    with pytest.raises(StageError, match=r"has 999 .* certificate of lstm needs 2,000 in a row"):
        evidence.check_enough_rows(of_rows(usable), ("linear", "lstm"))
