"""The default label: the direction at the first touch of symmetric barriers, or at the vertical barrier.

The triple barrier (López de Prado 2018, ch. 3), its horizontal barriers symmetric and scaled by volatility. A label
starts at the first executable price after its decision, the open of the next bar (plus a delay), never at the decision
bar's close. Trades exit by the same barriers, so the probability of the label is the probability of the trade that is
made. `models.labels.barriers` has the general case, of which this one is a special case to the bit.

When one bar touches both barriers, which came first cannot be known from the bar: the label is then the direction of
that bar's close against the entry, and ``touched`` says `BOTH`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import msgspec
import numpy as np
from numpy.typing import NDArray

from market.bars import COLUMN, as_matrix, missing_bars
from market.jit import kernel
from models.errors import LabelError

VERTICAL, UPPER, LOWER, BOTH = 0, 1, 2, 3
NONE = -1
FAR = 709.0  # beyond this math.exp raises without the compiler
OPEN, HIGH, LOW, CLOSE = (COLUMN[name] for name in ("open", "high", "low", "close"))


class LabelConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The default label's parameters.

    ``horizon``: bars from the entry bar to the vertical barrier, both included. ``barrier``: distance of the
    barriers, in volatility times the root of the horizon. ``delay``: bars between the next bar and the entry.
    ``touch``: whether a barrier is touched by a bar's high or low, or only by its close. ``max_gap``: missing bars
    that a label may span; a label across a longer hole does not exist.
    """

    horizon: int = 24
    barrier: float = 1.5
    delay: int = 0
    touch: Literal["high_low", "close"] = "high_low"
    max_gap: int = 2

    def __post_init__(self) -> None:
        for name, least in (("horizon", 1), ("delay", 0), ("max_gap", 0)):
            if getattr(self, name) < least:
                raise ValueError(f"{name} is {getattr(self, name)}; it must be at least {least}")
        if not 0 < self.barrier < float("inf"):
            raise ValueError(f"barrier is {self.barrier}; it must be positive and finite")


@dataclass(frozen=True, slots=True, eq=False)
class Labels:
    """Labels of one series, for the bars that have one; arrays of shape (n,).

    ``row``: the decision bar. ``start``: the time of the entry price (ns). ``t1``: when the label is known, the end
    of the deciding bar. ``label``: 1 if the move is positive, else 0. ``move``: log return from entry to exit, at the
    barrier where one was touched. ``touched``: `VERTICAL`, `UPPER`, `LOWER` or `BOTH`.
    """

    row: NDArray[np.int64]
    start: NDArray[np.int64]
    t1: NDArray[np.int64]
    label: NDArray[np.int64]
    move: NDArray[np.float64]
    touched: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.row)


@kernel
def log_ratio(after: float, before: float) -> float:
    """The log return between two prices by the C library; NumPy's logarithm has other bits without the compiler."""
    ratio = after / before
    return math.log(ratio) if ratio > 0.0 and ratio < np.inf else np.log(ratio)


@kernel
def grown(price: float, distance: float) -> float:
    """A price a log distance away, by the C library."""
    return price * (math.exp(distance) if distance < FAR else np.exp(distance))


@kernel
def decide(bars: NDArray[np.float64], entry: int, last: int, distance: float, by_close: bool) -> tuple[int, int, float]:
    """The deciding bar of one label, which barrier decided, and the log move.

    ``entry`` and ``last`` are the first and last bar of the label; ``distance`` is the barriers' as a log return.
    """
    price = bars[entry, OPEN]
    upper, lower = grown(price, distance), grown(price, -distance)
    for row in range(entry, last + 1):
        high = bars[row, CLOSE] if by_close else bars[row, HIGH]
        low = bars[row, CLOSE] if by_close else bars[row, LOW]
        above, below = high >= upper, low <= lower
        if above and below:
            return row, BOTH, log_ratio(bars[row, CLOSE], price)
        if above:
            return row, UPPER, log_ratio(bars[row, CLOSE], price) if by_close else distance
        if below:
            return row, LOWER, log_ratio(bars[row, CLOSE], price) if by_close else -distance
    return last, VERTICAL, log_ratio(bars[last, CLOSE], price)


