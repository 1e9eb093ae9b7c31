"""talipp: twelve indicators, bar by bar, each library object fed once a bar."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from talipp.indicators import ADX, BOP, CCI, NATR, RSI, UO, Aroon, Stoch
from talipp.ohlcv import OHLCV
from timing import Task, serve

PRICES = ("open", "high", "low", "close", "volume")


def value(found: Any, part: str | None = None) -> float:
    """A number, NaN where there is none yet."""
    one = getattr(found, part) if found is not None and part else found
    return np.nan if one is None else one


def streamed(rows: list[tuple[float, ...]]) -> dict[str, Any]:
    """Feed every bar to every indicator, and read what each says behind it."""
    closes = RSI(14)
    bars = [Stoch(14, 3), CCI(20), ADX(14, 14), Aroon(25), NATR(14), UO(7, 14, 28), BOP()]
    stochastic, channel, trend, aroon, atr, ultimate, power = bars
    table = np.empty((len(rows), 12))
    for number, row in enumerate(rows):
        bar = OHLCV(*row)
        closes.add(bar.close)
        for one in bars:
            one.add(bar)
        table[number] = (
            value(closes[-1]),
            value(stochastic[-1], "k"),
            value(stochastic[-1], "d"),
            value(channel[-1]),
            value(trend[-1], "adx"),
            value(trend[-1], "plus_di"),
            value(trend[-1], "minus_di"),
            value(aroon[-1], "up"),
            value(aroon[-1], "down"),
            value(atr[-1]),
            value(ultimate[-1]),
            value(power[-1]),
        )
    return {"values": table}


def prepare(data: Mapping[str, Any]) -> Mapping[str, Task]:
    rows = list(zip(*(data[name].tolist() for name in PRICES), strict=True))
    return {"stream": lambda: streamed(rows)}


if __name__ == "__main__":
    serve(prepare)
