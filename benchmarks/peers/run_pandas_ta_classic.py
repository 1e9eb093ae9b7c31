"""pandas-ta-classic: fourteen indicators in batch, by its own code (TA-Lib is not in its environment)."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

warnings.simplefilter("ignore")
import pandas_ta_classic as ta  # noqa: E402 - its import warns
from timing import Task, serve  # noqa: E402


def batch(o: Any, h: Any, low: Any, c: Any, v: Any) -> dict[str, Any]:
    """The indicators as the columns of a table."""
    stochastic, trend = ta.stoch(h, low, c, 14, 3, 1), ta.adx(h, low, c, 14)
    aroon = ta.aroon(h, low, 25)
    columns = [
        ta.rsi(c, 14),
        stochastic.iloc[:, 0],
        stochastic.iloc[:, 1],
        ta.cci(h, low, c, 20),
        *(trend.iloc[:, place] for place in range(3)),
        aroon.iloc[:, 1],
        aroon.iloc[:, 0],
        ta.natr(h, low, c, 14),
        ta.uo(h, low, c, 7, 14, 28),
        ta.bop(o, h, low, c),
        ta.mfi(h, low, c, v, 14),
        ta.willr(h, low, c, 48),
    ]
    return {"values": np.column_stack([one.reindex(c.index).to_numpy() for one in columns])}


def prepare(data: Mapping[str, Any]) -> Mapping[str, Task]:
    series = [pd.Series(data[name]) for name in ("open", "high", "low", "close", "volume")]
    return {"batch": lambda: batch(*series)}


if __name__ == "__main__":
    serve(prepare)
