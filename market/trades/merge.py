"""Stretches of trades of one day: their bytes, and the union of two by id."""

from __future__ import annotations

import io
from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

from market.errors import LakeError
from market.lake.storage import sealed, verified
from market.time import format_time
from market.trades.schema import TRADE


@dataclass(frozen=True, slots=True, eq=False)
class MergedTrades:
    """The union of two stretches; ``changed`` counts stored trades that got new values."""

    trades: NDArray[np.void]
    added: int
    changed: int
    unchanged: int


def encode(trades: NDArray[np.void]) -> bytes:
    """Trades as a sealed Parquet file; the same trades give the same bytes."""
    return sealed(pl.DataFrame({name: np.ascontiguousarray(trades[name]) for name in TRADE.names or ()}))


def decode(content: bytes, place: str) -> NDArray[np.void]:
    """The trades of a file's bytes; ``place`` is what to call it.

    Raises
    ------
    LakeError
        If the file is not as it was written.
    """
    frame = pl.read_parquet(io.BytesIO(verified(content, place)))
    trades = np.zeros(frame.height, TRADE)
    for name in TRADE.names or ():
        trades[name] = frame[name].to_numpy()
    return trades


def merge(stored: NDArray[np.void], new: NDArray[np.void], what: str, replace: bool) -> MergedTrades:
    """The union of trades, both strictly increasing in ``id``.

    Raises
    ------
    LakeError
        If both sides hold different values of one trade, unless ``replace``; or if, in the order of ids, times go back.
    """
    place = np.searchsorted(stored["id"], new["id"])
    known = np.zeros(len(new), bool)
    inside = place < len(stored)
    known[inside] = stored["id"][place[inside]] == new["id"][inside]
    old, update = stored[place[known]], new[known]
    differ = old != update
    if differ.any() and not replace:
        row = int(np.argmax(differ))
        raise LakeError(
            f"{what}: trade {old['id'][row]} is stored as {_shown(old[row])} and would now be {_shown(update[row])}"
            f" ({int(differ.sum())} trades differ); nothing was stored. If the new file is right, import it with"
            " replace"
        )
    combined = stored.copy()
    combined[place[known]] = update
    combined = np.concatenate([combined, new[~known]])
    combined = combined[np.argsort(combined["id"], kind="stable")]
    back = np.diff(combined["time"]) < 0
    if back.any():
        row = int(np.argmax(back)) + 1
        raise LakeError(
            f"{what}: trade {combined['id'][row]} at {format_time(int(combined['time'][row]))} would come after trade"
            f" {combined['id'][row - 1]} at {format_time(int(combined['time'][row - 1]))}; nothing was stored"
        )
    changed = int(differ.sum())
    return MergedTrades(combined, int((~known).sum()), changed, len(update) - changed)


def _shown(trade: np.void) -> str:
    time = format_time(int(trade["time"]))
    return f"{time}, price {float(trade['price'])!r}, quantity {float(trade['quantity'])!r}, side {trade['side']}"
