"""A planted leak: a piece that looks ahead, the same piece done right, and where the auditor must point."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from features.conformance import plain_bars, without
from market.time import HOUR, MINUTE
from models.labels import FixedConfig, LabelConfig, fixed_horizon, triple_barrier
from models.splitters import PurgedWalkForward
from pipelines.audit.pieces import Features, Labels, Piece
from pipelines.audit.world import World

INTERVAL = 15 * MINUTE
HORIZON = 8
BARS = 900


@dataclass(frozen=True)
class Planted:
    """``leaky`` must be caught in ``stage`` at ``column`` and at ``also``, and nowhere else; ``sound`` must pass.

    ``also``: the other columns that the leak moves, as ``stage/column``.
    """

    name: str
    leaky: Piece
    sound: Piece
    stage: str
    column: str
    also: tuple[str, ...] = ()

    @property
    def flagged(self) -> set[str]:
        """Every column at which the leak must be named, as ``stage/column``."""
        return {f"{self.stage}/{self.column}", *self.also}


def series(seed):
    bars = plain_bars(BARS, seed, interval=INTERVAL, start=17_000 * 24 * HOUR)
    return without(bars, [200, 201, 455, 456, 457, 458, 459, 460, 700])


def funding_table():
    """Rates every eight hours, each published half an hour after the time it is of."""
    bars = series(1)
    times = np.arange(bars["start"][0] // (8 * HOUR) * 8 * HOUR, bars["end"][-1], 8 * HOUR)
    table = np.zeros(len(times), [("time", "<i8"), ("known", "<i8"), ("rate", "<f8")])
    table["time"], table["known"] = times, times + HOUR // 2
    table["rate"] = 1e-4 * np.random.default_rng(5).standard_normal(len(times))
    return table


def world():
    bars = tuple(series(seed) for seed in (1, 2, 3))
    return World(("AAA", "BBB", "CCC"), bars, INTERVAL, {"funding": funding_table()})


def each(function):
    """A feature of every instrument's own bars."""
    return lambda where: [function(bars) for bars in where.bars]


def feature(name, function, stage="features"):
    return Features(lambda where: {name: function(where)}, stage)


def labelled(bars, interval):
    return fixed_horizon(bars, FixedConfig(horizon=HORIZON), interval=interval)


def volatility(bars):
    """The root mean square of the last 30 returns."""
    moves = np.diff(np.log(bars["close"]), prepend=np.nan)
    out = np.full(len(bars), np.nan)
    if len(bars) > 30:
        out[30:] = np.sqrt(np.mean(sliding_window_view(moves, 30)[1:] ** 2, axis=1))
    return out


def barrier_labels(bars, interval):
    return triple_barrier(bars, volatility(bars), LabelConfig(horizon=HORIZON), interval)


LABELS = Labels(labelled, span=HORIZON)


def returns(bars, lag):
    close = np.log(bars["close"])
    out = np.full(len(bars), np.nan)
    out[lag:] = close[lag:] - close[:-lag]
    return out


INPUTS = Features(
    lambda where: (
        {f"return_{lag}": [returns(bars, lag) for bars in where.bars] for lag in (1, 4, 16)}
        | {"hour": [bars["start"] // HOUR % 24.0 for bars in where.bars]}
    )
)


def walk_forward(t0, t1):
    return PurgedWalkForward(3, t0, t1, train_length=int(t0.max() - t0.min()) // 3)
