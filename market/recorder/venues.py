"""What the recorder must know of a venue: which streams to ask for, and where the snapshot of the book is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from market.errors import RecorderError


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