@kernel
def scan(
    bars: NDArray[np.float64],
    missing: NDArray[np.int64],
    volatility: NDArray[np.float64],
    horizon: int,
    barrier: float,
    delay: int,
    by_close: bool,
    max_gap: int,
    exit_row: NDArray[np.int64],
    touched: NDArray[np.int64],
    move: NDArray[np.float64],
) -> None:
    """Decide every label; ``missing[i]`` is the number of missing bars before bar i. Fills the last three arrays.

    A label also needs all its bars up to the vertical barrier, whether or not a barrier was touched before: at the end
    of the data and at a hole only decided labels would survive otherwise, and being decided depends on the future.
    """
    count = bars.shape[0]
    scale = barrier * np.sqrt(float(horizon))
    for row in range(count):
        exit_row[row] = NONE
        entry = row + 1 + delay
        last = entry + horizon - 1
        sigma = volatility[row]
        if last >= count or not (sigma > 0.0 and sigma < np.inf):
            continue
        whole = True
        for later in range(row + 1, last + 1):
            if missing[later] > max_gap:
                whole = False
                break
        if not whole:
            continue
        exit_row[row], touched[row], move[row] = decide(bars, entry, last, scale * sigma, by_close)


def triple_barrier(
    bars: NDArray[np.void], volatility: NDArray[np.float64], config: LabelConfig, interval: int
) -> Labels:
    """The labels of one series.

    Parameters
    ----------
    bars
        BAR records in order, shape (n,).
    volatility
        Standard deviation of log returns per bar, known at each bar's end, shape (n,); rows where it is NaN or not
        positive have no label.
    config
        The barriers.
    interval
        The bars' grid, ns; 0 for bars that follow no clock, between which none is missing.

    Returns
    -------
    Labels
        For the bars that have one. A move of exactly zero has no direction and is left out.

    Raises
    ------
    LabelError
        If the arrays differ in length.

    Examples
    --------
    >>> from market.bars import BAR
    >>> bars = np.zeros(4, BAR)
    >>> bars["start"], bars["end"] = np.arange(4), np.arange(1, 5)
    >>> bars["open"], bars["close"] = 100, 100
    >>> bars["high"], bars["low"] = [101, 101, 103, 101], [99, 99, 100, 99]
    >>> found = triple_barrier(bars, np.full(4, 0.01), LabelConfig(horizon=2, barrier=2**0.5), 1)
    >>> found.row.tolist(), found.t1.tolist(), found.label.tolist(), found.touched.tolist()
    ([0, 1], [3, 3], [1, 1], [1, 1])
    """
    if len(bars) != len(volatility):
        raise LabelError(f"{len(bars)} bars but {len(volatility)} volatilities; give one for each bar")
    exit_row = np.empty(len(bars), np.int64)
    touched = np.zeros(len(bars), np.int64)
    move = np.zeros(len(bars))
    missing = np.zeros(len(bars), np.int64)
    missing[1:] = missing_bars(bars, interval)
    by_close = config.touch == "close"
    matrix = as_matrix(np.ascontiguousarray(bars))
    scan(
        matrix,
        missing,
        np.ascontiguousarray(volatility, np.float64),
        config.horizon,
        config.barrier,
        config.delay,
        by_close,
        config.max_gap,
        exit_row,
        touched,
        move,
    )
    row = np.flatnonzero((exit_row != NONE) & (move != 0.0))
    return Labels(
        row=row,
        start=bars["start"][row + 1 + config.delay],
        t1=bars["end"][exit_row[row]],
        label=(move[row] > 0).astype(np.int64),
        move=move[row],
        touched=touched[row],
    )
