"""The order of files and rows: bars that reach the lake in pieces, in any order, are the same bars."""

from __future__ import annotations

from pathlib import Path

import msgspec
import numpy as np

from market.bars import FIELDS
from market.lake import Lake, SeriesKey
from pipelines.audit.column import Column
from pipelines.audit.compare import compare
from pipelines.audit.findings import Finding
from pipelines.audit.pieces import bar_rows
from pipelines.audit.world import World

DELIVERED = "delivered in pieces, the last one first"
PIECES = 5


def delivered(world: World, folder: Path, every: bool) -> list[Finding]:
    """Write instruments (all, or the first) into a lake in pieces, the last one first, and read them back."""
    chosen = World(world.symbols[: None if every else 1], world.bars[: None if every else 1], world.interval)
    lake, found = Lake(folder), []
    for number, bars in enumerate(chosen.bars):
        key = SeriesKey("audit", f"S{number}", interval="1m" if world.interval else "tick-1")
        for piece in np.array_split(bars, PIECES)[::-1]:
            lake.write(key, piece)
        found.append(lake.read(key))
    read = _bars(World(chosen.symbols, tuple(found), chosen.interval))
    # Every row was displaced on its way.
    return [msgspec.structs.replace(one, moved=one.compared) for one in compare(_bars(chosen), read, DELIVERED)]


def _bars(world: World) -> list[Column]:
    rows = bar_rows(world)
    return [
        Column("data", name, rows, np.concatenate([bars[name] for bars in world.bars]))
        for name in FIELDS
        if not all(np.isnan(bars[name]).all() for bars in world.bars)
    ]
