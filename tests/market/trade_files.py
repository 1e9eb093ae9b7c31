"""Trades as the lines of files, in the layouts of Binance's archive."""

from __future__ import annotations

from market_bars import UNITS

HEADERS = {
    "spot_trades": "id,price,qty,quote_qty,time,is_buyer_maker,is_best_match",
    "futures_trades": "id,price,qty,quote_qty,time,is_buyer_maker",
    "spot_agg": "agg_trade_id,price,quantity,first_trade_id,last_trade_id,transact_time,is_buyer_maker,is_best_match",
    "futures_agg": "agg_trade_id,price,quantity,first_trade_id,last_trade_id,transact_time,is_buyer_maker",
}


def lines(trades, layout, unit="ms"):
    """One line a trade, without a header."""
    first = 900
    rows = []
    for trade in trades:
        price, quantity, time = float(trade["price"]), float(trade["quantity"]), int(trade["time"]) // UNITS[unit]
        start = [str(trade["id"]), repr(price), repr(quantity)]
        if layout.endswith("agg"):
            last = first + int(trade["count"]) - 1
            start += [str(first), str(last)]
            first = last + 1
        else:
            start.append(repr(price * quantity))
        maker = str(trade["side"] == -1)
        rows.append(",".join([*start, str(time), maker if layout.startswith("spot") else maker.lower()]))
        if layout.startswith("spot"):
            rows[-1] += ",True"
    return rows


def file_text(trades, layout, unit="ms", header=False, ending="\n"):
    """A whole file."""
    return "".join(line + ending for line in [*([HEADERS[layout]] if header else []), *lines(trades, layout, unit)])
