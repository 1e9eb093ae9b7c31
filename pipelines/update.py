"""Bring the lake's bars of a run up to date from its venue: what `bot4 data download --update` does, for a program."""

from __future__ import annotations

from pathlib import Path

import msgspec

from market.download.archive import Wanted
from market.download.client import Client
from market.download.exchange import Exchange
from market.download.exchange_series import ExchangeWanted, download_from_exchange, exchange_key
from market.download.layout import BASE_URL, ArchiveSeries
from market.download.series import download_series, end_of, lake_key
from market.lake import Lake, SeriesKey
from market.time import parse_time
from pipelines.config import DataConfig
from pipelines.errors import ConfigError, StageError

ARCHIVES = ("binance", "binance-um")
"""Venues with a public archive of files; any other is asked through ccxt, by its name there."""


class UpdateConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Where new bars come from: the venue of the run's data.

    ``start``: from when on, for a series that the lake does not have yet; without, that is an error. ``base_url``:
    another address than the venue's, such as a mirror's. ``rate``: requests a second, at most.
    """

    start: str | None = None
    base_url: str | None = None
    rate: float | None = None

    def __post_init__(self) -> None:
        if self.start is not None:
            parse_time(self.start)
        if self.rate is not None and not self.rate > 0:
            raise ValueError(f"rate is {self.rate}; it must be positive")


def update_lake(data: DataConfig, update: UpdateConfig, lake: Lake, folder: Path, until: int) -> int:
    """Fetch every bar of a run's symbols that the lake does not have; gives the number of new ones.

    Parameters
    ----------
    folder
        Where an archive's files are kept.
    until
        Up to when, ns UTC.

    Raises
    ------
    ConfigError
        If the data are embedded, or follow no clock: such bars are built from trades.
    StageError
        If what was fetched fails a quality gate; nothing of that series is stored.
    DownloadError
        If the venue does not answer, or a series is not in the lake and the configuration does not say from when.
    """
    if data.source != "lake" or not data.interval_ns:
        raise ConfigError(f"update fetches bars of a clock into the lake, not {data.interval} bars from {data.source}")
    names = [data.spans(symbol)[-1].symbol for symbol in data.symbols]
    if data.venue in ARCHIVES:
        return _from_archive(data, update, names, lake, folder, until)
    return _from_exchange(data, update, names, lake, until)


def _from_archive(
    data: DataConfig, update: UpdateConfig, names: list[str], lake: Lake, folder: Path, until: int
) -> int:
    series = [ArchiveSeries(data.venue, name, "klines", data.interval) for name in names]
    starts = [_from(lake, lake_key(one), update) for one in series]
    wanted = [Wanted(one, start, until) for one, start in zip(series, starts, strict=True) if start < until]
    results = download_series(Client(update.base_url or BASE_URL, rate=update.rate or 10.0), wanted, folder, lake)
    if refused := [f"{one.arrived.series}: {one.refused}" for one in results if one.refused]:
        raise StageError(f"new bars were refused: {'; '.join(refused)}")
    return sum(one.added for one in results)


def _from_exchange(data: DataConfig, update: UpdateConfig, names: list[str], lake: Lake, until: int) -> int:
    markets = [name.replace("-", "/", 1) for name in names]
    starts = {one: _from(lake, exchange_key(data.venue, one, data.interval_ns), update) for one in markets}
    wanted = [ExchangeWanted(one, data.interval_ns, start, until) for one, start in starts.items() if start < until]
    exchange = Exchange(data.venue, base_url=update.base_url, rate=update.rate)
    return sum(one.added for one in download_from_exchange(exchange, wanted, lake))


def _from(lake: Lake, key: SeriesKey, update: UpdateConfig) -> int:
    """Where an update of a series goes on."""
    if update.start is not None and not lake.holds(key):
        return parse_time(update.start)
    return end_of(lake, key)
