"""The triple barrier: its edges one by one, and a pure-Python twin over random bars with holes."""

from __future__ import annotations

import math

import numpy as np
import pytest

from market.bars import empty_bars
from models.errors import LabelError
from models.labels import BOTH, LOWER, UPPER, VERTICAL, LabelConfig, triple_barrier

MINUTE = 60_000_000_000


def made(rows):
    """Bars of (open, high, low, close), without holes."""
    bars = empty_bars(len(rows))
    bars["start"] = MINUTE * np.arange(len(rows))
    bars["end"] = bars["start"] + MINUTE
    for name, column in zip(("open", "high", "low", "close"), np.array(rows, float).T, strict=True):
        bars[name] = column
    return bars


def moved(bars, row, by):
    """The bars from a row on, later in time."""
    late = bars.copy()
    late["start"][row:] += by
    late["end"][row:] += by
    return late


def walk(seed, count=300):
    random = np.random.default_rng(seed)
    bars = empty_bars(count)
    holes = np.where(random.random(count) < 0.03, random.integers(1, 6, count), 0)
    bars["start"] = MINUTE * (1_000_000 + np.arange(count) + np.cumsum(holes))
    bars["end"] = bars["start"] + MINUTE
    bars["close"] = 100 * np.exp(np.cumsum(random.normal(0, 0.01, count)))
    bars["open"] = np.r_[100, bars["close"][:-1]] * np.exp(random.normal(0, 0.003, count))
    bars["high"] = np.maximum(bars["open"], bars["close"]) * np.exp(random.exponential(0.006, count))
    bars["low"] = np.minimum(bars["open"], bars["close"]) * np.exp(-random.exponential(0.006, count))
    volatility = random.uniform(0.002, 0.02, count)
    volatility[random.random(count) < 0.03] = np.nan
    volatility[random.random(count) < 0.03] = 0.0
    volatility[random.random(count) < 0.03] = np.inf
    return bars, volatility


def one_label(bars, volatility, row, config):
    """(start, t1, move, touched) of one decision, or None."""
    span = [row + 1 + config.delay + k for k in range(config.horizon)]
    if span[-1] >= len(bars) or not 0 < volatility[row] < math.inf:
        return None
    if any(bars["start"][k] - bars["end"][k - 1] > config.max_gap * MINUTE for k in range(row + 1, span[-1] + 1)):
        return None
    price, start = bars["open"][span[0]], bars["start"][span[0]]
    reach = config.barrier * volatility[row] * math.sqrt(config.horizon)
    top, bottom = ("close", "close") if config.touch == "close" else ("high", "low")
    for k in span:
        up = math.log(bars[top][k] / price) >= reach
        down = math.log(bars[bottom][k] / price) <= -reach
        at_close = math.log(bars["close"][k] / price)
        if up and down:
            return start, bars["end"][k], at_close, BOTH
        if up or down:
            at_barrier = reach if up else -reach
            move = at_close if config.touch == "close" else at_barrier
            return start, bars["end"][k], move, UPPER if up else LOWER
    return start, bars["end"][span[-1]], math.log(bars["close"][span[-1]] / price), VERTICAL


@pytest.mark.parametrize(
    ("config", "kinds"),
    [
        (LabelConfig(horizon=10, barrier=0.6), {VERTICAL, UPPER, LOWER, BOTH}),
        (LabelConfig(horizon=6, barrier=0.3, delay=3, max_gap=0), {UPPER, LOWER, BOTH}),
        (LabelConfig(horizon=10, barrier=1.0, touch="close"), {VERTICAL, UPPER, LOWER}),
        (LabelConfig(horizon=1, barrier=0.5, max_gap=4), {VERTICAL, UPPER, LOWER, BOTH}),
    ],
)
def test_every_label_is_that_of_plain_python(config, kinds):
    seen = set()
    for seed in range(4):
        bars, volatility = walk(seed)
        all_rows = [one_label(bars, volatility, row, config) for row in range(len(bars))]
        rows = [row for row, one in enumerate(all_rows) if one is not None and one[2] != 0]
        start, t1, move, touched = zip(*(all_rows[row] for row in rows), strict=True)
        found = triple_barrier(bars, volatility, config, MINUTE)
        assert found.row.tolist() == rows
        assert found.start.tolist() == list(start)
        assert found.t1.tolist() == list(t1)
        assert found.touched.tolist() == list(touched)
        assert found.label.tolist() == [int(one > 0) for one in move]
        assert found.move == pytest.approx(move, rel=1e-12)
        seen |= set(touched)
    assert seen >= kinds


