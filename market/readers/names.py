"""What a file's name says: ``BTCUSDT-15m-2025-01.csv.gz`` holds 15-minute bars of BTCUSDT."""

from __future__ import annotations

import re
from typing import Final

from market.time import parse_interval

ARCHIVE: Final = re.compile(r"(?:^|[-_])([A-Z0-9]{2,}(?:_[A-Z0-9]+)?)-([1-9]\d*[smhdw])(?=[-._]|$)")


def symbol_and_interval(name: str) -> tuple[str | None, int | None]:
    """The symbol and the interval in ns that a file name holds, or None for both.

    Examples
    --------
    >>> symbol_and_interval("spot-klines-BTCUSDT-1h-2024-10-28.zip")
    ('BTCUSDT', 3600000000000)
    >>> symbol_and_interval("prices.csv")
    (None, None)
    """
    match = ARCHIVE.search(name)
    return (None, None) if match is None else (match[1], parse_interval(match[2]))
