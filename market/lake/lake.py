"""The lake's verbs: write, read, scan, list, fingerprint.

Layout: ``venue=…/instrument=…/kind=…/interval=…/month=YYYY-MM.parquet`` under the root, months by the bar's
start in UTC, columns named as in `market.bars.BAR`; fields that a month lacks are absent from its file.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path, PurePosixPath
from typing import Final

import numpy as np
import polars as pl
from numpy.typing import NDArray

from market.bars import BAR, FIELDS
from market.errors import LakeError
from market.lake import provenance
from market.lake.keys import SeriesInfo, SeriesKey
from market.lake.merge import canonical, check_order, fingerprint_bars, merge
from market.lake.provenance import ImportRecord, Source
from market.lake.storage import decode, encode, verified
from market.lake.stores import Store, open_store
from market.time import format_time

PREFIX: Final = "month="


@dataclass(frozen=True, slots=True, eq=False)
class Delivery:
    """Bars for one series, in order, and where they came from.

    On a grid they are strictly increasing in start. On none, none overlaps the one before it, and of bars that start
    at the same time all must be delivered, from the first: their order tells them apart.
    """

    key: SeriesKey
    bars: NDArray[np.void]
    source: Source | None = None


@dataclass(frozen=True, slots=True)
class WriteReport:
    """What a write did: bars by what happened to them, and the months whose files were written."""

    key: SeriesKey
    added: int
    changed: int
    unchanged: int
    months: tuple[str, ...]


@dataclass(slots=True)
class _Pending:
    """Months read so far and what they will become, while a write is being worked out."""

    months: dict[str, NDArray[np.void]] = field(default_factory=dict)
    dirty: set[str] = field(default_factory=set)


@dataclass(frozen=True, slots=True)
class Lake:
    """Parquet files in a folder, or in an object store (``s3://bucket/prefix``; see `market.lake.stores`).

    Examples
    --------
    >>> import tempfile
    >>> from market.bars import PRICE_FIELDS, empty_bars
    >>> from market.time import MINUTE
    >>> bars = empty_bars(2)
    >>> bars["start"] = [0, 30 * MINUTE]
    >>> bars["end"] = bars["start"] + 30 * MINUTE
    >>> for name in PRICE_FIELDS:
    ...     bars[name] = 100.0
    >>> folder = tempfile.TemporaryDirectory()
    >>> lake, key = Lake(folder.name), SeriesKey("venue", "BTC", interval="30m")
    >>> lake.write(key, bars).added, lake.write(key, bars).added
    (2, 0)
    >>> len(lake.read(key, start=30 * MINUTE))
    1
    >>> folder.cleanup()
    """

    root: Path | str
    store: Store

    def __init__(self, root: Path | str) -> None:
        object.__setattr__(self, "root", str(root) if "://" in str(root) else Path(root))
        object.__setattr__(self, "store", open_store(self.root))

    def write(
        self, key: SeriesKey, bars: NDArray[np.void], *, source: Source | None = None, replace: bool = False
    ) -> WriteReport:
        """Add bars to a series; see `write_all`."""
        return self.write_all([Delivery(key, bars, source)], replace=replace)[0]

    def write_all(self, deliveries: Sequence[Delivery], *, replace: bool = False) -> list[WriteReport]:
        """Add bars to several series: all is checked before anything is written.

        Bars already stored with the same values are left alone (a file whose rows do not change is not
        touched), new ones are added, values missing on one side are filled from the other.

        Raises
        ------
        LakeError
            If bars are not in order, or contradict stored ones and ``replace`` is false, or, on no grid, overlap them.
        """
        clean = [Delivery(item.key, canonical(item.bars), item.source) for item in deliveries]
        for item in clean:
            check_order(item.bars, _what(item), item.key.off_grid)
        with self.store.lock():
            pending = _Pending()
            reports = [self._plan(pending, item, replace) for item in clean]
            self.store.publish({name: encode(pending.months[name]) for name in sorted(pending.dirty)})
            for item, report in zip(clean, reports, strict=True):
                self._record(item, report, replace)
        return reports

    def read(self, key: SeriesKey, start: int | None = None, stop: int | None = None) -> NDArray[np.void]:
        """The bars with start <= bar start < stop (ns UTC; None is open-ended), as a `BAR` array.

        Raises
        ------
        LakeError
            If the series is absent or a file is damaged.
        """
        first = "" if start is None else _month(start)
        last = "~" if stop is None else _month(stop)
        chosen = [name for name in self._files(key) if first <= _month_of(name) <= last]
        bars = np.concatenate([np.empty(0, BAR), *(decode(*self._content(name)) for name in chosen)])
        low = 0 if start is None else np.searchsorted(bars["start"], start)
        high = len(bars) if stop is None else np.searchsorted(bars["start"], stop)
        return bars[low:high].copy()

    def scan(self, key: SeriesKey, *, verify: bool = True) -> pl.LazyFrame:
        """The series as a lazy table with the columns that any of its months has, in time order.

        Parameters
        ----------
        verify
            Read every file now and check its seal. Without, a query reads only the columns and months it needs, which
            is what makes a large lake in an object store quick, and what is damaged is not found.

        Raises
        ------
        LakeError
            If the series is absent, or, verifying, a file is damaged.
        """
        files = self._files(key)
        contents = [verified(*self._content(name)) if verify else None for name in files]
        tables = [self.store.scan(name, content) for name, content in zip(files, contents, strict=True)]
        return pl.concat(tables, how="diagonal")

    def list(self) -> list[SeriesInfo]:
        """Every series, sorted by key."""
        keys = [SeriesKey.from_folder(PurePosixPath(one)) for one in self.store.folders() if self._months(one)]
        return sorted((self._info(key) for key in keys), key=lambda info: info.key)

    def holds(self, key: SeriesKey) -> bool:
        """Whether there is such a series."""
        return bool(self._months(str(key.folder)))

    def fingerprint(self, key: SeriesKey, start: int | None = None, stop: int | None = None) -> str:
        """SHA-256 of the bars `read` gives: the same however, and in whatever order, they were imported."""
        return fingerprint_bars(self.read(key, start, stop))

    def provenance(self) -> Sequence[ImportRecord]:
        """Every import that was recorded, oldest first."""
        return provenance.records(self.store)

    def _months(self, folder: str) -> Sequence[str]:
        names = self.store.names(folder)
        return [name for name in names if PurePosixPath(name).match(f"{PREFIX}*.parquet")]

    def _files(self, key: SeriesKey) -> Sequence[str]:
        files = self._months(str(key.folder))
        if not files:
            known = ", ".join(str(info.key) for info in self.list()) or "nothing"
            raise LakeError(f"lake {self.root} has no series {key}; it holds {known}")
        return files

    def _content(self, name: str) -> tuple[bytes, str]:
        place, content = self.store.place(name), self.store.read(name)
        if content is None:
            raise LakeError(f"{place}: is gone")
        return content, place

    def _info(self, key: SeriesKey) -> SeriesInfo:
        files = self._files(key)
        table = self.scan(key, verify=isinstance(self.root, Path))
        rows, start, end = table.select(pl.len(), pl.col("start").min(), pl.col("end").max()).collect().row(0)
        present = set(table.collect_schema().names())
        fields = tuple(name for name in FIELDS if name in present)
        size = sum(self.store.size(name) for name in files)
        return SeriesInfo(key, rows, start, end, tuple(_month_of(name) for name in files), fields, size)

    def _plan(self, pending: _Pending, item: Delivery, replace: bool) -> WriteReport:
        months = item.bars["start"].astype("datetime64[ns]").astype("datetime64[M]")
        added = changed = unchanged = 0
        written = []
        for month in np.unique(months):
            name = f"{item.key.folder}/{PREFIX}{month}.parquet"
            merged = merge(
                self._month_bars(pending, name), item.bars[months == month], _what(item), replace, item.key.off_grid
            )
            pending.months[name] = merged.bars
            added, changed, unchanged = added + merged.added, changed + merged.changed, unchanged + merged.unchanged
            if merged.added or merged.changed:
                pending.dirty.add(name)
                written.append(str(month))
        if item.key.off_grid:
            self._check_neighbours(pending, item, written)
        return WriteReport(item.key, added, changed, unchanged, tuple(written))

    def _month_bars(self, pending: _Pending, name: str) -> NDArray[np.void]:
        if name in pending.months:
            return pending.months[name]
        content = self.store.read(name)
        return np.empty(0, BAR) if content is None else decode(content, self.store.place(name))

    def _check_neighbours(self, pending: _Pending, item: Delivery, written: Sequence[str]) -> None:
        """No bar on no grid may end behind the first one of the next month."""
        folder = str(item.key.folder)
        names = sorted({*self._months(folder), *(name for name in pending.months if name.startswith(f"{folder}/"))})
        for earlier, later in pairwise(names):
            if _month_of(earlier) in written or _month_of(later) in written:
                edge = np.concatenate([self._month_bars(pending, earlier)[-1:], self._month_bars(pending, later)[:1]])
                check_order(edge, f"{_what(item)}, from {_month_of(earlier)} to {_month_of(later)}", off_grid=True)

    def _record(self, item: Delivery, report: WriteReport, replace: bool) -> None:
        if item.source is None or not len(item.bars):
            return
        first, last = (format_time(int(item.bars["start"][row])) for row in (0, -1))
        series, rows = str(item.key.folder), len(item.bars)
        entry = ImportRecord(series, item.source, rows, first, last, report.months, replace)
        provenance.record(self.store, entry)


def _what(item: Delivery) -> str:
    return str(item.key) if item.source is None else f"{item.source.name} for {item.key}"


def _month(time: int) -> str:
    return str(np.datetime64(time, "ns").astype("datetime64[M]"))


def _month_of(name: str) -> str:
    return PurePosixPath(name).name.removeprefix(PREFIX).removesuffix(".parquet")
