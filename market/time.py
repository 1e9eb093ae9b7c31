"""Time: int64 nanoseconds UTC, and intervals written as people write them (``15m``, ``1h``, ``1d``)."""

from __future__ import annotations

import re
from datetime import UTC, datetime

from market.errors import MarketError

SECOND = 1_000_000_000
MINUTE = 60 * SECOND
HOUR = 60 * MINUTE
DAY = 24 * HOUR
DAYS_PER_YEAR = 365.25
YEAR = DAYS_PER_YEAR * DAY
"""Of markets that never close, in nanoseconds."""
UNITS = {"s": SECOND, "m": MINUTE, "h": HOUR, "d": DAY, "w": 7 * DAY}


def parse_interval(text: str) -> int:
    """An interval such as ``30m`` in nanoseconds.

    Raises
    ------
    MarketError
        If the text is not a positive whole number and a unit of s, m, h, d or w.

    Examples
    --------
    >>> parse_interval("30m") == 30 * MINUTE
    True
    """
    match = re.fullmatch(r"([1-9]\d*)([smhdw])", text)
    if match is None:
        raise MarketError(f"interval {text!r} is not a whole number and one of s, m, h, d, w, such as '15m'")
    return int(match[1]) * UNITS[match[2]]


def format_interval(nanoseconds: int) -> str:
    """The shortest text `parse_interval` reads back.

    Examples
    --------
    >>> format_interval(3_600_000_000_000)
    '1h'
    """
    for unit in ("d", "h", "m", "s"):
        if nanoseconds > 0 and nanoseconds % UNITS[unit] == 0:
            return f"{nanoseconds // UNITS[unit]}{unit}"
    raise MarketError(f"{nanoseconds} ns is not a positive whole number of seconds")


def parse_time(text: str) -> int:
    """An ISO 8601 date or time, UTC unless it says otherwise, in nanoseconds.

    Examples
    --------
    >>> parse_time("1970-01-02")
    86400000000000
    """
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise MarketError(f"time {text!r} is not ISO 8601, such as '2025-01-31' or '2025-01-31T12:00'") from None
    moment = moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment
    whole = int(moment.replace(microsecond=0).timestamp())
    return whole * SECOND + moment.microsecond * 1_000


def format_time(nanoseconds: int) -> str:
    """A time as ISO 8601, UTC, to the second, or to the nanosecond where there is a fraction.

    Examples
    --------
    >>> format_time(86_400_000_000_000)
    '1970-01-02T00:00:00Z'
    """
    whole, fraction = divmod(nanoseconds, SECOND)
    text = datetime.fromtimestamp(whole, UTC).strftime("%Y-%m-%dT%H:%M:%S")
    return f"{text}.{fraction:09d}Z" if fraction else f"{text}Z"
