"""Features that break a promise, for the conformance suite to catch, and one of a user's own that keeps them all."""

from __future__ import annotations

import random
from dataclasses import dataclass

import numba
import numpy as np
from numpy.typing import NDArray

from features.blocks import LOG_RETURN, apply
from features.feature import Feature, Unit
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


@kernel
def late_lookback(state: NDArray[np.float64], at: int, ring: int, mask: int, head: int, bars: int) -> float:
    """The value some bars ago; NaN where there is none."""
    return state[ring + ((head - bars) & mask)] if head > bars else np.nan


@kernel
def counted(x: float, count: int) -> float:
    """x, and how many bars the engine has seen."""
    return x + count


@kernel
def noisy(x: float) -> float:
    """x with noise, whose generator no snapshot holds."""
    return x + random.random()


COMPILED = not numba.config.DISABLE_JIT


@kernel
def aware(x: float) -> float:
    """x, or twice x where the JIT is off: compiled code keeps the globals it was compiled with."""
    return x if COMPILED else 2.0 * x


def planted(name: str, node: Node, *depends_on: Unit) -> Feature:
    return Feature(name, node, 1.0, "1", "planted", "tests", depends_on=frozenset(depends_on))


def looking_back(declared: int, real: int) -> Node:
    return Node(lookback, (Ring(CLOSE, 32), COUNT), (real,), delay=declared)


@dataclass(frozen=True)
class Broken:
    """A feature, the check that must stop at it, and what that must say of it."""

    feature: Feature
    check: str
    said: str


BROKEN = {
    "state outside the engine": Broken(
        planted("noisy", apply(noisy, CLOSE), "price"),
        "parity",
        "update and replay in pieces differ from one replay: row 0 is",
    ),
    "warm-up understated": Broken(
        planted("early", Node(late_lookback, (Ring(CLOSE, 32), COUNT), (5,), delay=4), "price"),
        "warm-up",
        "row 4 is nan after warm-up",
    ),
    "history dependent": Broken(
        planted("drift", Node(drifting_sum, (LOG_RETURN, Ring(LOG_RETURN, 32), COUNT), (16,), floats=1, delay=15)),
        "memory",
        "bar 5 still matters after 17 bars",
    ),
    "memory understated": Broken(
        planted("short", looking_back(4, 5), "price"), "memory", "bar 5 still matters after 5 bars"
    ),
    "memory overstated": Broken(
        planted("long", looking_back(6, 5), "price"), "memory", "declared memory 7, but the oldest bar never matters"
    ),
    "counts from where it began": Broken(
        planted("counted", apply(counted, CLOSE, COUNT), "price"), "memory", "started late at bar 1, after 1 bars"
    ),
    "not finite": Broken(
        planted("careless", apply(careless_ratio, apply(ratios.difference, HIGH, LOW), VOLUME), "price", "volume"),
        "finite",
        "row 1 is nan after warm-up",
    ),
}
JIT_AWARE = planted("aware", apply(aware, CLOSE), "price")
SOUND = planted("close_five_bars_ago", looking_back(5, 5), "price")
