"""mlfinpy: bars from trades and the CUSUM filter."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
from mlfinpy.data_structure.imbalance_bars import get_ema_dollar_imbalance_bars
from mlfinpy.data_structure.standard_bars import StandardBars, get_dollar_bars, get_tick_bars, get_volume_bars
from mlfinpy.data_structure.time_bars import get_time_bars
from mlfinpy.filters.filters import cusum_filter
from timing import Task, serve

COLUMNS = {"cum_ticks": "trade_count", "cum_dollar_value": "quote_volume", "cum_buy_volume": "taker_buy_volume"}


def arrays(bars: pd.DataFrame) -> Mapping[str, Any]:
    renamed = bars.rename(columns=COLUMNS)
    names = ("open", "high", "low", "close", "volume", *COLUMNS.values())
    return {name: renamed[name].to_numpy().astype(float) for name in names}


def prepare(data: Mapping[str, Any]) -> Mapping[str, Task]:
    trades = pd.DataFrame(
        {"date_time": pd.to_datetime(data["time"]), "price": data["price"], "volume": data["quantity"]}
    )
    prices = pd.Series(data["price"], index=np.arange(len(trades)))
    threshold = {name: float(data[name]) for name in ("tick", "volume", "dollar", "cusum")}

    def imbalance() -> Mapping[str, Any]:
        bars, _ = get_ema_dollar_imbalance_bars(trades, 20, 10_000, 1_000, [100, 10_000], verbose=False)
        return {"count": np.array([len(bars)])}

    rows = list(trades.itertuples(index=False, name=None))[: int(data["live"])]

    def live() -> Mapping[str, Any]:
        builder = StandardBars("cum_dollar_value", threshold["dollar"])
        return {"count": np.array([sum(len(builder.run([row])) for row in rows)])}

    return {
        "live": live,
        "time": lambda: arrays(get_time_bars(trades, "MIN", 1, verbose=False)),
        "tick": lambda: arrays(get_tick_bars(trades, threshold["tick"], verbose=False)),
        "volume": lambda: arrays(get_volume_bars(trades, threshold["volume"], verbose=False)),
        "dollar": lambda: arrays(get_dollar_bars(trades, threshold["dollar"], verbose=False)),
        "imbalance": imbalance,
        "cusum": lambda: {"events": np.array(cusum_filter(prices, threshold["cusum"], time_stamps=False))},
    }


if __name__ == "__main__":
    serve(prepare)
