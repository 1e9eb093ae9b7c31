"""Where Binance's public archive keeps its files.

One zip a symbol, kind and calendar month, or one a day; beside each a ``.CHECKSUM`` with its SHA-256::

    data/spot/monthly/klines/BTCUSDT/15m/BTCUSDT-15m-2024-01.zip
    data/futures/um/daily/aggTrades/BTCUSDT/BTCUSDT-aggTrades-2024-01-31.zip
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Literal

import numpy as np

from market.errors import DownloadError
from market.time import DAY, parse_interval

Kind = Literal["klines", "markPriceKlines", "aggTrades", "trades", "fundingRate"]

BASE_URL: Final = "https://data.binance.vision"
MARKETS: Final[Mapping[str, str]] = {"binance": "spot", "binance-um": "futures/um"}
"""The archive's folder of each venue."""

KINDS: Final[Mapping[str, tuple[Kind, ...]]] = {
    "binance": ("klines", "aggTrades", "trades"),
    "binance-um": ("klines", "markPriceKlines", "aggTrades", "trades", "fundingRate"),
}
WITH_INTERVAL: Final = frozenset({"klines", "markPriceKlines"})
MONTHLY_ONLY: Final = frozenset({"fundingRate"})
SYMBOL: Final = re.compile(r"[A-Z0-9]+(_[A-Z0-9]+)?")


@dataclass(frozen=True, slots=True)
class ArchiveSeries:
    """One symbol's files of one kind.

    Attributes
    ----------
    venue
        ``binance`` (spot) or ``binance-um`` (USDⓈ-M futures).
    interval
        Of kinds that are bars, such as ``15m``; None of the others.

    Raises
    ------
    DownloadError
        If the archive has no such venue or kind, or the interval is missing or too much.

    Examples
    --------
    >>> ArchiveSeries("binance", "BTCUSDT", "klines", "15m").path("2024-01")
    'data/spot/monthly/klines/BTCUSDT/15m/BTCUSDT-15m-2024-01.zip'
    >>> ArchiveSeries("binance-um", "BTCUSDT", "aggTrades").path("2024-01-31")
    'data/futures/um/daily/aggTrades/BTCUSDT/BTCUSDT-aggTrades-2024-01-31.zip'
    """

    venue: str
    symbol: str
    kind: Kind = "klines"
    interval: str | None = None

    def __post_init__(self) -> None:
        if self.venue not in MARKETS:
            raise DownloadError(f"the archive has no venue {self.venue!r}; it has {', '.join(MARKETS)}")
        if self.kind not in KINDS[self.venue]:
            raise DownloadError(f"{self.venue} has no {self.kind!r}; it has {', '.join(KINDS[self.venue])}")
        if SYMBOL.fullmatch(self.symbol) is None:
            raise DownloadError(f"symbol {self.symbol!r} is not one of the archive's, such as BTCUSDT")
        if self.kind in WITH_INTERVAL:
            if self.interval is None:
                raise DownloadError(f"{self.kind} need an interval, such as 15m")
            parse_interval(self.interval)
        elif self.interval is not None:
            raise DownloadError(f"{self.kind} have no interval; leave {self.interval!r} out")

    def path(self, period: str) -> str:
        """The path of the file of a month (``2024-01``) or day (``2024-01-31``), below the archive's base URL."""
        every = "monthly" if is_month(period) else "daily"
        label = self.interval or self.kind
        folders = (self.symbol, self.interval) if self.interval else (self.symbol,)
        parts = ("data", MARKETS[self.venue], every, self.kind, *folders, f"{self.symbol}-{label}-{period}.zip")
        return "/".join(parts)

    def __str__(self) -> str:
        return " ".join(part for part in (self.venue, self.symbol, self.kind, self.interval) if part)


def is_month(period: str) -> bool:
    """Whether a period is a month, such as ``2024-01``; else it is a day."""
    return len(period) == len("2024-01")


def days_of(month: str) -> list[str]:
    """The days of a month.

    Examples
    --------
    >>> days_of("2024-02")[-1]
    '2024-02-29'
    """
    first = np.datetime64(month, "M")
    return [str(day) for day in np.arange(first.astype("M8[D]"), (first + 1).astype("M8[D]"))]


def periods(start: int, stop: int, monthly_only: bool = False) -> list[str]:
    """The files that hold [start, stop), ns UTC: calendar months inside it as months, the rest as days.

    Where the archive has only months (``monthly_only``), every month that the range touches.

    Examples
    --------
    >>> from market.time import parse_time
    >>> periods(parse_time("2024-01-30T12:00"), parse_time("2024-03-02"))
    ['2024-01-30', '2024-01-31', '2024-02', '2024-03-01']
    """
    if start >= stop:
        return []
    days = np.arange(np.datetime64(start // DAY, "D"), np.datetime64(-(-stop // DAY), "D"))
    months = days.astype("M8[M]")
    found: list[str] = []
    for month in np.unique(months):
        inside = days[months == month]
        whole = start <= _nanoseconds(month) and _nanoseconds(month + 1) <= stop
        found += [str(month)] if whole or monthly_only else [str(day) for day in inside]
    return found


def _nanoseconds(month: np.datetime64) -> int:
    return int(month.astype("M8[ns]").astype(np.int64))
