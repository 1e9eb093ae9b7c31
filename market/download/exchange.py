"""Bars of any exchange that ccxt knows, page by page, through ccxt's own client of it."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, TypeVar
from urllib.parse import urlsplit

import numpy as np
from numpy.typing import NDArray

from market.bars import empty_bars
from market.download.patience import PassingError, Patience
from market.errors import DownloadError
from market.quality import anchor
from market.time import MINUTE, format_interval

T = TypeVar("T")
MILLISECOND = 1_000_000
SETTLED = MINUTE
"""How long ago, by our clock, a bar must have ended: until then an exchange may still be changing it."""


class Exchange:
    """One exchange's public market data.

    Parameters
    ----------
    name
        As ccxt names it, such as ``kraken``.
    base_url
        Another scheme and host for all of its addresses, such as a mirror's; None takes ccxt's.
    rate
        Requests a second, at most; None takes what ccxt says that the exchange allows.
    timeout
        Seconds until an answer.
    patience
        How often a request is tried.

    Raises
    ------
    DownloadError
        If ccxt has no such exchange, or the exchange has no bars.
    """

    def __init__(
        self,
        name: str,
        *,
        base_url: str | None = None,
        rate: float | None = None,
        timeout: float = 30.0,
        patience: Patience | None = None,
    ) -> None:
        import ccxt

        if name not in ccxt.exchanges:
            raise DownloadError(f"ccxt has no exchange {name!r}; see its list, such as kraken, bybit, okx")
        self.name = name
        self._passing, self._lasting = ccxt.NetworkError, ccxt.BaseError
        self._patience = patience or Patience()
        self._client: Any = getattr(ccxt, name)({"enableRateLimit": True, "timeout": int(1000 * timeout)})
        if self._client.has.get("fetchOHLCV") is not True:
            raise DownloadError(f"{name} has no bars of its own that could be fetched")
        if rate is not None:
            self._client.rateLimit = 1000 / rate
        if base_url is None:
            self._client.requests_trust_env = True  # the environment's proxies
        else:
            self._client.urls["api"] = _moved(self._client.urls["api"], base_url, self._client.hostname)

    def check(self, symbol: str, interval: int) -> None:
        """Refuse what the exchange does not have.

        Raises
        ------
        DownloadError
            If it has no such market or interval, or cannot be asked.
        """
        self._ask("markets", self._client.load_markets)
        if symbol not in self._client.markets:
            near = [name for name in self._client.symbols if name.split("/")[0] == symbol.split("/")[0]]
            hint = f"; it has {', '.join(near[:8])}" if near else "; symbols are written as BTC/USDT"
            raise DownloadError(f"{self.name} has no market {symbol!r}{hint}")
        if format_interval(interval) not in self._client.timeframes:
            known = ", ".join(self._client.timeframes)
            raise DownloadError(f"{self.name} has no bars of {format_interval(interval)}; it has {known}")

    def settled(self, interval: int) -> int:
        """The end of the last bar that is surely finished, ns UTC, by this machine's clock."""
        now, first = self._client.milliseconds() * MILLISECOND - SETTLED, anchor(interval)
        return int((now - first) // interval * interval + first)

    def bars(
        self, symbol: str, interval: int, start: int, stop: int, heard: Callable[[int], None] | None = None
    ) -> NDArray[np.void]:
        """The bars with start <= bar start < stop, ns UTC, that the exchange gives; it may not reach back that far.

        Volume is as the exchange counts it: of derivatives it may be contracts.

        Parameters
        ----------
        heard
            Called with the time up to which bars have been asked for.

        Raises
        ------
        DownloadError
            If the exchange has no such market or interval, refuses, or does not answer for too long.
        """
        self.check(symbol, interval)
        timeframe = format_interval(interval)
        limit = self._client.feature_value(symbol, "fetchOHLCV", "limit") or 100
        rows: list[list[float]] = []
        since = start
        while since < stop:
            request = partial(self._client.fetch_ohlcv, symbol, timeframe, since // MILLISECOND, limit)
            page = self._ask(f"{symbol} {timeframe}", request)
            coming = sorted(row for row in page if row[0] * MILLISECOND >= since)
            new = [row for row in coming if row[0] * MILLISECOND < stop]
            rows += new
            if new:
                since = int(new[-1][0]) * MILLISECOND + interval
            elif coming:
                since = stop  # what comes next is beyond: there is nothing before it
            else:
                since += limit * interval  # the page lies in a hole, or before the listing
            if heard is not None:
                heard(min(since, stop))
        return _as_bars(rows, interval)

    def _ask(self, what: str, request: Callable[[], T]) -> T:
        def attempt() -> T:
            try:
                return request()
            except self._passing as error:
                raise PassingError(f"{type(error).__name__}: {error}") from error
            except self._lasting as error:
                raise DownloadError(f"{self.name} {what}: {type(error).__name__}: {error}") from error

        return self._patience(f"{self.name} {what}", attempt)


def _as_bars(rows: list[list[float]], interval: int) -> NDArray[np.void]:
    bars = empty_bars(len(rows))
    bars["start"] = [int(row[0]) * MILLISECOND for row in rows]
    bars["end"] = bars["start"] + interval
    for column, field in enumerate(("open", "high", "low", "close", "volume"), 1):
        bars[field] = [np.nan if row[column] is None else row[column] for row in rows]
    return bars


def _moved(addresses: Any, base_url: str, hostname: str) -> Any:
    """The (nested) addresses that ccxt has, with another scheme and host, their paths kept."""
    if isinstance(addresses, dict):
        return {name: _moved(one, base_url, hostname) for name, one in addresses.items()}
    return base_url.rstrip("/") + urlsplit(addresses.replace("{hostname}", hostname or "host")).path
