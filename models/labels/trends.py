"""Trend scanning (López de Prado 2020, section 5.4): the direction of the most significant trend ahead.

From each bar, lines are fitted to the closes over spans of every length asked for; the label is the sign of the slope's
t-value where its absolute value is largest. No barrier has to be chosen, and the t-value can weigh the sample.

The search looks at the longest span whichever wins, so the label is known only at the end of the longest span: that is
``t1``, as in the book's snippet 5.2 ("prevent leakage"). The end of the winning trend itself is ``trend_end``: purging
by it would leak.
"""

from __future__ import annotations

from dataclasses import dataclass

import msgspec
import numpy as np
from numpy.typing import NDArray

from market.jit import kernel
from models.errors import LabelError
from models.labels.barriers import event_rows, hole_length


class TrendConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Which spans are scanned.

    Attributes
    ----------
    shortest, longest, step
        Closes in a span: from ``shortest`` (at least 3: two points leave no residual) to ``longest``, both included.
    threshold
        A largest absolute t-value below this is no trend: label 0.
    delay
        Bars from the decision bar to the first close of the spans; the entry is the open after that close.
    max_gap
        Missing bars that a label may span; None for bars without a clock.
    """

    shortest: int = 5
    longest: int = 20
    step: int = 1
    threshold: float = 0.0
    delay: int = 0
    max_gap: int | None = 2

    def __post_init__(self) -> None:
        for name, least in (("shortest", 3), ("longest", self.shortest), ("step", 1), ("delay", 0)):
            if getattr(self, name) < least:
                raise LabelError(f"{name} is {getattr(self, name)}; it must be at least {least}")
        if not 0 <= self.threshold < float("inf"):
            raise LabelError(f"threshold is {self.threshold}; it must be finite and not negative")
        if self.max_gap is not None and self.max_gap < 0:
            raise LabelError(f"max_gap is {self.max_gap}; it must be at least 0, or None")

    @property
    def reach(self) -> int:
        """The longest span that is looked at: the last that ``step`` reaches."""
        return self.longest - (self.longest - self.shortest) % self.step


@dataclass(frozen=True, slots=True, eq=False)
class TrendLabels:
    """Trend labels of one series, for the events that have one; arrays of shape (n,).

    ``row``: the decision bar. ``start``: the time of the entry price, the first open after the spans' first close (ns).
    ``t1``: when the label is known, the end of the longest span. ``label``: 1, 0 or -1. ``move``: log return from the
    entry to the winning span's last close. ``t_value``: of its slope. ``span``: its number of closes. ``trend_end``:
    the end of its last bar.
    """

    row: NDArray[np.int64]
    start: NDArray[np.int64]
    t1: NDArray[np.int64]
    label: NDArray[np.int64]
    move: NDArray[np.float64]
    t_value: NDArray[np.float64]
    span: NDArray[np.int64]
    trend_end: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.row)


@kernel
def strongest_trend(
    values: NDArray[np.float64], first: int, shortest: int, longest: int, step: int
) -> tuple[float, int]:
    """The slope's t-value with the largest absolute value over spans from one row, and that span.

    Recursive least squares: each new point costs one prediction error, which updates the slope, the next prediction
    and the residual sum of squares (Brown, Durbin and Evans 1975). All are anchored at the span's first value and all
    terms of the sum are squares, so nothing cancels and nothing drifts, however long the series. Spans are
    compared by the square of their t-value.
    """
    anchor = values[first]
    slope = values[first + 1] - anchor
    ahead = 2.0 * slope  # the line's value at the next point
    residual = 0.0
    square, upward, span = 0.0, True, 0  # of the best t-value, and its sign
    for count in range(2, longest):
        size = float(count)
        error = (values[first + count] - anchor) - ahead
        spread = 1.0 / ((size + 1.0) * (size + 2.0))
        residual += error * error * (size * (size - 1.0) * spread)
        slope += 6.0 * error * spread
        ahead += error * ((4.0 * size + 2.0) * spread) + slope
        length = count + 1
        if length >= shortest and (length - shortest) % step == 0:
            points = size + 1.0
            signal = slope * slope * ((points - 2.0) * (points * (points * points - 1.0) / 12.0))
            ratio = signal / residual if residual > 0.0 else (np.inf if signal > 0.0 else 0.0)
            if span == 0 or ratio > square:
                square, upward, span = ratio, slope >= 0.0, length
    if not residual < np.inf:
        return np.nan, 0
    return (np.sqrt(square) if upward else -np.sqrt(square)), span


@kernel
def scan_trends(
    values: NDArray[np.float64],
    events: NDArray[np.int64],
    shortest: int,
    longest: int,
    step: int,
    t_value: NDArray[np.float64],
    span: NDArray[np.int64],
) -> None:
    """`strongest_trend` from every event; NaN and 0 where the longest span leaves the data. Fills the last two."""
    for number in range(events.shape[0]):
        t_value[number], span[number] = np.nan, 0
        if events[number] + longest <= values.shape[0]:
            t_value[number], span[number] = strongest_trend(values, events[number], shortest, longest, step)


def trend_scan(
    values: NDArray[np.float64], shortest: int, longest: int, step: int = 1, events: NDArray[np.int64] | None = None
) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """The most significant look-forward trend of a series of numbers, at each event.

    Parameters
    ----------
    values
        Prices or their logarithms, shape (n,).
    shortest, longest, step
        Points in a span, both ends included; ``longest`` is lowered to the last one that ``step`` reaches.
    events
        Ascending rows, shape (events,); every row if None.

    Returns
    -------
    t_value, span
        Shape (events,). The slope's t-value (ordinary least squares with an intercept, span - 2 degrees of freedom) and
        the number of points of the span where its absolute value is largest, the shortest of equals. NaN and 0
        where the longest span leaves the data or misses a value. A perfect line's is infinite; a constant's is 0.

    Raises
    ------
    LabelError
        If the spans are out of range or the events are not ascending rows.

    Notes
    -----
    O(events × longest): one update a span. The book's snippet refits every span, and counts an infinite t-value as 0.

    References
    ----------
    López de Prado (2020), *Machine Learning for Asset Managers*, section 5.4, snippets 5.1 and 5.2.
    Brown, Durbin and Evans (1975), "Techniques for testing the constancy of regression relationships over time".

    Examples
    --------
    >>> t_value, span = trend_scan(np.array([0.0, 1, 2, 3, 2, 1, 0]), shortest=3, longest=4)
    >>> t_value.round(3).tolist(), span.tolist()
    ([inf, inf, -1.155, -inf, nan, nan, nan], [3, 3, 4, 3, 0, 0, 0])
    """
    reach = TrendConfig(shortest=shortest, longest=longest, step=step).reach
    values = np.ascontiguousarray(values, np.float64)
    rows = event_rows(events, len(values))
    t_value, span = np.empty(len(rows)), np.empty(len(rows), np.int64)
    scan_trends(values, rows, shortest, reach, step, t_value, span)
    return t_value, span


def trend_scanning(
    bars: NDArray[np.void],
    config: TrendConfig,
    *,
    interval: int | None = None,
    events: NDArray[np.int64] | None = None,
) -> TrendLabels:
    """The trend labels of one series, scanned over its log closes.

    Parameters
    ----------
    bars
        BAR records in order, shape (n,).
    config
        The spans.
    interval
        The bars' grid (ns), by which missing bars are counted; not needed with ``max_gap=None``.
    events
        Decision bars, ascending rows, shape (events,); every bar if None.

    Returns
    -------
    TrendLabels
        For the events whose longest span is whole: it ends within the data, crosses no hole and misses no price.

    Raises
    ------
    LabelError
        If the events are not ascending rows, or the interval is missing.

    References
    ----------
    López de Prado (2020), *Machine Learning for Asset Managers*, section 5.4.

    Examples
    --------
    >>> from market.bars import BAR
    >>> bars = np.zeros(7, BAR)
    >>> bars["start"], bars["end"] = np.arange(7), np.arange(1, 8)
    >>> bars["close"] = bars["open"] = [100, 101, 103, 104, 103, 101, 100]
    >>> found = trend_scanning(bars, TrendConfig(shortest=3, longest=4), interval=1)
    >>> found.label.tolist(), found.span.tolist(), found.trend_end.tolist(), found.t1.tolist()
    ([1, 1, -1, -1], [4, 3, 4, 4], [4, 4, 6, 7], [4, 5, 6, 7])
    """
    rows = event_rows(events, len(bars))
    first = rows + config.delay
    last = first + config.reach - 1
    stop = _breaks(bars, hole_length(config.max_gap, interval))
    whole = (last < len(bars)) & (last < stop[np.searchsorted(stop, rows, side="right")])
    rows, first, last = rows[whole], first[whole], last[whole]
    close = np.log(bars["close"])
    t_value, span = trend_scan(close, config.shortest, config.longest, config.step, first)
    end = first + span - 1
    move = close[end] - np.log(bars["open"][first + 1])
    known = np.flatnonzero(np.isfinite(move) & ~np.isnan(t_value))
    sign = np.where(np.abs(t_value) >= config.threshold, np.sign(t_value), 0.0)
    return TrendLabels(
        row=rows[known],
        start=bars["start"][first[known] + 1],
        t1=bars["end"][last[known]],
        label=sign[known].astype(np.int64),
        move=move[known],
        t_value=t_value[known],
        span=span[known],
        trend_end=bars["end"][end[known]],
    )


def _breaks(bars: NDArray[np.void], hole: int) -> NDArray[np.int64]:
    """The rows before which there is a hole, and one beyond every span."""
    rows = np.flatnonzero(bars["start"][1:] - bars["end"][:-1] >= hole) + 1
    return np.append(rows, np.iinfo(np.int64).max)
