"""The symmetric CUSUM filter: which rows of a series of prices are events (López de Prado 2018, ch. 2).

Log returns are added up, upwards never below zero and downwards never above it. A row is an event when either sum
reaches the threshold, and that sum starts from zero again:

    up_t = max(0, up_{t-1} + r_t), down_t = min(0, down_{t-1} + r_t); an event where down_t <= -h_t or else up_t >= h_t

The threshold h is fixed, or a multiple of a volatility given with each price, which must be known at that price's time.
"""

from __future__ import annotations

import hashlib
import math
from typing import Final

import msgspec
import numpy as np
from numpy.typing import ArrayLike, NDArray

from market.errors import MarketError, TradeError
from market.jit import kernel
from market.snapshots import open_snapshot, seal_snapshot

KIND: Final = b"B4CS0001"
STATE: Final = np.dtype([("up", "<f8"), ("down", "<f8"), ("last", "<f8"), ("scale", "<f8"), ("rows", "<i8")])
LEAST, MOST = 1e-18, 1e18
"""Prices lie between these."""


class CusumSpec(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The threshold of a filter.

    Attributes
    ----------
    threshold
        Fixed, as a log return; None with ``multiple``.
    multiple
        Of the volatility that is given with each price, in log return as well.

    Raises
    ------
    MarketError
        Unless exactly one is given, above zero and finite.
    """

    threshold: float | None = None
    multiple: float | None = None

    def __post_init__(self) -> None:
        if (self.threshold is None) == (self.multiple is None):
            raise MarketError("a CUSUM filter needs a threshold or a multiple of volatility, and not both")
        if not 0 < self.scale < math.inf:
            raise MarketError(f"threshold or multiple {self.scale!r} of a CUSUM filter must be above zero and finite")

    @property
    def scale(self) -> float:
        """The threshold at volatility 1; a fixed one has that volatility always."""
        scale = self.threshold if self.multiple is None else self.multiple
        return math.nan if scale is None else scale

    @property
    def digest(self) -> bytes:
        """SHA-256 of all parts."""
        return hashlib.sha256(msgspec.json.encode(self)).digest()


@kernel
def advance(up: float, down: float, move: float, threshold: float) -> tuple[float, float, int]:
    """Both sums after a log return, and 1 or -1 where an upward or downward event is, else 0."""
    up = max(0.0, up + move)
    down = min(0.0, down + move)
    if down <= -threshold:
        return up, 0.0, -1
    if up >= threshold:
        return 0.0, down, 1
    return up, down, 0


@kernel
def step(price: float, volatility: float, state: np.void) -> int:
    """One price: 1 or -1 where an upward or downward event is, else 0."""
    last = state["last"]
    state["last"] = price
    state["rows"] += 1
    if not volatility > 0.0:
        state["up"] = state["down"] = 0.0
        return 0
    if state["rows"] == 1:
        return 0
    up, down, side = advance(state["up"], state["down"], math.log(price / last), state["scale"] * volatility)
    state["up"], state["down"] = up, down
    return side


@kernel
def run(
    prices: NDArray[np.float64], volatility: NDArray[np.float64], state: NDArray[np.void], sides: NDArray[np.int64]
) -> None:
    """All prices in order, through `step`."""
    for row in range(len(prices)):
        sides[row] = step(prices[row], volatility[row], state[0])


class CusumFilter:
    """Finds events, with its state between calls.

    Parameters
    ----------
    spec
        The threshold.

    Notes
    -----
    However prices are divided into calls, the events are the same, and so is the state, byte for byte. The first price
    is no event. Where the volatility is missing or zero there is no event, and both sums start anew after it. Should
    both sums reach a threshold that has fallen, the downward event comes first and the upward one with the next row.

    Examples
    --------
    >>> prices = np.array([100.0, 101.0, 102.0, 103.0, 100.0])
    >>> CusumFilter(CusumSpec(threshold=0.015)).update(prices).tolist()
    [0, 0, 1, 0, -1]
    """

    def __init__(self, spec: CusumSpec) -> None:
        self.spec = spec
        self.state = np.zeros(1, STATE)
        self.reset()

    def update(self, prices: ArrayLike, volatility: ArrayLike | None = None) -> NDArray[np.int64]:
        """Take in prices and return each row's event, shape (n,): 1 upwards, -1 downwards, 0 none.

        Parameters
        ----------
        prices
            Shape (n,), or one price.
        volatility
            Of each row, as a log return, NaN where unknown; only for a spec with ``multiple``.

        Raises
        ------
        TradeError
            If a price or volatility is impossible, or volatility is given or missing against the spec; nothing was
            taken in.
        """
        values = np.array(prices, np.float64, ndmin=1)
        if (volatility is None) != (self.spec.multiple is None):
            told = (
                "needs the volatility of each price" if volatility is None else "has a fixed threshold: no volatility"
            )
            raise TradeError(f"this CUSUM filter {told}")
        scale = np.ones(len(values)) if volatility is None else np.array(volatility, np.float64, ndmin=1)
        if values.ndim != 1 or values.shape != scale.shape:
            raise TradeError(
                f"prices of shape {values.shape} and volatility of shape {scale.shape} are not two columns"
            )
        _refuse(values, "price", ~((values >= LEAST) & (values <= MOST)), f"is not between {LEAST:g} and {MOST:g}")
        _refuse(scale, "volatility", (scale < 0) | np.isinf(scale), "is negative or infinite")
        sides = np.empty(len(values), np.int64)
        run(values, scale, self.state, sides)
        return sides

    def reset(self) -> None:
        """Forget all prices."""
        self.state[:] = 0
        self.state["scale"] = self.spec.scale

    def snapshot(self) -> bytes:
        """The whole state: a filter restored from it goes on with the same bytes."""
        return seal_snapshot(KIND, self.spec.digest, self.state)

    def restore(self, snapshot: bytes) -> None:
        """Go on from a snapshot.

        Raises
        ------
        SnapshotError
            If it is damaged, or of another filter; the state is as before.
        """
        self.state[:] = open_snapshot(snapshot, KIND, self.spec.digest, STATE, "a CUSUM filter")


def cusum_events(prices: ArrayLike, spec: CusumSpec, volatility: ArrayLike | None = None) -> NDArray[np.int64]:
    """The rows that are events, from an empty state; parameters and errors as `CusumFilter.update`.

    Examples
    --------
    >>> cusum_events([100.0, 101.0, 102.0, 103.0, 100.0], CusumSpec(threshold=0.015)).tolist()
    [2, 4]
    """
    return np.flatnonzero(CusumFilter(spec).update(prices, volatility))


def _refuse(values: NDArray[np.float64], name: str, bad: NDArray[np.bool_], why: str) -> None:
    if bad.any():
        row = int(np.argmax(bad))
        raise TradeError(f"row {row}: {name} {float(values[row])!r} {why}; no row was taken in")
