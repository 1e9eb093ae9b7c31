"""The lake of trades: sealed Parquet files, one a series and day, in the same folder or object store as the bars.

Layout: ``venue=…/instrument=…/kind=…/interval=irregular/day=YYYY-MM-DD.parquet``, days by the trade's time in UTC,
columns named as in `market.trades.schema.TRADE`. The kind is ``trades`` or ``agg_trades``: their ids are not the same
numbers, so they are different series. Guarantees are those of `market.lake.stores`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path, PurePosixPath
from typing import Final

import numpy as np
import polars as pl
from numpy.typing import NDArray

from market.errors import LakeError
from market.lake.keys import SeriesKey
from market.lake.provenance import ImportRecord, Source, record
from market.lake.storage import verified
from market.lake.stores import Store, open_store
from market.time import format_time
from market.trades.merge import decode, encode, merge
from market.trades.quality import check_trades
from market.trades.records import IdGap, TradeDelivery, TradeInfo, TradeReport, trade_key
from market.trades.schema import TRADE

__all__ = ["IdGap", "TradeDelivery", "TradeInfo", "TradeLake", "TradeReport", "trade_key"]

PREFIX: Final = "day="


@dataclass(frozen=True, slots=True)
class TradeLake:
    """Trades in a folder, or in an object store (``s3://bucket/prefix``).

    Examples
    --------
    >>> import tempfile
    >>> from market.trades.schema import empty_trades
    >>> trades = empty_trades(3)
    >>> trades["time"], trades["price"], trades["quantity"], trades["id"] = [1, 2, 3], 5.0, 1.0, [10, 11, 12]
    >>> folder = tempfile.TemporaryDirectory()
    >>> lake, key = TradeLake(folder.name), trade_key("venue", "BTC")
    >>> lake.write(key, trades).added, lake.write(key, trades).added
    (3, 0)
    >>> lake.read(key, start=2)["id"].tolist()
    [11, 12]
    >>> folder.cleanup()
    """

    root: Path | str
    store: Store

    def __init__(self, root: Path | str) -> None:
        object.__setattr__(self, "root", str(root) if "://" in str(root) else Path(root))
        object.__setattr__(self, "store", open_store(self.root))

    def write(
        self, key: SeriesKey, trades: NDArray[np.void], *, source: Source | None = None, replace: bool = False
    ) -> TradeReport:
        """Add trades, shape (n,) of `market.trades.schema.TRADE`, to a series; see `write_all`."""
        return self.write_all([TradeDelivery(key, trades, source)], replace=replace)[0]

    def write_all(self, deliveries: Sequence[TradeDelivery], *, replace: bool = False) -> Sequence[TradeReport]:
        """Add trades to series: all is checked before anything is written.

        Trades already stored with the same values are left alone (a file whose rows do not change is not touched).
        Left-out ids are allowed: `gaps` finds them.

        Raises
        ------
        QualityError
            If the trades fail a gate of `market.trades.quality` other than ``id_gap``.
        LakeError
            If they have no ids, contradict stored ones and ``replace`` is false, or do not fit between stored ones: in
            the order of ids, times must not go back.
        """
        for item in deliveries:
            check_trades(item.trades, "report").raise_if_bad(str(item))
            if len(item.trades) and item.trades["id"][0] < 0:
                raise LakeError(
                    f"{item}: trades without ids cannot be stored; number them (market.trades.schema.numbered)"
                )
        with self.store.lock():
            days: dict[str, NDArray[np.void]] = {}
            reports = [self._plan(days, item, replace) for item in deliveries]
            changed = {_file(one.key, day) for one in reports for day in one.days}
            self.store.publish({name: encode(days[name]) for name in sorted(changed)})
            for item, report in zip(deliveries, reports, strict=True):
                self._record(item, report, replace)
        return reports

    def read(self, key: SeriesKey, start: int | None = None, stop: int | None = None) -> NDArray[np.void]:
        """The trades with start <= time < stop (ns UTC; None is open-ended), in order; errors as `days`."""
        return np.concatenate([np.empty(0, TRADE), *self.days(key, start, stop)])

    def days(self, key: SeriesKey, start: int | None = None, stop: int | None = None) -> Iterator[NDArray[np.void]]:
        """The trades of `read`, one day's after the other's, for what is larger than memory.

        Raises
        ------
        LakeError
            If the series is absent or a file is damaged.
        """
        first = "" if start is None else _day(start)
        last = "~" if stop is None else _day(stop)
        for name in self._files(key):
            if first <= _day_of(name) <= last:
                trades = self._load(name)
                low = 0 if start is None else np.searchsorted(trades["time"], start)
                high = len(trades) if stop is None else np.searchsorted(trades["time"], stop)
                yield trades[low:high]

    def scan(self, key: SeriesKey, *, verify: bool = True) -> pl.LazyFrame:
        """The series as a lazy table in order; errors, and ``verify``, as `market.lake.Lake.scan`."""
        files = self._files(key)
        contents = [verified(self._content(name), self.store.place(name)) if verify else None for name in files]
        return pl.concat([self.store.scan(name, content) for name, content in zip(files, contents, strict=True)])

    def list(self) -> list[TradeInfo]:
        """Every series of trades, sorted by key."""
        keys = [SeriesKey.from_folder(PurePosixPath(one)) for one in self.store.folders() if self._day_files(one)]
        return sorted((self._info(key) for key in keys), key=lambda info: info.key)

    def holds(self, key: SeriesKey) -> bool:
        """Whether there is such a series."""
        return bool(self._day_files(str(key.folder)))

    def gaps(self, key: SeriesKey) -> Sequence[IdGap]:
        """Where ids are missing between the first and the last stored trade; errors as `days`."""
        found: list[IdGap] = []
        edge = np.empty(0, TRADE)
        for trades in self.days(key):
            row = np.concatenate([edge, trades])
            for place in np.flatnonzero(np.diff(row["id"]) > 1):
                ids, times = row["id"][place : place + 2].tolist(), row["time"][place : place + 2].tolist()
                found.append(IdGap(*ids, *times))
            edge = row[-1:]
        return found

    def fingerprint(self, key: SeriesKey, start: int | None = None, stop: int | None = None) -> str:
        """SHA-256 of the trades `read` gives: the same however, and in whatever order, they were imported."""
        digest = hashlib.sha256(b"trades 1\0")
        for trades in self.days(key, start, stop):
            digest.update(trades.tobytes())
        return digest.hexdigest()

    def _plan(self, days: dict[str, NDArray[np.void]], item: TradeDelivery, replace: bool) -> TradeReport:
        """What a delivery changes; ``days`` are the files read so far and what they will become."""
        dates = item.trades["time"].astype("datetime64[ns]").astype("datetime64[D]")
        totals = np.zeros(3, np.int64)
        touched, written = [], []
        for date in np.unique(dates):
            name = _file(item.key, str(date))
            if name not in days:
                content = self.store.read(name)
                days[name] = np.empty(0, TRADE) if content is None else decode(content, self.store.place(name))
            merged = merge(days[name], item.trades[dates == date], str(item), replace)
            days[name] = merged.trades
            totals += (merged.added, merged.changed, merged.unchanged)
            touched.append(name)
            if merged.added or merged.changed:
                written.append(str(date))
        self._check_neighbours(item, days, touched)
        added, changed, unchanged = totals.tolist()
        return TradeReport(item.key, added, changed, unchanged, tuple(written))

    def _check_neighbours(self, item: TradeDelivery, days: dict[str, NDArray[np.void]], touched: Sequence[str]) -> None:
        """Ids grow from day to day: otherwise one trade would be stored on two."""
        folder = str(item.key.folder)
        names = sorted({*self._day_files(folder), *(name for name in days if name.startswith(f"{folder}/"))})
        for earlier, later in pairwise(names):
            if earlier in touched or later in touched:
                before, after = (days[name] if name in days else self._load(name) for name in (earlier, later))
                if before["id"][-1] >= after["id"][0]:
                    raise LakeError(
                        f"{item}: trade {before['id'][-1]} of {_day_of(earlier)} would come before trade"
                        f" {after['id'][0]} of {_day_of(later)}; nothing was stored"
                    )

    def _record(self, item: TradeDelivery, report: TradeReport, replace: bool) -> None:
        if item.source is not None and len(item.trades):
            first, last = (format_time(int(item.trades["time"][row])) for row in (0, -1))
            entry = ImportRecord(str(item.key.folder), item.source, len(item.trades), first, last, report.days, replace)
            record(self.store, entry)

    def _info(self, key: SeriesKey) -> TradeInfo:
        files = self._files(key)
        table = self.scan(key, verify=isinstance(self.root, Path))
        time, number = pl.col("time"), pl.col("id")
        ends = (time.first().alias("start"), time.last().alias("end"), number.first().alias("low"), number.last())
        rows, start, end, first, last = table.select(pl.len(), *ends).collect().row(0)
        size = sum(self.store.size(name) for name in files)
        return TradeInfo(key, rows, start, end, first, last, tuple(_day_of(name) for name in files), size)

    def _day_files(self, folder: str) -> Sequence[str]:
        return [name for name in self.store.names(folder) if PurePosixPath(name).match(f"{PREFIX}*.parquet")]

    def _files(self, key: SeriesKey) -> Sequence[str]:
        files = self._day_files(str(key.folder))
        if not files:
            known = ", ".join(str(info.key) for info in self.list()) or "no trades"
            raise LakeError(f"lake {self.root} has no series {key}; it holds {known}")
        return files

    def _load(self, name: str) -> NDArray[np.void]:
        return decode(self._content(name), self.store.place(name))

    def _content(self, name: str) -> bytes:
        content = self.store.read(name)
        if content is None:
            raise LakeError(f"{self.store.place(name)}: is gone")
        return content


def _day(time: int) -> str:
    return str(np.datetime64(int(time), "ns").astype("datetime64[D]"))


def _file(key: SeriesKey, day: str) -> str:
    return f"{key.folder}/{PREFIX}{day}.parquet"


def _day_of(name: str) -> str:
    return PurePosixPath(name).name.removeprefix(PREFIX).removesuffix(".parquet")
