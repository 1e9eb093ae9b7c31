"""A second panel, in plain Python: every field from all that came before, anew at each step."""

from __future__ import annotations

import math
from fractions import Fraction
from itertools import pairwise

from market.bars import PANEL_FIELDS

KEEP = 1 - 2 / 97


def average(values):
    """Exponential average with normalised weights."""
    top = bottom = 0.0
    for value in values:
        top, bottom = KEEP * top + value, KEEP * bottom + 1.0
    return top / bottom if values else 0.0


def filled(history, interval, max_gap):
    """The closes by grid step since the member last started anew, holes filled, and its real bars since."""
    closes, bars = [], []
    for start, close, volume in history:
        missing = (start - bars[-1][0]) // interval - 1 if bars else 0
        if missing > max_gap:
            closes, bars, missing = [], [], 0
        closes += [closes[-1]] * missing if closes else []
        closes.append(close)
        bars.append((start, close, volume))
    return closes, bars


def contributions(history, interval, max_gap):
    """Return, momenta, volatility and volume share of a member with a bar now; None where it has none."""
    closes, bars = filled(history, interval, max_gap)
    real = [math.log(now[1] / before[1]) for before, now in pairwise(bars) if now[0] - before[0] == interval]
    adjacent = len(bars) > 1 and bars[-1][0] - bars[-2][0] == interval
    steps = len(closes) - 1
    usual = average([volume for _, _, volume in bars[:-1]])
    return (
        real[-1] if adjacent else None,
        math.log(closes[-1] / closes[-1 - 24]) if steps >= 24 else None,
        math.log(closes[-1] / closes[-1 - 96]) if steps >= 96 else None,
        average([one * one for one in real]) if steps >= 96 else None,
        bars[-1][2] / usual if steps >= 96 and usual > 0 else None,
    )


def rank(values, member):
    mine = values[member]
    others = [value for name, value in values.items() if name != member and value is not None]
    if mine is None or not others:
        return 0.0
    below = sum(value < mine for value in others)
    same = sum(value == mine for value in others)
    return float((below + Fraction(same, 2)) / len(others) - Fraction(1, 2))


def twin(bars, interval, max_gap):
    """The panel fields of every bar: member -> list of dicts."""
    starts = sorted({int(start) for one in bars.values() for start in one["start"]})
    history = {name: [] for name in bars}
    found = {name: [] for name in bars}
    at = dict.fromkeys(bars, 0)
    for start in starts:
        now = {}
        for name, one in bars.items():
            if at[name] < len(one) and one["start"][at[name]] == start:
                history[name].append((start, float(one["close"][at[name]]), float(one["volume"][at[name]])))
                at[name] += 1
                now[name] = contributions(history[name], interval, max_gap)
        returns = {name: values[0] for name, values in now.items()}
        known = [value for value in returns.values() if value is not None]
        mean = math.fsum(known) / len(known) if known else 0.0
        spread = math.sqrt(math.fsum((v - mean) ** 2 for v in known) / len(known)) if len(known) > 1 else 0.0
        for name in now:
            others = [value for other, value in returns.items() if other != name and value is not None]
            signs = sum((value > 0) - (value < 0) for value in others)
            row = [math.fsum(others) / len(others) if others else 0.0, signs / len(others) if others else 0.0, spread]
            row += [rank({other: values[place] for other, values in now.items()}, name) for place in range(5)]
            found[name].append(dict(zip(PANEL_FIELDS, row, strict=True)))
    return found
