"""Fixed horizon, meta-labels, the flat table, and the package's doors."""

from __future__ import annotations

import math
import subprocess
import sys

import numpy as np
import pytest

import models.labels
from market.bars import empty_bars
from models.dataset import Samples
from models.errors import LabelError
from models.labels import (
    VERTICAL,
    BarrierConfig,
    FixedConfig,
    Labels,
    TrendConfig,
    barrier_labels,
    fixed_horizon,
    flat_samples,
    meta_labels,
    trend_scanning,
)
from models.weights import average_uniqueness

MINUTE = 60_000_000_000


def walk(seed, count=150):
    random = np.random.default_rng(seed)
    bars = empty_bars(count)
    bars["start"] = MINUTE * (1_000_000 + np.arange(count))
    bars["end"] = bars["start"] + MINUTE
    bars["close"] = np.round(100 * np.exp(np.cumsum(random.normal(0, 0.01, count))), 1)
    bars["open"] = np.r_[100, bars["close"][:-1]]
    bars["high"], bars["low"] = bars["close"] * 1.004, bars["close"] * 0.996
    return bars


@pytest.mark.parametrize("scaled", [False, True])
def test_fixed_horizons_are_those_of_plain_python(scaled):
    bars = walk(0)
    target = np.random.default_rng(1).uniform(0.005, 0.03, len(bars)) if scaled else None
    config = FixedConfig(horizon=5, threshold=0.8 if scaled else 0.01, delay=1)
    found = fixed_horizon(bars, config, target=target, interval=MINUTE)
    expected = []
    for row in range(len(bars) - 6):
        move = math.log(bars["close"][row + 6] / bars["open"][row + 2])
        unit = 0.01 if target is None else 0.8 * target[row]
        expected.append((1 if move > 0 else -1) if abs(move) > unit else 0)
    assert found.row.tolist() == list(range(len(bars) - 6))
    assert found.label.tolist() == expected
    assert set(expected) == {-1, 0, 1}
    assert found.start.tolist() == bars["start"][2:-4].tolist()
    assert found.t1.tolist() == bars["end"][6:].tolist()
    assert set(found.touched.tolist()) == {VERTICAL}


def test_a_horizon_in_time_ends_with_the_first_bar_at_or_after_it():
    bars = walk(2)
    by_bars = fixed_horizon(bars, FixedConfig(horizon=5), interval=MINUTE)
    for holding in (4 * MINUTE + 1, 5 * MINUTE):
        by_time = fixed_horizon(bars, FixedConfig(horizon=None, holding=holding), interval=MINUTE)
        assert by_time.t1.tolist() == by_bars.t1.tolist()


def test_a_move_of_zero_is_no_direction_but_a_class():
    bars = walk(3)
    bars["open"] = bars["close"] = 100.0
    assert set(fixed_horizon(bars, FixedConfig(horizon=2), interval=MINUTE).label.tolist()) == {0}


@pytest.mark.parametrize(
    ("wrong", "named"),
    [({"threshold": -1.0}, "threshold"), ({"horizon": None}, "exactly one"), ({"delay": -1}, "delay")],
)
def test_a_fixed_config_out_of_range_is_refused(wrong, named):
    with pytest.raises(LabelError, match=named):
        FixedConfig(**wrong)


def test_meta_labels_say_whether_the_side_made_money():
    bars = walk(4)
    labels = fixed_horizon(bars, FixedConfig(horizon=3, threshold=0.01), interval=MINUTE)
    side = np.random.default_rng(0).choice([-1.0, 0.0, np.nan, 2.0], len(bars))
    meta = meta_labels(labels, side)
    bets = [k for k, row in enumerate(labels.row) if side[row] in (-1.0, 2.0)]
    assert meta.row.tolist() == labels.row[bets].tolist()
    assert meta.t1.tolist() == labels.t1[bets].tolist()
    assert meta.label.tolist() == [int(labels.move[k] * side[labels.row[k]] > 0) for k in bets]
    assert set(meta.label.tolist()) == {0, 1}


def test_meta_labels_of_symmetric_barriers_are_those_of_barriers_with_the_side():
    bars = walk(5)
    side = np.random.default_rng(0).choice([-1.0, 0.0, 1.0], len(bars))
    config = BarrierConfig(take_profit=1.5, stop_loss=1.5, horizon=6)
    target = np.full(len(bars), 0.01)
    meta = meta_labels(barrier_labels(bars, target, config, interval=MINUTE), side)
    asked = barrier_labels(bars, target, config, interval=MINUTE, side=side)
    moved = asked.move != 0
    for name in Labels.__slots__:
        assert getattr(meta, name).tolist() == getattr(asked, name)[moved].tolist()


def test_a_side_must_cover_the_labels():
    labels = fixed_horizon(walk(6), FixedConfig(horizon=3), interval=MINUTE)
    with pytest.raises(LabelError, match="there are 10 sides"):
        meta_labels(labels, np.ones(10))


def test_the_flat_table_holds_every_label_once_in_order():
    bars = [walk(7), walk(8)[:100], walk(9)[:4]]
    tables = [
        barrier_labels(bars[0], np.full(150, 0.01), BarrierConfig(horizon=6), interval=MINUTE),
        trend_scanning(bars[1], TrendConfig(), interval=MINUTE),
        fixed_horizon(bars[2], FixedConfig(horizon=5), interval=MINUTE),
    ]
    samples = flat_samples(bars, tables)
    assert isinstance(samples, Samples)
    keys = list(zip(samples.t0.tolist(), samples.instrument.tolist(), strict=True))
    assert keys == sorted(set(keys))
    for number, (series, table) in enumerate(zip(bars, tables, strict=True)):
        mine = samples.instrument == number
        assert samples.t0[mine].tolist() == series["end"][table.row].tolist()
        for name in ("row", "start", "t1", "label", "move"):
            assert getattr(samples, name)[mine].tolist() == getattr(table, name).tolist()
    assert samples.weight.tolist() == average_uniqueness(samples.start, samples.t1).tolist()


def test_the_flat_table_needs_a_table_for_each_series():
    with pytest.raises(LabelError, match="2 series of bars but 1"):
        flat_samples([walk(1), walk(2)], [fixed_horizon(walk(1), FixedConfig(), interval=MINUTE)])
    with pytest.raises(LabelError, match="at least one"):
        flat_samples([], [])


@pytest.mark.parametrize("package", ["models.labels", "models.weights", "models.bet_sizing"])
def test_every_public_name_is_there_and_no_submodule_has_it(package):
    program = f"""
import importlib, pkgutil, sys
package = importlib.import_module({package!r})
assert not [name for name in sys.modules if name.startswith({package!r} + ".")], "importing the package loads a module"
submodules = {{module.name for module in pkgutil.iter_modules(package.__path__)}}
assert not submodules & set(package.__all__)
assert set(dir(package)) == set(package.__all__)
for name in package.__all__:
    assert getattr(package, name) is not None
"""
    subprocess.run([sys.executable, "-c", program], check=True)


def test_an_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="no attribute 'quadruple_barrier'"):
        _ = models.labels.quadruple_barrier
