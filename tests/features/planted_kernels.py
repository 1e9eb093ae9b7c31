"""Features that break a promise, for the conformance suite to catch, and one of a user's own that keeps them all."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from features.blocks import LOG_RETURN, apply
from features.feature import Feature
from features.kernels import ratios
from features.nodes import CLOSE, COUNT, HIGH, LOW, VOLUME, Node, Ring
from market.jit import kernel


@kernel
def drifting_sum(state: NDArray[np.float64], at: int, x: float, ring: int, mask: int, head: int, window: int) -> float:
    """The naive running sum: add the newest, subtract what leaves."""
    state[at] += x - state[ring + ((head - window) & mask)]
    return state[at]


@kernel
def lookback(state: NDArray[np.float64], at: int, ring: int, mask: int, head: int, bars: int) -> float:
    """The value some bars ago."""
    return state[ring + ((head - bars) & mask)]


@kernel
def careless_ratio(x: float, y: float) -> float:
    """x / y, whatever y."""
    return x / y


def planted(name: str, node: Node) -> Feature:
    return Feature(name, node, 1.0, "1", "planted", "tests")


def looking_back(declared: int, real: int) -> Node:
    return Node(lookback, (Ring(CLOSE, 32), COUNT), (real,), delay=declared)


BROKEN = {
    "history dependent": planted(
        "drift", Node(drifting_sum, (LOG_RETURN, Ring(LOG_RETURN, 32), COUNT), (16,), floats=1, delay=15)
    ),
    "memory understated": planted("short", looking_back(4, 5)),
    "memory overstated": planted("long", looking_back(6, 5)),
    "not finite": planted("careless", apply(careless_ratio, apply(ratios.difference, HIGH, LOW), VOLUME)),
}
SOUND = replace(planted("close_five_bars_ago", looking_back(5, 5)), depends_on=frozenset({"price"}))
