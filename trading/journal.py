"""The journal: an append-only, checksummed, crash-safe record of every event and decision.

State is a pure function of the journal, so the journal is written before anything it says is acted upon::

    with Journal.create(folder, {"name": "btc", "config": text, "instruments": [...]}) as journal:
        sealed = journal.append(events)
        journal.sync()  # from here on the records survive a power cut
        send(orders)

Under ``"durable"`` every append hands its records to the operating system (they survive a kill of the process),
`Journal.sync` to the disk. Records nobody syncs are synced in groups: by the append that finds `GROUP` of them, or
the oldest of them `GROUP_NS` old. Under ``"buffered"`` nothing is forced to the disk; that is for backtests.

After a failed write or sync nothing is known about what is on disk, and a second sync may report a success that
never happened: the journal refuses everything from then on. Stop, repair the disk, `Journal.open` again.

`trading.journal_files` says how the files look and which damage is a torn tail.
"""

from __future__ import annotations

import os
import shutil
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Literal

import numpy as np
from numpy.typing import NDArray

from market.events import EVENT, as_words, seal
from trading.errors import JournalError
from trading.journal_files import (
    GROUP,
    HEADER,
    NAMES,
    RECORDS,
    Names,
    Records,
    encode_header,
    encode_name,
    lock,
    make_folder,
    read_header,
    read_names,
    scan_records,
    sync_folder,
    write_all,
    write_synced,
)

GROUP_NS: Final = 5_000_000

Policy = Literal["durable", "buffered"]


@dataclass(frozen=True, slots=True)
class JournalContent:
    """A verified journal: its header, its records, its texts by number, and the bytes of a torn tail left out."""

    header: dict[str, Any]
    events: NDArray[np.void]
    names: tuple[str, ...]
    torn_bytes: int


def read_journal(folder: Path) -> JournalContent:
    """Verify and read a journal; writes nothing, takes no lock, may be called while somebody writes.

    Raises
    ------
    JournalError
        If it is damaged other than by a torn tail.
    """
    header = read_header(folder)
    chunks: list[NDArray[np.void]] = []
    records = scan_records(folder / RECORDS, chunks)
    names = read_names(folder / NAMES)
    events = np.concatenate(chunks) if chunks else np.zeros(0, EVENT)
    return JournalContent(header, events, names.texts, records.torn_bytes + names.torn_bytes)


