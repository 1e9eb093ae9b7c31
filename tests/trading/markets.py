"""Random markets, tapes and an accountant that shares nothing with the core but the journal."""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction

import numpy as np

from market.bar_events import bar_events
from market.bars import empty_bars
from market.events import Control
from market.instruments import Instrument
from trading.config import ExchangeConfig, RiskConfig, SizingConfig, TradingConfig
from trading.signals import control_event, signal_events

INTERVAL, HORIZON = 900_000_000_000, 12
CONFIG = TradingConfig(risk=RiskConfig(drawdown=0.9, leverage=2.0), sizing=SizingConfig(max_weight=0.5))
VENUE = ExchangeConfig(participation=0.05)


def instruments():
    return [
        Instrument(
            f"A{n}", "test", kind, f"A{n}", "USD", Decimal(tick), Decimal(lot), Decimal(lot), Decimal(lot) * 10**7,
            Decimal(5), Decimal(maker), Decimal("0.001"),
        )
        for n, (kind, tick, lot, maker) in enumerate(
            [("spot", "0.01", "0.0001", "0.001"), ("perpetual", "0.0005", "0.3", "-0.0001"), ("spot", "0.03", "7", "0")]
        )
    ]  # fmt: skip


def bars(seed, count, price, tick):
    random = np.random.default_rng(seed)
    found = empty_bars(count)
    skipped = np.cumsum(random.random(count) < 0.02)
    found["start"] = 1_600_000_200 * 10**9 + INTERVAL * (np.arange(count) + skipped)
    found["end"] = found["start"] + INTERVAL
    close = np.round(price * np.exp(np.cumsum(random.normal(0, 0.006, count))) / tick) * tick
    found["close"] = close
    found["open"] = np.r_[close[0], close[:-1]] + tick * random.integers(-2, 3, count)
    found["high"] = np.maximum(found["open"], close) + tick * random.integers(0, 40, count)
    found["low"] = np.minimum(found["open"], close) - tick * random.integers(0, 40, count)
    found["volume"] = np.where(random.random(count) < 0.05, 0.0, random.exponential(2e4, count))
    return found


def tape(seed=1, count=1_500, controls=True):
    random = np.random.default_rng(seed)
    parts = []
    for number, (one, price) in enumerate(zip(instruments(), (100.0, 3.0, 900.0), strict=True)):
        series = bars(seed * 10 + number, count, price, float(one.tick))
        volatility = random.uniform(0.003, 0.01, count)
        said = np.where(random.random(count) < 0.3, np.nan, random.uniform(0.1, 0.9, count))
        parts.append(bar_events(series, one, number))
        barrier = volatility * random.uniform(1, 4, count)
        hashes = np.arange(count)
        parts.append(
            signal_events(series["end"], number, said, volatility * 4, barrier, volatility, hashes, INTERVAL, 1)
        )
    events = np.concatenate(parts)
    events = events[np.lexsort((events["kind"], events["instrument"], events["ts_event"]))]
    first = int(events["ts_recv"][0])
    if not controls:
        return np.concatenate([control_event(Control.RESUME, first), events])
    pieces, begin = [control_event(Control.RESUME, first)], 0
    for action in (Control.HALT, Control.RESUME, Control.REDUCE, Control.RESUME):
        place = begin + len(events) // 8
        while events["ts_recv"][place] == events["ts_recv"][place - 1]:
            place += 1
        pieces += [events[begin:place], control_event(action, int(events["ts_recv"][place - 1]))]
        begin = place
    return np.concatenate([*pieces, events[begin:]])


class Accountant:
    """Cash, positions and equity from a journal's records, in exact fractions, rounded only where money is booked."""

    def __init__(self, rules, capital):
        self.unit = [
            Fraction(one.tick) * Fraction(one.lot) * Fraction(one.contract_multiplier) * 10**8 for one in rules
        ]
        self.cash, self.fees = capital, 0
        self.position = [0] * len(rules)
        self.mark = [0] * len(rules)
        self.orders = {}

    def take(self, event):
        number, kind = int(event["instrument"]), int(event["kind"])
        if kind == 32:
            self.orders[int(event["p0"])] = int(event["p1"])
        elif kind == 4:
            self.mark[number] = int(event["p3"])
        elif kind == 9:
            side, lots, price = self.orders[int(event["p0"])], int(event["p2"]), int(event["p1"])
            value = self.unit[number] * price * lots
            self.cash -= -(-value // 1) if side > 0 else -(value // 1)
            self.cash -= int(event["p3"])
            self.fees += int(event["p3"])
            self.position[number] += side * lots

    def equity(self):
        values = (unit * mark * held for unit, mark, held in zip(self.unit, self.mark, self.position, strict=True))
        return self.cash + sum(int(value // 1) for value in values)
