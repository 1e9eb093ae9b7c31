"""Bars of any kind from the lake's trades, into the lake: begun once, and gone on with where they stopped.

Beside the bars lies what is needed to go on: which trades were taken, and the builder's state, in the middle of a bar.
It is written after the bars, so that what an interruption leaves is built again and found known.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Final

import msgspec
import numpy as np
import polars as pl
from numpy.typing import NDArray

from market.bar_builders.builder import BarBuilder
from market.bar_builders.names import spec_name
from market.bar_builders.spec import BarSpec
from market.bars import empty_bars
from market.errors import LakeError, TradeError
from market.imports import Progress
from market.lake import Lake, SeriesKey
from market.time import DAY, format_time
from market.trades.lake import TradeLake
from market.trades.quality import GapRule
from market.trades.schema import empty_trades

RECORD: Final = "builder.json"
CHECKPOINT: Final = 31
"""Days of trades after which bars and state are stored."""


class BuilderRecord(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How far a series of bars has come.

    Attributes
    ----------
    source
        The folder of the trades' series.
    rows, last_id, last_time
        How many trades were taken, and the last one's id and time (ns UTC).
    day_digest
        SHA-256 of the trades of the last one's day, up to it.
    bars, snapshot
        How many bars have ended, and the builder's state.
    """

    source: str
    rows: int
    last_id: int
    last_time: int
    day_digest: str
    bars: int
    snapshot: bytes


@dataclass(frozen=True, slots=True)
class LakeBars:
    """What a call did.

    Attributes
    ----------
    key
        The series of bars.
    trades
        Trades taken in this call.
    added, known
        Bars that the lake did not have, and had.
    in_progress
        Trades of the bar that nothing has ended yet, which is not stored.
    skipped
        Ids left out since the first trade: above zero, bars lack trades.
    """

    key: SeriesKey
    trades: int
    added: int
    known: int
    in_progress: int
    skipped: int


def bars_key(source: SeriesKey, spec: BarSpec) -> SeriesKey:
    """The series of bars that are built from a series of trades.

    Examples
    --------
    >>> from market.trades.lake import trade_key
    >>> str(bars_key(trade_key("binance", "BTCUSDT"), BarSpec("dollar", threshold=1e6)).folder)
    'venue=binance/instrument=BTCUSDT/kind=bars/interval=dollar-1000000'
    """
    return SeriesKey(source.venue, source.instrument, "bars", spec_name(spec))


def build_from_lake(
    lake: Lake,
    source: SeriesKey,
    spec: BarSpec,
    *,
    gaps: GapRule = "refuse",
    progress: Progress | None = None,
) -> LakeBars:
    """Build the bars of all trades that the lake has and that were not taken yet.

    However the trades are divided into calls, the files are the same bytes. Of time bars the first is left out: the
    trades may begin inside it. Changes of trades of days before the last one taken are found only if trades came or
    went; deleting the series' folder builds it anew.

    Parameters
    ----------
    lake
        Where the trades lie and the bars go.
    source
        A series of trades (`market.trades.lake.trade_key`).
    spec
        Which bars.
    gaps
        Whether ids that are missing between trades refuse the work, or bars are built over the hole.

    Raises
    ------
    LakeError
        If there are no such trades; if those taken before are no longer the same; if bars contradict stored ones.
    TradeError
        If ids are missing, or the bars need sides that trades lack. What was stored before stays as it was.
    """
    say = progress or _silent
    work = _Work(lake, source, spec)
    trades = TradeLake(lake.root)
    first, last = _ends(trades, source)
    begin = first if work.record is None else work.resume(trades, work.record)
    for number, day in enumerate(trades.days(source, begin), 1):
        say(f"{work.key}", min(1.0, max(0, begin + number * DAY - first) / max(1, last - first)))
        work.take(day, gaps)
        if number % CHECKPOINT == 0:
            work.store()
    work.store()
    say("done", 1.0)
    return work.report()


