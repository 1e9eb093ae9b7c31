"""What the recorder must know of a venue: which streams to ask for, and where the snapshot of the book is."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from market.errors import RecorderError

SYMBOL: Final = re.compile("[A-Za-z0-9_-]+")
"""What may stand in an address and in a file's name as it is."""


@dataclass(frozen=True, slots=True)
class Venue:
    """A venue with combined streams in Binance's form.

    Attributes
    ----------
    name
        As in the lake's keys.
    stream_url, rest_url
        Where they are, without a path.
    depth
        The stream of changes of the book, behind the symbol.
    snapshot_path, snapshot_limit
        Of the REST request, and how many levels a side it asks for.
    futures
        Which rule of succession holds.
    """

    name: str
    stream_url: str
    rest_url: str
    depth: str
    snapshot_path: str
    snapshot_limit: int
    futures: bool

    def subscription(self, symbols: Sequence[str]) -> str:
        """The address of one connection with the trades, changes and quotes of some symbols.

        Examples
        --------
        >>> VENUES["binance"].subscription(["BTCUSDT"]).removeprefix("wss://stream.binance.com:9443")
        '/stream?streams=btcusdt@trade/btcusdt@depth@100ms/btcusdt@bookTicker'
        """
        names = [f"{symbol.lower()}@{what}" for symbol in symbols for what in ("trade", self.depth, "bookTicker")]
        return f"{self.stream_url}/stream?streams={'/'.join(names)}"

    def snapshot(self, symbol: str) -> str:
        """The address of a symbol's snapshot."""
        return f"{self.rest_url}{self.snapshot_path}?symbol={symbol}&limit={self.snapshot_limit}"


VENUES: Final[Mapping[str, Venue]] = MappingProxyType(
    {
        venue.name: venue
        for venue in (
            Venue(
                "binance",
                "wss://stream.binance.com:9443",
                "https://api.binance.com",
                "depth@100ms",
                "/api/v3/depth",
                5_000,
                False,
            ),
            Venue(
                "binance-um",
                "wss://fstream.binance.com",
                "https://fapi.binance.com",
                "depth@0ms",
                "/fapi/v1/depth",
                1_000,
                True,
            ),
        )
    }
)


def venue_of(name: str) -> Venue:
    """The venue of a name.

    Raises
    ------
    RecorderError
        If there is none.
    """
    if name not in VENUES:
        raise RecorderError(f"no venue {name!r} can be recorded; these can: {', '.join(VENUES)}")
    return VENUES[name]


def check_symbols(symbols: Sequence[str]) -> None:
    """Refuse what can be no symbol: it becomes part of addresses and of the names of files.

    Raises
    ------
    RecorderError
        Naming the first that has other characters than ASCII letters, digits, ``_`` and ``-``.

    Examples
    --------
    >>> check_symbols(["BTCUSDT", "btcusdt_250926"])
    >>> check_symbols(["../x"])
    Traceback (most recent call last):
    market.errors.RecorderError: '../x' is no symbol: letters A to Z, digits, _ and - make one, such as BTCUSDT
    """
    for symbol in symbols:
        if not SYMBOL.fullmatch(symbol):
            raise RecorderError(f"{symbol!r} is no symbol: letters A to Z, digits, _ and - make one, such as BTCUSDT")
