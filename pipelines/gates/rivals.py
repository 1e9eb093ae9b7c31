"""Gates against what stands now: the champion, or, where there is none, knowing nothing but the base rate.

Both are scored on the same decisions, behind everything that *either* has seen, and their losses are compared row by
row over blocks of time, so that what the market did to both cancels. A live process computes what research computes, to
the last bit, so this is what a challenger in the shadow of the champion would have said.
"""

from __future__ import annotations

from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

from models.bundle.store import Verdict
from models.statistics.bootstrap import mean_interval, time_blocks
from models.statistics.predictions import row_log_loss
from pipelines.behind import Behind
from pipelines.gates.config import GateConfig
from pipelines.stages.evaluate import BLOCK_HORIZONS
from pipelines.verdict import number, percent

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Lead:
    """By how much the model's log loss is lower than its rival's, nats per decision, over ``rows`` decisions.

    ``surely`` and ``likely``: what it exceeds at the confidences `GateConfig.not_worse` and `GateConfig.better`.
    ``visible``: the smallest difference that as many ``effective`` rows show with the wanted power. ``blocks`` of time
    were drawn from.
    """

    value: float
    surely: float
    likely: float
    visible: float
    rows: int
    effective: float
    blocks: int


def matched(ours: Behind, theirs: Behind) -> tuple[Behind, Behind]:
    """The decisions that two models share: of the same instrument at the same time, behind what both have seen."""
    places = {key: place for place, key in enumerate(zip(theirs.symbol.tolist(), theirs.t0.tolist(), strict=True))}
    pairs = [
        (place, places[key])
        for place, key in enumerate(zip(ours.symbol.tolist(), ours.t0.tolist(), strict=True))
        if key in places
    ]
    mine, other = (np.array([pair[side] for pair in pairs], np.int64) for side in (0, 1))
    return ours.rows(mine), theirs.rows(other)


def lead(ours: Behind, rival: Floats, config: GateConfig) -> Lead | str:
    """Compare log losses; in words, if there is too little time to draw from.

    The smallest visible difference is taken from the bootstrap, or, if that is more, from the spread of the rows and
    their effective number: few blocks scatter too little.

    Parameters
    ----------
    rival
        The rival's probabilities of the same decisions, shape (n,).
    """
    blocks = len(np.unique(ours.t0 // ours.horizon)) // BLOCK_HORIZONS
    if blocks < config.blocks:
        return f"{len(ours):,} decisions in {blocks} blocks of time, where {config.blocks} are needed to draw from"
    gain = row_log_loss(ours.label, rival) - row_log_loss(ours.label, ours.probability)
    drawn = time_blocks(ours.t0, ours.horizon, BLOCK_HORIZONS, config.draws, config.seed)
    value, effective = float(np.average(gain, weights=ours.weight)), float(ours.weight.sum())
    surely, likely, powered = (
        mean_interval(gain, ours.weight, drawn, 2.0 * confidence - 1.0).low
        for confidence in (config.not_worse, config.better, config.power)
    )
    spread = float(np.average((gain - value) ** 2, weights=ours.weight)) ** 0.5 / effective**0.5
    normal = NormalDist()
    by_rows = (normal.inv_cdf(config.not_worse) + normal.inv_cdf(config.power)) * spread
    visible = max(2.0 * value - surely - powered, by_rows)
    return Lead(value, surely, likely, visible, len(ours), effective, blocks)


def not_worse_gate(found: Lead | str, rival: str, config: GateConfig) -> Verdict:
    """The model is not worse than its rival by the margin; without the power to see one, nothing is said."""
    gate = f"not worse than {rival}"
    needed = f"above −{number(config.margin, 5)} at {percent(config.not_worse, 0)}, and as much visible"
    if isinstance(found, str):
        return Verdict(gate, False, found, needed, judged=False)
    seen = found.visible <= config.margin
    measured = (
        f"{led(found)}, above {number(found.surely, 5, signed=True)} at {percent(config.not_worse, 0)}; {power(found)}"
    )
    return Verdict(gate, seen and found.surely > -config.margin, measured, needed, judged=seen)


def better_gate(found: Lead | str, rival: str, config: GateConfig) -> Verdict:
    """The model is better than its rival, at the wanted confidence."""
    gate = f"better than {rival}"
    needed = f"above 0 at {percent(config.better, 0)}, and {number(config.margin, 5)} visible"
    if isinstance(found, str):
        return Verdict(gate, False, found, needed, judged=False)
    seen = found.visible <= config.margin
    measured = (
        f"{led(found)}, above {number(found.likely, 5, signed=True)} at {percent(config.better, 0)}; {power(found)}"
    )
    return Verdict(gate, seen and found.likely > 0.0, measured, needed, judged=seen)


def led(found: Lead) -> str:
    """The difference in words."""
    return f"log loss lower by {number(found.value, 5, signed=True)} nats over {found.rows:,} decisions"


def power(found: Lead) -> str:
    """What could have been seen, in words."""
    return f"{number(found.effective, 0)} effective rows show {number(found.visible, 5)} or more"
