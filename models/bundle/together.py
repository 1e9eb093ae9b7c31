"""What a bundle keeps of the panel: its engine's state at the end of the data, and golden steps for the self-test."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from features.panel.engine import PanelEngine
from market.bars import PANEL_FIELDS
from models.bundle.files import array_from_bytes, array_to_bytes

STATE = "panel/engine"
GOLDEN_STEPS = 512
"""How many of the last steps are computed again by the self-test, from empty state."""

Bars = NDArray[np.void]


@dataclass(frozen=True, slots=True, eq=False)
class PanelState:
    """The engine's snapshot, and each member's bars of the golden steps with the panel fields filled."""

    snapshot: bytes
    golden: tuple[Bars, ...]

    def files(self) -> dict[str, bytes]:
        """By their paths in the bundle."""
        golden = {golden_path(number): array_to_bytes(one) for number, one in enumerate(self.golden)}
        return {STATE: self.snapshot, **golden}


def golden_path(number: int) -> str:
    """Where a member's golden steps lie."""
    return f"panel/golden-{number}.npy"


def record_panel(engine: PanelEngine, bars: Sequence[Bars]) -> PanelState:
    """The state behind some bars, one array for each member, and their last steps; the engine forgets them."""
    engine.reset()
    engine.replay(bars)
    snapshot = engine.snapshot()
    last = max(int(one["start"][-1]) for one in bars if len(one)) - (GOLDEN_STEPS - 1) * engine.interval
    return PanelState(snapshot, tuple(filled_anew(engine, [one[one["start"] >= last] for one in bars])))


def filled_anew(engine: PanelEngine, bars: Sequence[Bars]) -> list[Bars]:
    """The panel fields from empty state, whatever the bars had there; the engine forgets what it knew."""
    bare = [one.copy() for one in bars]
    for one in bare:
        for field in PANEL_FIELDS:
            one[field] = np.nan
    engine.reset()
    return engine.replay(bare)


def panel_differences(engine: PanelEngine, files: Mapping[str, bytes]) -> tuple[dict[str, int], float]:
    """How many golden steps differ when computed anew, by field, and the largest difference."""
    kept = [array_from_bytes(files[golden_path(number)]) for number in range(len(engine.members))]
    counts, largest = dict.fromkeys(PANEL_FIELDS, 0), 0.0
    for one, again in zip(kept, filled_anew(engine, kept), strict=True):
        for field in PANEL_FIELDS:
            missing = np.isnan(one[field]) & np.isnan(again[field])
            differ = (one[field].copy().view(np.int64) != again[field].copy().view(np.int64)) & ~missing
            counts[field] += int(differ.sum())
            if differ.any():
                gaps = np.abs(one[field] - again[field])[differ]
                largest = max(largest, float(np.where(np.isnan(gaps), np.inf, gaps).max()))
    return {field: count for field, count in counts.items() if count}, largest
