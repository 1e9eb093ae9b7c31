"""Funding rates and mark prices, joined to bars by when they could be known.

A bar at its end carries the rate of the last funding that was published by then. Funding intervals differ between
symbols and change in time (8, 4, 1 hours), so nothing is computed from a grid: ``funding_in`` is the time to the next
funding as the record says it. That time, unlike the rate, is no look into the future: venues publish when the next
funding will be as soon as the last one is settled, and live trading reads it from the venue.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from market.errors import MarketError
from market.funding.check import LONGEST
from market.time import MINUTE, SECOND, format_time


def join_funding(
    bars: NDArray[np.void], funding: NDArray[np.void], *, delay: int = 0, longest: int = LONGEST
) -> NDArray[np.void]:
    """Bars with ``funding_rate`` and ``funding_in``.

    Parameters
    ----------
    bars
        Array of `market.bars.BAR`, shape (n,); not changed.
    funding
        Fundings of the same instrument, shape (m,), increasing in time (see `market.funding`).
    delay
        ns between a funding's time and its publication. Sources that round times to the second give them up to one
        second early: there a second is the safe choice.
    longest
        ns; a rate is not carried further than this, and of fundings further apart the record is taken to have a hole,
        in which the time to the next one is unknown.

    Returns
    -------
    The same bars, both fields missing where nothing is known: before the first funding, in holes, after the last.

    Raises
    ------
    MarketError
        If fundings are not increasing, or two within a minute (one funding, told by two sources) differ.

    Examples
    --------
    >>> from market.bars import empty_bars
    >>> from market.time import HOUR
    >>> funding, bars = empty_bars(2), empty_bars(3)
    >>> funding["start"] = funding["end"] = [0, 8 * HOUR]
    >>> funding["funding_rate"] = [0.0001, -0.0002]
    >>> bars["end"] = [HOUR, 8 * HOUR - 1, 8 * HOUR]
    >>> joined = join_funding(bars, funding)
    >>> joined["funding_rate"].tolist()
    [0.0001, 0.0001, -0.0002]
    >>> joined["funding_in"].tolist()
    [25200.0, 1e-09, nan]
    """
    funding = _distinct(funding)
    joined = bars.copy()
    joined["funding_rate"] = joined["funding_in"] = np.nan
    if not len(funding):
        return joined
    moments, ends = funding["start"], bars["end"]
    last = np.searchsorted(moments + delay, ends, side="right") - 1
    carried = (last >= 0) & (ends - moments[last] <= longest)
    joined["funding_rate"][carried] = funding["funding_rate"][last[carried]]
    following = np.searchsorted(moments, ends, side="right")
    known = (following > 0) & (following < len(moments))
    known[known] &= moments[following[known]] - moments[following[known] - 1] <= longest
    joined["funding_in"][known] = (moments[following[known]] - ends[known]) / SECOND
    return joined


def join_marks(bars: NDArray[np.void], marks: NDArray[np.void], *, age: int | None = None) -> NDArray[np.void]:
    """Bars with ``mark_price``: the close of the last mark-price bar that has ended by the bar's end.

    Parameters
    ----------
    bars
        Array of `market.bars.BAR`, shape (n,); not changed.
    marks
        Mark-price bars of the same instrument, shape (m,), increasing in time.
    age
        ns; older marks are missing. None asks for one that ended within the bar: a basis against an older mark would
        be a price change, not a basis.

    Raises
    ------
    MarketError
        If marks are not increasing.
    """
    _check_increasing(marks, "mark prices")
    joined = bars.copy()
    joined["mark_price"] = np.nan
    if not len(marks):
        return joined
    last = np.searchsorted(marks["end"], bars["end"], side="right") - 1
    ended = marks["end"][last]
    fresh = (last >= 0) & ((ended > bars["start"]) if age is None else (bars["end"] - ended <= age))
    joined["mark_price"][fresh] = marks["close"][last[fresh]]
    return joined


def _distinct(funding: NDArray[np.void]) -> NDArray[np.void]:
    """One row a funding: of rows within a minute the first, so that what comes later changes nothing."""
    _check_increasing(funding, "fundings")
    repeated = np.diff(funding["start"]) < MINUTE
    differ = repeated & (np.diff(funding["funding_rate"]) != 0)
    if differ.any():
        row = int(np.argmax(differ))
        when = format_time(int(funding["start"][row]))
        first, second = (funding["funding_rate"][row + n].item() for n in (0, 1))
        raise MarketError(
            f"the funding at {when} has rate {first!r}, and {second!r} less than a minute later: two sources contradict"
            " each other; keep one"
        )
    return funding[~np.concatenate([[False], repeated])] if repeated.any() else funding


def _check_increasing(rows: NDArray[np.void], what: str) -> None:
    wrong = np.diff(rows["start"]) <= 0
    if wrong.any():
        when = format_time(int(rows["start"][int(np.argmax(wrong)) + 1]))
        raise MarketError(f"{what} must increase in time, but the one at {when} does not")