class _Work:
    """A builder, the series that its bars go to, and what was not stored yet."""

    def __init__(self, lake: Lake, source: SeriesKey, spec: BarSpec) -> None:
        self.lake, self.source = lake, source
        self.key, self.builder = bars_key(source, spec), BarBuilder(spec)
        self.record = self._read_record()
        self.rows = self.taken = self.added = self.known = 0
        self.last_time = -1
        self._bars = [empty_bars(0)]
        self._hash = hashlib.sha256()

    def resume(self, trades: TradeLake, record: BuilderRecord) -> int:
        """Take up the stored state; gives the beginning of the day of the last trade taken."""
        if record.source != str(self.source.folder):
            raise LakeError(f"{self.key}: was built from {record.source}, not {self.source.folder}; {self._anew()}")
        table = trades.scan(self.source, verify=False).filter(pl.col("id") <= record.last_id)
        rows = table.select(pl.len()).collect().item()
        begin = record.last_time // DAY * DAY
        day = next(iter(trades.days(self.source, begin, record.last_time + 1)), empty_trades(0))
        day = day[day["id"] <= record.last_id]
        if rows != record.rows or hashlib.sha256(day.tobytes()).hexdigest() != record.day_digest:
            raise LakeError(
                f"{self.key}: its bars took {record.rows} trades up to id {record.last_id}; the lake now has {rows} of"
                f" them, or others; {self._anew()}"
            )
        self.builder.restore(record.snapshot)
        self.rows, self.last_time = record.rows, record.last_time
        return begin

    def take(self, day: NDArray[np.void], gaps: GapRule) -> None:
        """Take in those trades of a day, or of its beginning, that were not taken yet."""
        last, before = self.builder.last_id, self.builder.count
        fresh = day if last is None else day[day["id"] > last]
        if gaps == "refuse":
            self._refuse_holes(fresh, last)
        bars = self.builder.update(fresh)
        self._bars.append(bars[1:] if self.builder.spec.kind == "time" and before == 0 else bars)
        self.rows += len(fresh)
        self.taken += len(fresh)
        if len(day):
            self.last_time = int(day["time"][-1])
            self._hash = hashlib.sha256(day.tobytes())

    def store(self) -> None:
        """Bars first, then how far they have come."""
        bars = np.concatenate(self._bars)
        if len(bars):
            report = self.lake.write(self.key, self._with_same_start(bars))
            self.added += report.added
            self.known += len(bars) - report.added
        record = BuilderRecord(
            str(self.source.folder), self.rows, self.builder.last_id or 0, self.last_time, self._hash.hexdigest(),
            self.builder.count, self.builder.snapshot(),
        )  # fmt: skip
        if record != self.record:
            with self.lake.store.lock():
                self.lake.store.publish({self._name(): msgspec.json.encode(record)})
        self.record, self._bars = record, [empty_bars(0)]

    def report(self) -> LakeBars:
        """What was done."""
        rows = int(self.builder.state["rows"][0])
        return LakeBars(self.key, self.taken, self.added, self.known, rows, self.builder.skipped_ids)

    def _refuse_holes(self, fresh: NDArray[np.void], last: int | None) -> None:
        ids = fresh["id"] if last is None else np.concatenate([[last], fresh["id"]])
        hole = np.diff(ids) > 1
        if hole.any():
            row = int(np.argmax(hole))
            when = format_time(int(fresh["time"][row + len(fresh) - len(ids) + 1]))
            raise TradeError(
                f"{self.source}: the lake lacks the ids between {ids[row]} and {ids[row + 1]} ({when}); import them, or"
                " have bars built over the hole"
            )

    def _with_same_start(self, bars: NDArray[np.void]) -> NDArray[np.void]:
        """Bars with those stored before them that start at the same time, which a delivery must have too."""
        first = self.builder.count - len(bars)
        if not self.key.off_grid or first == 0:
            return bars
        stored = self.lake.scan(self.key, verify=False).select(pl.len()).collect().item()
        tail = self.lake.read(self.key, int(bars["start"][0]))
        if stored < first:
            raise LakeError(f"{self.key}: has {stored} bars of the {first} that were built; {self._anew()}")
        return np.concatenate([tail[: max(0, first - (stored - len(tail)))], bars])

    def _read_record(self) -> BuilderRecord | None:
        content = self.lake.store.read(self._name())
        if content is None:
            return None
        try:
            return msgspec.json.decode(content, type=BuilderRecord)
        except msgspec.DecodeError as error:
            raise LakeError(f"{self.lake.store.place(self._name())}: is damaged ({error}); {self._anew()}") from error

    def _name(self) -> str:
        return f"{self.key.folder}/{RECORD}"

    def _anew(self) -> str:
        return f"delete {self.lake.store.place(str(self.key.folder))} to build it anew"


def _ends(trades: TradeLake, source: SeriesKey) -> tuple[int, int]:
    """The day on which a series of trades begins, and its last trade's time."""
    time = pl.col("time")
    table = trades.scan(source, verify=False).select(time.first().alias("first"), time.last().alias("last"))
    first, last = table.collect().row(0)
    return first // DAY * DAY, last


def _silent(what: str, done: float) -> None:
    """The progress of those who asked for none."""
