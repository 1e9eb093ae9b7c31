"""The triple barrier in general: a pure-Python twin, the default label to the bit, and its rules one by one."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from market.bars import empty_bars
from models.errors import LabelError
from models.labels import (
    BOTH,
    LOWER,
    UPPER,
    VERTICAL,
    BarrierConfig,
    LabelConfig,
    Labels,
    barrier_classes,
    barrier_labels,
    triple_barrier,
)

MINUTE = 60_000_000_000


def walk(seed, count=300, holes=0.03):
    """Bars with holes and gaps, a target with rows that are no target, and a side."""
    random = np.random.default_rng(seed)
    bars = empty_bars(count)
    missing = np.where(random.random(count) < holes, random.integers(1, 6, count), 0)
    bars["start"] = MINUTE * (1_000_000 + np.arange(count) + np.cumsum(missing))
    bars["end"] = bars["start"] + MINUTE
    bars["close"] = 100 * np.exp(np.cumsum(random.normal(0, 0.01, count)))
    bars["open"] = np.r_[100, bars["close"][:-1]] * np.exp(random.normal(0, 0.01, count))
    bars["high"] = np.maximum(bars["open"], bars["close"]) * np.exp(random.exponential(0.006, count))
    bars["low"] = np.minimum(bars["open"], bars["close"]) * np.exp(-random.exponential(0.006, count))
    target = random.uniform(0.005, 0.05, count)
    for wrong in (np.nan, 0.0, np.inf):
        target[random.random(count) < 0.03] = wrong
    return bars, target, random.choice([-2.0, -1.0, 0.0, np.nan, 1.0, 0.5], count)


def one_label(bars, target, row, config, side=None):
    """(row, start, t1, label, move, touched) of one decision, or None; nothing shared with the library."""
    direction = 1.0 if side is None else side[row]
    if not (
        0 < target[row] < math.inf and target[row] >= config.minimum_return and direction and direction == direction
    ):
        return None
    entry = row + 1 + config.delay
    if entry >= len(bars):
        return None
    if config.horizon is not None:
        last = entry + config.horizon - 1
    else:
        reached = np.flatnonzero(bars["end"] >= bars["start"][entry] + config.holding)
        last = max(int(reached[0]), entry) if len(reached) else len(bars)
    if last >= len(bars):
        return None
    if config.max_gap is not None and any(
        bars["start"][k] - bars["end"][k - 1] > config.max_gap * MINUTE for k in range(row + 1, last + 1)
    ):
        return None
    price = bars["open"][entry]
    profit = math.inf if config.take_profit is None else config.take_profit * target[row]
    loss = math.inf if config.stop_loss is None else config.stop_loss * target[row]
    up, down = (profit, loss) if direction > 0 else (loss, profit)
    top, bottom = ("close", "close") if config.touch == "close" else ("high", "low")
    exit_row, touched, move = last, VERTICAL, math.log(bars["close"][last] / price)
    for k in range(entry, last + 1):
        above, below = math.log(bars[top][k] / price) >= up, math.log(bars[bottom][k] / price) <= -down
        if not (above or below):
            continue
        at_close, at_open = math.log(bars["close"][k] / price), math.log(bars["open"][k] / price)
        touched = BOTH if above and below else UPPER if above else LOWER
        if touched == BOTH and config.both == "stop_first":
            above = direction < 0
        exit_row, move = k, up if above else -down
        if config.gaps == "open" and (at_open > up if above else at_open < -down):
            move = at_open
        if config.touch == "close" or (touched == BOTH and config.both == "close"):
            move = at_close
        break
    if side is None and move == 0:
        return None
    won = move > 0 if side is None else move * direction > 0
    return row, bars["start"][entry], bars["end"][exit_row], int(won), move, touched


CONFIGS = [
    BarrierConfig(take_profit=1.0, stop_loss=0.5, horizon=10),
    BarrierConfig(take_profit=0.5, stop_loss=0.7, horizon=10, both="stop_first", gaps="open"),
    BarrierConfig(take_profit=None, stop_loss=0.5, horizon=6, delay=3, max_gap=0),
    BarrierConfig(take_profit=0.4, stop_loss=None, horizon=8, gaps="open", max_gap=None),
    BarrierConfig(take_profit=1.0, stop_loss=1.0, horizon=10, touch="close", minimum_return=0.02),
    BarrierConfig(take_profit=0.6, stop_loss=0.6, horizon=None, holding=7 * MINUTE, delay=1),
    BarrierConfig(take_profit=0.6, stop_loss=0.3, horizon=None, holding=MINUTE // 2, max_gap=1, both="stop_first"),
    BarrierConfig(take_profit=None, stop_loss=None, horizon=None, holding=5 * MINUTE + 1, max_gap=4),
]


@pytest.mark.parametrize("with_side", [False, True])
@pytest.mark.parametrize("config", CONFIGS)
def test_every_label_is_that_of_plain_python(config, with_side):
    seen = set()
    for seed in range(3):
        bars, target, side = walk(seed)
        given_side = side if with_side else None
        events = np.flatnonzero(np.random.default_rng(seed).random(len(bars)) < (1.0 if seed == 0 else 0.4))
        rows = [one_label(bars, target, row, config, given_side) for row in events]
        row, start, t1, label, move, touched = zip(*(one for one in rows if one is not None), strict=True)
        found = barrier_labels(bars, target, config, interval=MINUTE, events=events, side=given_side)
        assert found.row.tolist() == list(row)
        assert found.start.tolist() == list(start)
        assert found.t1.tolist() == list(t1)
        assert found.label.tolist() == list(label)
        assert found.touched.tolist() == list(touched)
        assert found.move == pytest.approx(move, rel=1e-12)
        seen |= set(touched)
    assert VERTICAL in seen
    assert len(seen) >= 2 or config.take_profit is config.stop_loss is None


@pytest.mark.parametrize("touch", ["high_low", "close"])
@pytest.mark.parametrize("seed", range(6))
def test_the_default_label_is_a_special_case_to_the_bit(seed, touch):
    bars, volatility, _ = walk(seed, 400)
    default = LabelConfig(horizon=3 + seed, barrier=0.3 + 0.2 * seed, delay=seed % 3, touch=touch, max_gap=seed % 4)
    width = default.barrier * np.sqrt(float(default.horizon))
    general = BarrierConfig(
        take_profit=width,
        stop_loss=width,
        horizon=default.horizon,
        delay=default.delay,
        touch=touch,
        max_gap=default.max_gap,
    )
    one = triple_barrier(bars, volatility, default, MINUTE)
    other = barrier_labels(bars, volatility, general, interval=MINUTE)
    assert len(one) > 100
    for name in Labels.__slots__:
        assert getattr(one, name).tobytes() == getattr(other, name).tobytes()


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 10_000), config=st.sampled_from(CONFIGS))
def test_chosen_events_have_the_labels_they_have_among_all(seed, config):
    bars, target, side = walk(seed, 120)
    events = np.flatnonzero(np.random.default_rng(seed).random(len(bars)) < 0.3)
    every = barrier_labels(bars, target, config, interval=MINUTE, side=side)
    some = barrier_labels(bars, target, config, interval=MINUTE, side=side, events=events)
    mine = np.isin(every.row, events)
    for name in Labels.__slots__:
        assert getattr(every, name)[mine].tobytes() == getattr(some, name).tobytes()


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 10_000), config=st.sampled_from(CONFIGS))
def test_a_label_needs_no_bar_after_its_own_vertical_barrier(seed, config):
    """Cutting the data off removes labels at the end and changes no other."""
    bars, target, _ = walk(seed, 120)
    whole = barrier_labels(bars, target, config, interval=MINUTE)
    cut = barrier_labels(bars[:90], target[:90], config, interval=MINUTE)
    assert 0 < len(cut) < len(whole)
    for name in Labels.__slots__:
        assert getattr(whole, name)[: len(cut)].tobytes() == getattr(cut, name).tobytes()


def made(rows):
    bars = empty_bars(len(rows))
    bars["start"] = MINUTE * np.arange(len(rows))
    bars["end"] = bars["start"] + MINUTE
    for name, column in zip(("open", "high", "low", "close"), np.array(rows, float).T, strict=True):
        bars[name] = column
    return bars


FLAT = (100, 100.5, 99.5, 100.2)
TORN = (100, 106, 94, 104)


@pytest.mark.parametrize(
    ("both", "side", "move", "label"),
    [
        ("close", 1.0, math.log(1.04), 1),
        ("close", -1.0, math.log(1.04), 0),
        ("stop_first", 1.0, -0.05, 0),
        ("stop_first", -1.0, 0.05, 0),
    ],
)
def test_the_rule_for_a_bar_that_touches_both(both, side, move, label):
    config = BarrierConfig(take_profit=1.0, stop_loss=1.0, horizon=1, both=both)
    found = barrier_labels(made([FLAT, TORN]), np.full(2, 0.05), config, interval=MINUTE, side=np.full(2, side))
    assert found.touched.tolist() == [BOTH]
    assert found.move == pytest.approx([move])
    assert found.label.tolist() == [label]


@pytest.mark.parametrize(("gaps", "move"), [("barrier", -0.02), ("open", math.log(0.9))])
def test_the_rule_for_a_bar_that_opens_beyond_the_barrier(gaps, move):
    bars = made([FLAT, FLAT, (90, 91, 89, 90)])
    config = BarrierConfig(take_profit=1.0, stop_loss=1.0, horizon=2, gaps=gaps)
    found = barrier_labels(bars, np.full(3, 0.02), config, interval=MINUTE, events=np.array([0]))
    assert found.touched.tolist() == [LOWER]
    assert found.move == pytest.approx([move])


def test_an_absent_barrier_is_never_touched():
    bars = made([FLAT, (100, 1e9, 0.0, 100.2)])
    neither = BarrierConfig(take_profit=None, stop_loss=None, horizon=1)
    assert barrier_labels(bars, np.full(2, 0.05), neither, interval=MINUTE).touched.tolist() == [VERTICAL]
    found = barrier_labels(bars, np.full(2, 0.05), BarrierConfig(stop_loss=None, horizon=1), interval=MINUTE)
    assert found.touched.tolist() == [UPPER]


def test_events_below_the_minimum_return_are_dropped_and_one_at_it_is_kept():
    bars = made([FLAT, FLAT, FLAT, FLAT])
    config = BarrierConfig(horizon=1, minimum_return=0.02)
    found = barrier_labels(bars, np.array([0.019, 0.02, 0.021, 1.0]), config, interval=MINUTE)
    assert found.row.tolist() == [1, 2]


def test_a_bet_that_made_nothing_is_not_a_success():
    bars = made([FLAT, (100, 100.5, 99.5, 100)])
    config = BarrierConfig(horizon=1)
    assert barrier_labels(bars, np.ones(2), config, interval=MINUTE, side=np.ones(2)).label.tolist() == [0]
    assert len(barrier_labels(bars, np.ones(2), config, interval=MINUTE)) == 0


def test_a_missing_price_has_no_label():
    bars = made([FLAT] * 4)
    bars["close"][3] = np.nan
    found = barrier_labels(bars, np.ones(4), BarrierConfig(horizon=1), interval=MINUTE)
    assert found.row.tolist() == [0, 1]


def test_classes_are_zero_where_time_ran_out():
    bars, target, _ = walk(3)
    found = barrier_labels(bars, target, CONFIGS[0], interval=MINUTE)
    classes = barrier_classes(found)
    assert set(classes.tolist()) == {-1, 0, 1}
    assert (classes[found.touched == UPPER] == 1).all()
    assert (classes[found.touched == LOWER] == -1).all()
    assert ((classes == 0) == (found.touched == VERTICAL)).all()


def test_no_bars_have_no_labels():
    assert len(barrier_labels(empty_bars(0), np.zeros(0), BarrierConfig(), interval=MINUTE)) == 0


@pytest.mark.parametrize("events", [[1, 1], [2, 1], [-1, 2], [0, 5], [[0]], [0.5]])
def test_events_that_are_no_ascending_rows_are_refused(events):
    with pytest.raises(LabelError, match="events"):
        barrier_labels(made([FLAT] * 5), np.ones(5), BarrierConfig(), interval=MINUTE, events=np.array(events))


def test_lengths_and_the_interval_are_checked():
    bars = made([FLAT] * 3)
    with pytest.raises(LabelError, match="3 bars but 2 values of target"):
        barrier_labels(bars, np.ones(2), BarrierConfig(), interval=MINUTE)
    with pytest.raises(LabelError, match="3 bars but 4 values of side"):
        barrier_labels(bars, np.ones(3), BarrierConfig(), interval=MINUTE, side=np.ones(4))
    with pytest.raises(LabelError, match="max_gap is 2 bars, but the bars' interval is None"):
        barrier_labels(bars, np.ones(3), BarrierConfig())


@pytest.mark.parametrize(
    ("wrong", "named"),
    [
        ({"take_profit": 0.0}, "take_profit"),
        ({"stop_loss": math.inf}, "stop_loss"),
        ({"stop_loss": math.nan}, "stop_loss"),
        ({"horizon": None}, "exactly one"),
        ({"holding": 5}, "exactly one"),
        ({"horizon": 0}, "horizon"),
        ({"horizon": None, "holding": 0}, "holding"),
        ({"delay": -1}, "delay"),
        ({"max_gap": -1}, "max_gap"),
        ({"minimum_return": -0.1}, "minimum_return"),
        ({"minimum_return": math.nan}, "minimum_return"),
    ],
)
def test_a_config_out_of_range_is_refused(wrong, named):
    with pytest.raises(LabelError, match=named):
        BarrierConfig(**wrong)
