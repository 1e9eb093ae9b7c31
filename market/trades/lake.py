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
from market.lake.keys import IRREGULAR, SeriesKey
from market.lake.provenance import ImportRecord, Source, record
from market.lake.storage import verified
from market.lake.stores import Store, open_store
from market.time import format_time
from market.trades.merge import decode, encode, merge
from market.trades.quality import check_trades
from market.trades.read import TradeKind
from market.trades.schema import TRADE

PREFIX: Final = "day="


@dataclass(frozen=True, slots=True)
class TradeReport:
    """What a write did: trades by what happened to them, and the days whose files were written."""

    key: SeriesKey
    added: int
    changed: int
    unchanged: int
    days: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class TradeInfo:
    """What the lake holds of one series; ``start`` and ``end`` are the first and last trade's times (ns UTC)."""

    key: SeriesKey
    rows: int
    start: int
    end: int
    first_id: int
    last_id: int
    days: tuple[str, ...]
    size: int


@dataclass(frozen=True, slots=True)
class IdGap:
    """Ids that the lake does not hold: those between two trades, of which ids and times (ns UTC) are given."""

    before_id: int
    after_id: int
    before: int
    after: int

    @property
    def missing(self) -> int:
        """How many ids."""
        return self.after_id - self.before_id - 1


def trade_key(venue: str, instrument: str, kind: TradeKind = "trades") -> SeriesKey:
    """The key of a series of trades.

    Examples
    --------
    >>> str(trade_key("binance", "BTCUSDT", "agg_trades").folder)
    'venue=binance/instrument=BTCUSDT/kind=agg_trades/interval=irregular'
    """
    return SeriesKey(venue, instrument, kind, IRREGULAR)


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
        """Add trades, shape (n,) of `market.trades.schema.TRADE`, to a series; all or nothing.

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
        what = str(key) if source is None else f"{source.name} for {key}"
        check_trades(trades, "report").raise_if_bad(what)
        if len(trades) and trades["id"][0] < 0:
            raise LakeError(f"{what}: trades without ids cannot be stored; number them (market.trades.schema.numbered)")
        with self.store.lock():
            report, files = self._plan(key, trades, what, replace)
            self.store.publish(files)
            if source is not None and len(trades):
                first, last = (format_time(int(trades["time"][row])) for row in (0, -1))
                entry = ImportRecord(str(key.folder), source, len(trades), first, last, report.days, replace)
                record(self.store, entry)
        return report

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

    def _plan(
        self, key: SeriesKey, trades: NDArray[np.void], what: str, replace: bool
    ) -> tuple[TradeReport, dict[str, bytes]]:
        days = trades["time"].astype("datetime64[ns]").astype("datetime64[D]")
        totals = np.zeros(3, np.int64)
        files: dict[str, bytes] = {}
        spans: dict[str, tuple[int, int]] = {}
        for day in np.unique(days):
            name = f"{key.folder}/{PREFIX}{day}.parquet"
            content = self.store.read(name)
            stored = np.empty(0, TRADE) if content is None else decode(content, self.store.place(name))
            merged = merge(stored, trades[days == day], what, replace)
            totals += (merged.added, merged.changed, merged.unchanged)
            spans[name] = int(merged.trades["id"][0]), int(merged.trades["id"][-1])
            if merged.added or merged.changed:
                files[name] = encode(merged.trades)
        self._check_neighbours(key, spans, what)
        added, changed, unchanged = totals.tolist()
        return TradeReport(key, added, changed, unchanged, tuple(_day_of(name) for name in files)), files

    def _check_neighbours(self, key: SeriesKey, spans: dict[str, tuple[int, int]], what: str) -> None:
        """Ids grow from day to day: otherwise one trade would be stored on two."""
        names = sorted({*self._day_files(str(key.folder)), *spans})
        for earlier, later in pairwise(names):
            if earlier in spans or later in spans:
                before, after = (spans.get(name) or self._span(name) for name in (earlier, later))
                if before[1] >= after[0]:
                    raise LakeError(
                        f"{what}: trade {before[1]} of {_day_of(earlier)} would come before trade {after[0]} of"
                        f" {_day_of(later)}; nothing was stored"
                    )

    def _span(self, name: str) -> tuple[int, int]:
        trades = self._load(name)
        return int(trades["id"][0]), int(trades["id"][-1])

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


def _day_of(name: str) -> str:
    return PurePosixPath(name).name.removeprefix(PREFIX).removesuffix(".parquet")
