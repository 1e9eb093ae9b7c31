"""Which fields of the bars features may read: what is missing at the ends may be left out, a hole inside may not.

The engine takes no bar without a field that a feature reads, so that no value is ever made up. A field that begins a
few bars late or ends a few early (the first funding, the next one that nobody knows yet) costs these bars alone; one
that is missing anywhere else turns off what reads it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from features.feature import Feature
from market.bars import FIELDS, trimmed
from market.time import format_time

LEAST_SHARE: Final = 0.99
"""A field counts as there if at least this share of every series' bars, without a break, has it."""
ABSENT: Final = "which the bars lack"

Bars = NDArray[np.void]


def lacking_fields(symbols: Sequence[str], bars: Sequence[Bars]) -> dict[str, str]:
    """The fields that features cannot read, each with the reason: in which series and in how many bars it is missing.

    A series without any bars has no say, unless no series has some.

    Examples
    --------
    >>> from market.bars import PRICE_FIELDS, empty_bars
    >>> from market.time import MINUTE
    >>> bars = empty_bars(4)
    >>> bars["start"] = [0, MINUTE, 2 * MINUTE, 3 * MINUTE]
    >>> bars["volume"] = [1.0, 1.0, float("nan"), 1.0]
    >>> lacking_fields(["BTC"], [bars])["volume"]
    'which is missing in 1 of 4 bars of BTC, first at 1970-01-01T00:02:00Z'
    >>> lacking_fields(["BTC"], [bars])["spread"]
    'which the bars lack'
    """
    found: dict[str, str] = {}
    for field in FIELDS:
        reasons = [_lacking(symbol, one, field) for symbol, one in zip(symbols, bars, strict=True) if len(one)]
        reason = ABSENT if ABSENT in reasons or not reasons else next(filter(None, reasons), "")
        if reason:
            found[field] = reason
    return found


def needs(feature: Feature, lacking: dict[str, str]) -> str:
    """What a feature needs and cannot have, as a sentence's end; empty if nothing."""
    by_reason: dict[str, list[str]] = {}
    for field in sorted(feature.fields & lacking.keys()):
        by_reason.setdefault(lacking[field], []).append(field)
    return " and ".join(f"needs {', '.join(fields)}, {reason}" for reason, fields in by_reason.items())


def left_out(symbols: Sequence[str], bars: Sequence[Bars], kept: Sequence[Bars], fields: frozenset[str]) -> list[str]:
    """What `market.bars.trimmed` left out of each series, a sentence each; nothing of those that are whole."""
    found = []
    for symbol, one, rest in zip(symbols, bars, kept, strict=True):
        if len(rest) < len(one):
            short = ", ".join(sorted(field for field in fields if np.isnan(one[field]).any()))
            count = f"{len(one) - len(rest):,} of {len(one):,}"
            found.append(f"{count} bars of {symbol} are left out at the ends, where {short} is missing")
    return found


def _lacking(symbol: str, bars: Bars, field: str) -> str:
    """Why a series' field cannot be read; empty if it can."""
    missing = np.isnan(bars[field])
    count = int(missing.sum())
    if count == len(bars):
        return ABSENT
    whole = not np.isnan(trimmed(bars, (field,))[field]).any()
    if whole and count <= (1.0 - LEAST_SHARE) * len(bars):
        return ""
    first = format_time(int(bars["start"][int(np.argmax(missing))]))
    return f"which is missing in {count:,} of {len(bars):,} bars of {symbol}, first at {first}"
