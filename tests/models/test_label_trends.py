"""Trend scanning against ordinary least squares by NumPy, span by span."""

from __future__ import annotations

import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from market.bars import empty_bars
from models.errors import LabelError
from models.labels import TrendConfig, trend_scan, trend_scanning

MINUTE = 60_000_000_000


def ols_t_value(values):
    """The slope's t-value as the textbook has it, in exact fractions: floats lose it where a fit is nearly perfect."""
    y = [Fraction(float(value)) for value in values]
    x = [Fraction(2 * place - len(y) + 1, 2) for place in range(len(y))]
    mean, squares = sum(y) / len(y), sum(one * one for one in x)
    slope = sum(one * other for one, other in zip(x, y, strict=True)) / squares
    residual = sum((other - mean - slope * one) ** 2 for one, other in zip(x, y, strict=True))
    return float(slope) / math.sqrt(residual / (len(y) - 2) / squares)


def twin(values, row, shortest, longest, step):
    spans = list(range(shortest, longest + 1, step))
    if row + spans[-1] > len(values):
        return math.nan, 0
    t_values = [ols_t_value(values[row : row + span]) for span in spans]
    best = int(np.argmax(np.abs(t_values)))
    return t_values[best], spans[best]


@settings(max_examples=60, deadline=None)
@given(
    seed=st.integers(0, 10_000),
    shortest=st.integers(3, 6),
    more=st.integers(0, 12),
    step=st.integers(1, 4),
    level=st.sampled_from([0.0, 11.0, 50_000.0]),
)
def test_every_scan_is_that_of_least_squares(seed, shortest, more, step, level):
    values = level + np.cumsum(np.random.default_rng(seed).normal(0.05, 1, 40))
    t_value, span = trend_scan(values, shortest, shortest + more, step)
    expected = [twin(values, row, shortest, shortest + more, step) for row in range(len(values))]
    assert span.tolist() == [one[1] for one in expected]
    assert t_value == pytest.approx([one[0] for one in expected], rel=1e-8, nan_ok=True)


def test_nothing_drifts_in_a_million_rows():
    values = 50_000 + np.cumsum(np.random.default_rng(4).normal(0, 1, 1_000_000))
    late = np.arange(999_900, 999_975)
    t_value, span = trend_scan(values, 5, 20, events=late)
    expected = [twin(values, row, 5, 20, 1) for row in late]
    assert span.tolist() == [one[1] for one in expected]
    assert t_value == pytest.approx([one[0] for one in expected], rel=1e-8)


def test_scipy_agrees_on_the_t_value():
    stats = pytest.importorskip("scipy.stats")
    values = np.random.default_rng(0).normal(size=9)
    fit = stats.linregress(np.arange(9), values)
    assert trend_scan(values, 9, 9)[0][0] == pytest.approx(fit.slope / fit.stderr, rel=1e-12)


def test_a_perfect_line_is_infinitely_significant_and_a_constant_is_not():
    for values, t_value in (([0, 1, 2, 3], math.inf), ([3, 2, 1, 0], -math.inf), ([2, 2, 2, 2], 0.0)):
        assert trend_scan(np.array(values, float), 3, 4)[0][0] == t_value


def test_the_shortest_of_equals_wins():
    assert trend_scan(np.arange(9.0), 3, 6)[1].tolist() == [3, 3, 3, 3, 0, 0, 0, 0, 0]


def walk(seed, count=200):
    random = np.random.default_rng(seed)
    bars = empty_bars(count)
    holes = np.where(random.random(count) < 0.03, random.integers(1, 6, count), 0)
    bars["start"] = MINUTE * (1_000_000 + np.arange(count) + np.cumsum(holes))
    bars["end"] = bars["start"] + MINUTE
    bars["close"] = 100 * np.exp(np.cumsum(random.normal(0, 0.01, count)))
    bars["open"] = np.r_[100, bars["close"][:-1]] * np.exp(random.normal(0, 0.003, count))
    bars["close"][50] = np.nan
    bars["open"][120] = np.nan
    return bars


@pytest.mark.parametrize(
    "config",
    [
        TrendConfig(shortest=4, longest=9, threshold=3.0),
        TrendConfig(shortest=5, longest=12, step=3, delay=2, max_gap=None),
        TrendConfig(shortest=3, longest=3, max_gap=0),
    ],
)
def test_labels_of_bars_are_those_of_plain_python(config):
    bars = walk(1)
    spans = range(config.shortest, config.longest + 1, config.step)
    log = np.log(bars["close"])
    expected = []
    for row in range(len(bars)):
        first, last = row + config.delay, row + config.delay + spans[-1] - 1
        if last >= len(bars) or np.isnan(log[first : last + 1]).any() or np.isnan(bars["open"][first + 1]):
            continue
        holes = (bars["start"][row + 1 : last + 1] - bars["end"][row:last]) // MINUTE
        if config.max_gap is not None and (holes > config.max_gap).any():
            continue
        t_value, span = twin(log, first, config.shortest, config.longest, config.step)
        label = int(np.sign(t_value)) if abs(t_value) >= config.threshold else 0
        end = first + span - 1
        move = log[end] - math.log(bars["open"][first + 1])
        expected.append(
            (row, bars["start"][first + 1], bars["end"][last], label, move, t_value, span, bars["end"][end])
        )
    row, start, t1, label, move, t_value, span, trend_end = zip(*expected, strict=True)
    found = trend_scanning(bars, config, interval=MINUTE)
    assert len(found) == len(row)
    assert found.row.tolist() == list(row)
    assert found.start.tolist() == list(start)
    assert found.t1.tolist() == list(t1)
    assert found.label.tolist() == list(label)
    assert found.span.tolist() == list(span)
    assert found.trend_end.tolist() == list(trend_end)
    assert found.move == pytest.approx(move, rel=1e-9, abs=1e-12)
    assert found.t_value == pytest.approx(t_value, rel=1e-7)
    some = np.flatnonzero(np.arange(len(bars)) % 3 == 0)
    chosen = trend_scanning(bars, config, interval=MINUTE, events=some)
    assert chosen.t_value.tobytes() == found.t_value[np.isin(found.row, some)].tobytes()


def test_the_label_is_known_when_the_longest_span_ends_whichever_wins():
    bars = walk(2)
    found = trend_scanning(bars, TrendConfig(shortest=3, longest=10, max_gap=None))
    assert (found.t1 >= found.trend_end).all()
    assert (found.t1 > found.trend_end).any()
    assert found.t1.tolist() == bars["end"][found.row + 9].tolist()


@pytest.mark.parametrize(
    ("wrong", "named"),
    [
        ({"shortest": 2}, "shortest"),
        ({"longest": 4}, "longest"),
        ({"step": 0}, "step"),
        ({"delay": -1}, "delay"),
        ({"threshold": math.nan}, "threshold"),
        ({"max_gap": -1}, "max_gap"),
    ],
)
def test_a_config_out_of_range_is_refused(wrong, named):
    with pytest.raises(LabelError, match=named):
        TrendConfig(**wrong)
