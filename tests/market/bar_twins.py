"""Random trades, and every kind of bar built from them in plain Python from lists, by exact sums."""

from __future__ import annotations

import math
from itertools import pairwise

import numpy as np

from market.bar_builders.spec import Adaptive, BarSpec
from market.bars import empty_bars
from market.time import DAY, SECOND
from market.trades.schema import empty_trades

ADAPTIVE = Adaptive(expected_ticks=12, bar_span=4.0, trade_span=30.0, least_ticks=4, most_ticks=40)
SPECS = (
    BarSpec("time", interval=SECOND),
    BarSpec("time", interval=7 * SECOND),
    BarSpec("time", interval=7 * SECOND, sides="tick_rule"),
    BarSpec("tick", threshold=1.0),
    BarSpec("tick", threshold=10.0),
    BarSpec("volume", threshold=3.0),
    BarSpec("volume", threshold=3.0, sides="tick_rule"),
    BarSpec("dollar", threshold=300.0),
    *(
        BarSpec(f"{measure}_{family}", threshold=threshold, sides=sides)
        for measure, threshold in (("tick", 5.0), ("volume", 2.5), ("dollar", 250.0))
        for family in ("imbalance", "run")
        for sides in ("source", "tick_rule")
    ),
    *(
        BarSpec(f"{measure}_{family}", adaptive=ADAPTIVE, sides=sides)
        for measure in ("tick", "volume", "dollar")
        for family in ("imbalance", "run")
        for sides in ("source", "tick_rule")
    ),
)


def random_trades(count, seed=0, *, start=1_700_000_000 * SECOND, sideless=False, counts=True):
    """Trades on a price grid of 0.01 and a quantity grid of 0.1, many of them at the same time."""
    rng = np.random.default_rng(seed)
    trades = empty_trades(count)
    steps = rng.choice(
        [0, 0, 1, 1000, SECOND // 10, SECOND, 20 * SECOND], count, p=[0.2, 0.1, 0.1, 0.2, 0.3, 0.09, 0.01]
    )
    trades["time"] = start + np.cumsum(steps)
    trades["price"] = np.round(100 + 0.01 * np.cumsum(rng.integers(-2, 3, count)), 2)
    trades["quantity"] = rng.integers(1, 10, count) / 10
    trades["quantity"][rng.random(count) < 0.01] *= 100
    flow = np.where(np.sin(np.arange(count) / 60) > 0, 0.7, 0.35)
    trades["side"] = 0 if sideless else np.where(rng.random(count) < flow, 1, -1)
    trades["id"] = 5 + np.arange(count)
    if counts:
        trades["count"] = rng.choice([1, 1, 1, 2, 3], count)
    return trades


def sides_of(trades, spec):
    if spec.sides == "source":
        return trades["side"].tolist()
    moves = [np.sign(b - a) for a, b in pairwise(trades["price"].tolist())]
    return [next((int(move) for move in reversed(moves[:row]) if move), 0) for row in range(len(trades))]


def amount(trade, spec):
    return {
        "tick": float(trade["count"]),
        "volume": float(trade["quantity"]),
        "dollar": float(trade["price"]) * float(trade["quantity"]),
    }[spec.measure]


class Thresholds:
    """What the next bar must reach, from the list of all that came before."""

    def __init__(self, spec):
        self.spec = spec
        self.rule = spec.adaptive
        self.expected = float(self.rule.expected_ticks) if self.rule else math.nan
        self.value = spec.threshold
        self.amounts = []

    def contrast(self, bought, sold):
        return abs(bought - sold) if self.spec.kind.endswith("imbalance") else max(bought, sold)

    def bar_ended(self, ticks):
        weight = 2.0 / (self.rule.bar_span + 1.0)
        self.expected += weight * (min(ticks, self.rule.most_ticks) - self.expected)
        keep = 1.0 - 2.0 / (self.rule.trade_span + 1.0)
        bought, sold, count = (
            math.fsum(keep ** (len(self.amounts) - 1 - row) * parts[column] for row, parts in enumerate(self.amounts))
            for column in range(3)
        )
        self.value = self.expected * self.contrast(bought, sold) / count


def ends(bar, spec, thresholds, first):
    """Whether a bar, a list of (trade, side), ends with its last trade."""
    ticks = sum(int(trade["count"]) for trade, _ in bar)
    if spec.measure == "tick" and not spec.needs_sides:
        return ticks >= spec.threshold
    amounts = [(amount(trade, spec), side) for trade, side in bar]
    if not spec.needs_sides:
        return math.fsum(value for value, _ in amounts) >= spec.threshold
    if spec.adaptive:
        if ticks < spec.adaptive.least_ticks:
            return False
        if ticks >= spec.adaptive.most_ticks:
            return True
        if first:
            return ticks >= spec.adaptive.expected_ticks
    bought = math.fsum(value for value, side in amounts if side == 1)
    sold = math.fsum(value for value, side in amounts if side == -1)
    return thresholds.contrast(bought, sold) >= thresholds.value


def as_bar(bar, start, end):
    row = empty_bars(1)[0]
    prices = [float(trade["price"]) for trade, _ in bar]
    quantities = [float(trade["quantity"]) for trade, _ in bar]
    row["start"], row["end"] = start, end
    row["open"], row["high"], row["low"], row["close"] = prices[0], max(prices), min(prices), prices[-1]
    row["volume"] = math.fsum(quantities)
    row["quote_volume"] = math.fsum(p * q for p, q in zip(prices, quantities, strict=True))
    row["trade_count"] = sum(int(trade["count"]) for trade, _ in bar)
    known = all(side for _, side in bar)
    bought = [float(trade["quantity"]) for trade, side in bar if side == 1]
    row["taker_buy_volume"] = math.fsum(bought) if known else math.nan
    row["vwap"] = min(max(row["quote_volume"] / row["volume"], row["low"]), row["high"])
    return row


def twin(trades, spec):
    """All bars that have ended, the one in progress, and the threshold that it has to reach."""
    signed = list(zip(trades, sides_of(trades, spec), strict=True))
    if spec.kind == "time":
        return *time_twin(signed, spec.interval), None
    thresholds = Thresholds(spec)
    bars, bar = [], []
    for trade, side in signed:
        bar.append((trade, side))
        value = amount(trade, spec)
        thresholds.amounts.append((value * (side == 1), value * (side == -1), float(trade["count"])))
        if ends(bar, spec, thresholds, not bars):
            bars.append(as_bar(bar, bar[0][0]["time"], bar[-1][0]["time"]))
            if spec.adaptive:
                thresholds.bar_ended(bars[-1]["trade_count"])
            bar = []
    rest = [as_bar(bar, bar[0][0]["time"], bar[-1][0]["time"])] if bar else []
    return stacked(bars), stacked(rest), thresholds.value


def time_twin(signed, interval):
    origin = 4 * DAY if interval % (7 * DAY) == 0 else 0
    groups = {}
    for trade, side in signed:
        start = int(trade["time"]) - (int(trade["time"]) - origin) % interval
        groups.setdefault(start, []).append((trade, side))
    bars = [as_bar(group, start, start + interval) for start, group in groups.items()]
    return stacked(bars[:-1]), stacked(bars[-1:])


def stacked(rows):
    return np.concatenate([empty_bars(0), *(row.reshape(1) for row in rows)])
