"""Gates against what stands now: the champion, or, where there is none, knowing nothing but the base rate.

Both are scored on the same decisions, behind everything that *either* has seen, and their losses are compared row by
row over blocks of time, so that what the market did to both cancels. A live process computes what research computes, to
the last bit, so this is what a challenger in the shadow of the champion would have said.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from statistics import NormalDist
from typing import Literal

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
class Measure:
    """What two models are compared by, in words: which of them, per what, over what; ``show`` writes a value."""

    name: str
    unit: str
    rows: str
    show: Callable[..., str]


LOSS = Measure("log loss lower by", "nats", "decisions", lambda value, **how: number(value, 5, **how))
RETURN = Measure("net return higher by", "a day", "bars", lambda value, **how: percent(value, 3, **how))


@dataclass(frozen=True, slots=True)
class Lead:
    """By how much the model is better than its rival, in the unit of ``measure``, over ``rows``.

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
    measure: Measure = LOSS


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

    Parameters
    ----------
    rival
        The rival's probabilities of the same decisions, shape (n,).
    """
    gain = row_log_loss(ours.label, rival) - row_log_loss(ours.label, ours.probability)
    return led_by(gain, ours.weight, float(ours.weight.sum()), ours.t0, ours.horizon, config)


def led_by(
    gain: Floats,
    weight: Floats,
    effective: float,
    time: NDArray[np.int64],
    horizon: int,
    config: GateConfig,
    measure: Measure = LOSS,
) -> Lead | str:
    """The weighted mean of a paired gain, resampled in blocks of time; in words, if there is too little to draw from.

    The smallest visible difference is taken from the bootstrap, or, if that is more, from the spread of the rows and
    their effective number: few blocks scatter too little.

    Parameters
    ----------
    gain, weight, time
        Of rows, shape (n,); times in ns.
    effective
        As how many independent rows they count.
    horizon
        How long what is decided lasts, ns: blocks are `BLOCK_HORIZONS` times as long.
    """
    blocks = len(np.unique(time // horizon)) // BLOCK_HORIZONS
    if blocks < config.blocks:
        return f"{len(gain):,} {measure.rows} in {blocks} blocks of time, where {config.blocks} are needed to draw from"
    drawn = time_blocks(time, horizon, BLOCK_HORIZONS, config.draws, config.seed)
    value = float(np.average(gain, weights=weight))
    surely, likely, powered = (
        mean_interval(gain, weight, drawn, 2.0 * confidence - 1.0).low
        for confidence in (config.not_worse, config.better, config.power)
    )
    spread = float(np.average((gain - value) ** 2, weights=weight)) ** 0.5 / effective**0.5
    normal = NormalDist()
    by_rows = (normal.inv_cdf(config.not_worse) + normal.inv_cdf(config.power)) * spread
    visible = max(2.0 * value - surely - powered, by_rows)
    return Lead(value, surely, likely, visible, len(gain), effective, blocks, measure)


def not_worse_gate(found: Lead | str, rival: str, config: GateConfig) -> Verdict:
    """The model's log loss is not higher than its rival's by the margin."""
    rule = Rule("surely", -config.margin, config.not_worse, config.margin, LOSS)
    return _judged(f"not worse than {rival}", found, rule)


def better_gate(found: Lead | str, rival: str, config: GateConfig) -> Verdict:
    """The model's log loss is lower than its rival's, at the wanted confidence."""
    return _judged(f"better than {rival}", found, Rule("likely", 0.0, config.better, config.margin, LOSS))


def earns_no_less_gate(found: Lead | str, rival: str, config: GateConfig) -> Verdict:
    """The model's strategy does not earn less than its rival's by the margin, after costs."""
    rule = Rule("surely", -config.return_margin, config.not_worse, config.return_margin, RETURN)
    return _judged(f"earns no less than {rival}", found, rule)


@dataclass(frozen=True, slots=True)
class Rule:
    """What a lead must exceed: the ``bound`` of `Lead` at a confidence, the floor, and the margin to be visible."""

    bound: Literal["surely", "likely"]
    floor: float
    confidence: float
    margin: float
    measure: Measure


def _judged(gate: str, found: Lead | str, rule: Rule) -> Verdict:
    """Hold a lead against a rule; without the power to see the margin, nothing is said."""
    show, confidence = rule.measure.show, percent(rule.confidence, 0)
    needed = f"above {show(rule.floor)} at {confidence}, and {show(rule.margin)} visible"
    if isinstance(found, str):
        return Verdict(gate, False, found, needed, judged=False)
    bound, seen = float(getattr(found, rule.bound)), found.visible <= rule.margin
    measured = f"{led(found)}, above {show(bound, signed=True)} at {confidence}; {power(found)}"
    return Verdict(gate, seen and bound > rule.floor, measured, needed, judged=seen)


def led(found: Lead) -> str:
    """The difference in words."""
    by = found.measure
    return f"{by.name} {by.show(found.value, signed=True)} {by.unit} over {found.rows:,} {by.rows}"


def power(found: Lead) -> str:
    """What could have been seen, in words."""
    what = "effective rows" if found.measure is LOSS else found.measure.rows
    return f"{number(found.effective, 0)} {what} show {found.measure.show(found.visible)} or more"