FLAT = (100, 100.5, 99.5, 100.2)


def test_the_entry_is_the_next_open_and_not_the_decision_s_close():
    bars = made([(90, 91, 89, 80), (100, 100.5, 99.5, 100.2)])
    found = triple_barrier(bars, np.full(2, 0.05), LabelConfig(horizon=1, barrier=1), MINUTE)
    assert found.row.tolist() == [0]
    assert found.start.tolist() == [bars["start"][1]]
    assert found.move == pytest.approx([math.log(100.2 / 100)])


def test_the_label_is_known_at_the_end_of_the_deciding_bar():
    bars = made([FLAT, FLAT, (100, 103, 100, 100), FLAT, FLAT])
    found = triple_barrier(bars, np.array([0.01, 0, 0, 0, 0]), LabelConfig(horizon=4, barrier=1), MINUTE)
    assert found.t1.tolist() == [bars["end"][2]]
    assert found.touched.tolist() == [UPPER]
    assert found.move == pytest.approx([0.02])


def test_a_bar_that_touches_both_barriers_goes_with_its_close():
    bars = made([FLAT, (100, 105, 95, 99)])
    found = triple_barrier(bars, np.full(2, 0.01), LabelConfig(horizon=1, barrier=1), MINUTE)
    assert (found.touched.tolist(), found.label.tolist()) == ([BOTH], [0])
    assert found.move == pytest.approx([math.log(0.99)])


@pytest.mark.parametrize(("missing", "labels"), [(2, 1), (3, 0)])
@pytest.mark.parametrize("row", [1, 2, 3])
def test_a_label_spans_no_longer_hole(missing, labels, row):
    bars = moved(made([FLAT, (100, 110, 100, 110), FLAT, FLAT]), row, missing * MINUTE)
    config = LabelConfig(horizon=3, barrier=1, max_gap=2)
    assert len(triple_barrier(bars, np.array([0.01, 0, 0, 0]), config, MINUTE)) == labels


def test_an_early_touch_does_not_make_a_label_near_the_end():
    bars = made([FLAT, (100, 110, 100, 110), FLAT])
    assert len(triple_barrier(bars, np.full(3, 0.01), LabelConfig(horizon=3, barrier=1), MINUTE)) == 0


def test_no_move_has_no_direction():
    bars = made([FLAT, (100, 100.5, 99.5, 100)])
    assert len(triple_barrier(bars, np.full(2, 0.05), LabelConfig(horizon=1, barrier=1), MINUTE)) == 0


def test_no_bars_have_no_labels():
    assert len(triple_barrier(empty_bars(0), np.zeros(0), LabelConfig(), MINUTE)) == 0


def test_lengths_must_agree():
    with pytest.raises(LabelError, match="2 bars but 3"):
        triple_barrier(made([FLAT, FLAT]), np.ones(3), LabelConfig(), MINUTE)


@pytest.mark.parametrize(
    "wrong", [{"horizon": 0}, {"delay": -1}, {"max_gap": -1}, {"barrier": 0}, {"barrier": math.inf}]
)
def test_a_config_out_of_range_is_refused(wrong):
    with pytest.raises(ValueError, match=next(iter(wrong))):
        LabelConfig(**wrong)