class Journal:
    """The one writer of a journal's folder; made by `create` or `open`. Not for use from several threads.

    Attributes
    ----------
    folder, header
        Where it is, and what its creator said about the run.
    recovered_bytes
        How many bytes of a torn tail `open` cut off.
    """

    def __init__(
        self,
        folder: Path,
        header: dict[str, Any],
        policy: Policy,
        clock: Callable[[], int],
        handles: tuple[int, int, int],
        records: Records,
        names: Names,
    ) -> None:
        self.folder = folder
        self.header = header
        self.recovered_bytes = records.torn_bytes + names.torn_bytes
        self._durable = policy == "durable"
        self._clock = clock
        self._handles = handles
        self._records, self._names, _ = handles
        self._count = records.count
        self._last = records.last_checksum
        self._texts = list(names.texts)
        self._numbers = {text: number for number, text in enumerate(names.texts)}
        self._check = names.check
        self._names_unsynced = False
        self._unsynced = 0
        self._oldest = 0
        self._failure: str | None = None

    @classmethod
    def create(
        cls,
        folder: Path,
        header: Mapping[str, Any],
        policy: Policy = "durable",
        clock: Callable[[], int] = time.monotonic_ns,
    ) -> Journal:
        """Start a journal in a folder that does not exist or is empty; the folder appears complete or not at all.

        Parameters
        ----------
        folder
            Where.
        header
            The run's name, the text of its configuration, its instruments: plain JSON values.
        policy
            ``"durable"``, or ``"buffered"`` where a power cut may cost the journal.
        clock
            Nanoseconds that never go back.

        Raises
        ------
        JournalError
            If the folder holds something, the header is not JSON, or the disk refuses.
        """
        _check_policy(policy)
        content = encode_header(header)
        folder = folder.absolute()
        scratch = folder.parent / f".{folder.name}.{uuid.uuid4().hex}"
        handles: list[int] = []
        try:
            if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
                raise JournalError(f"{folder} is not an empty folder: a journal needs a new one, or `Journal.open`")
            make_folder(folder.parent)
            scratch.mkdir()
            holder = lock(scratch)
            handles.append(holder)
            write_synced(scratch / RECORDS, b"")
            write_synced(scratch / NAMES, b"")
            write_synced(scratch / HEADER, content)
            sync_folder(scratch)
            handles[:0] = [os.open(scratch / name, os.O_RDWR) for name in (RECORDS, NAMES)]
            scratch.rename(folder)
            sync_folder(folder.parent)
            records, names = Records(0, 0, 0), Names(("",), 0, 0, 0)
            return cls(folder, read_header(folder), policy, clock, (handles[0], handles[1], holder), records, names)
        except (OSError, JournalError) as error:
            _close_all(handles)
            shutil.rmtree(scratch, ignore_errors=True)
            if isinstance(error, JournalError):
                raise
            raise JournalError(f"no journal can be created at {folder}: {error}") from error

    @classmethod
    def open(cls, folder: Path, policy: Policy = "durable", clock: Callable[[], int] = time.monotonic_ns) -> Journal:
        """Go on with a journal after a stop: verify all of it, cut a torn tail, append from there.

        Parameters
        ----------
        folder, policy, clock
            As for `create`.

        Raises
        ------
        JournalError
            If it has a writer, or is damaged other than by a torn tail (then nothing is changed).
        """
        _check_policy(policy)
        folder = folder.absolute()
        header = read_header(folder)
        handles: list[int] = []
        try:
            holder = lock(folder)
            handles.append(holder)
            records = scan_records(folder / RECORDS)
            names = read_names(folder / NAMES)
            for name in (NAMES, RECORDS):
                handles.insert(0, os.open(folder / name, os.O_RDWR))
            _settle(handles[1], names.good_bytes, policy)
            _settle(handles[0], records.count * EVENT.itemsize, policy)
            return cls(folder, header, policy, clock, (handles[0], handles[1], holder), records, names)
        except (OSError, JournalError) as error:
            _close_all(handles)
            if isinstance(error, JournalError):
                raise
            raise JournalError(f"the journal {folder} cannot be opened: {error}") from error

    @property
    def count(self) -> int:
        """How many records there are; the next one's seq."""
        return self._count

    @property
    def last_checksum(self) -> int:
        """The checksum of the last record; zero before the first."""
        return self._last

    def append(self, events: NDArray[np.void]) -> NDArray[np.void]:
        """Number, seal and write events.

        Parameters
        ----------
        events
            EVENT records; their seq and checksum are not read, and the array is not changed.

        Returns
        -------
        The records as written.

        Raises
        ------
        JournalError
            If these are not EVENT records, or the journal is closed, or this or an earlier write failed.
        """
        if events.dtype != EVENT or events.ndim != 1:
            raise JournalError(f"only a row of EVENT records can be appended, not {events.dtype} of {events.ndim} axes")
        self._check_usable()
        sealed = np.array(events, EVENT, order="C")
        if not len(sealed):
            return sealed
        sealed["seq"] = np.arange(self._count, self._count + len(sealed))
        last = int(seal(as_words(sealed), 0, len(sealed), np.uint64(self._last)))
        with self._poisons():
            self._sync_names()
            if self._durable:
                self._write_groups(sealed.view(np.uint8).data)
            else:
                write_all(self._records, sealed.view(np.uint8).data)
            self._count += len(sealed)
            self._last = last
        return sealed

    def sync(self) -> None:
        """Return when every record and text so far survives a power cut (``"durable"``) or a kill (``"buffered"``).

        Raises
        ------
        JournalError
            If the journal is closed, or this or an earlier write failed.
        """
        self._check_usable()
        with self._poisons():
            self._sync_names()
            self._sync_records()

    def intern(self, text: str) -> int:
        """The number of a text, for a payload field. The empty text is 0; others count from 1 as they come.

        Raises
        ------
        JournalError
            If the journal is closed, or this or an earlier write failed.
        """
        self._check_usable()
        known = self._numbers.get(text)
        if known is not None:
            return known
        number = len(self._texts)
        line, check = encode_name(number, text, self._check)
        with self._poisons():
            write_all(self._names, line)
            self._names_unsynced = self._durable
            self._check = check
            self._texts.append(text)
            self._numbers[text] = number
        return number

    def name(self, number: int) -> str:
        """The text of a number.

        Raises
        ------
        JournalError
            If no text has it.
        """
        if not 0 <= number < len(self._texts):
            raise JournalError(f"the journal {self.folder} has no text {number}; it has {len(self._texts)}")
        return self._texts[number]

    def close(self) -> None:
        """Sync, unless a write failed, and let the next writer in. A second call does nothing.

        Raises
        ------
        JournalError
            If the sync fails; the journal is closed all the same.
        """
        handles, self._handles = self._handles, (-1, -1, -1)
        if handles[0] < 0:
            return
        try:
            if self._failure is None:
                self.sync()
        finally:
            self._failure = self._failure or "it is closed"
            _close_all(handles)

    def __enter__(self) -> Journal:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _check_usable(self) -> None:
        if self._failure is not None:
            raise JournalError(f"the journal {self.folder} takes nothing more: {self._failure}")

    @contextmanager
    def _poisons(self) -> Iterator[None]:
        """Refuse everything from now on unless the block ends: after a failed write, or an interrupt half way."""
        self._failure = "a write was interrupted"
        try:
            yield
        except OSError as error:
            self._failure = f"a write or sync failed: {error}"
            raise JournalError(f"the journal {self.folder} takes nothing more: {self._failure}") from error
        self._failure = None

    def _write_groups(self, content: memoryview) -> None:
        """Write records, never leaving more than a group of them, or one older than `GROUP_NS`, unsynced."""
        while content:
            if not self._unsynced:
                self._oldest = self._clock()
            part = content[: (GROUP - self._unsynced) * EVENT.itemsize]
            write_all(self._records, part)
            self._unsynced += len(part) // EVENT.itemsize
            if self._unsynced >= GROUP or self._clock() - self._oldest >= GROUP_NS:
                self._sync_records()
            content = content[len(part) :]

    def _sync_names(self) -> None:
        if self._names_unsynced:
            os.fdatasync(self._names)
            self._names_unsynced = False

    def _sync_records(self) -> None:
        if self._unsynced:
            os.fdatasync(self._records)
            self._unsynced = 0


def _settle(handle: int, end: int, policy: Policy) -> None:
    """Cut a file at ``end``, make it durable and stand there.

    A sync that failed may have left pages that are marked clean and were never written: the end of the file, all
    that can have been unsynced, is written again so that this sync covers it.
    """
    if os.fstat(handle).st_size != end:
        os.ftruncate(handle, end)
    start = max(end - GROUP * EVENT.itemsize, 0)
    if policy == "durable":
        last = os.pread(handle, end - start, start)
        os.lseek(handle, start, os.SEEK_SET)
        write_all(handle, last)
        os.fsync(handle)
    os.lseek(handle, end, os.SEEK_SET)


def _check_policy(policy: str) -> None:
    if policy not in ("durable", "buffered"):
        raise JournalError(f"a journal is 'durable' or 'buffered', not {policy!r}")


def _close_all(handles: list[int] | tuple[int, ...]) -> None:
    for handle in handles:
        os.close(handle)
