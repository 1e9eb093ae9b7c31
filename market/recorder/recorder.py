"""The recorder: one connection for all symbols, reconnected with growing patience, until it is told to stop.

Each symbol's file begins, and goes on after every interruption, with a ``gap`` line, because messages may be missing
there; the first change behind it has a snapshot of the book fetched. Whoever reads the file knows the same as whoever
was connected.
"""

from __future__ import annotations

import asyncio
import time
import urllib.request
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import msgspec
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import InvalidHandshake, InvalidURI, WebSocketException

from market.errors import RecorderError
from market.recorder.files import Recording, only_recorder, salvage
from market.recorder.track import ANSWER, DECODER, Track
from market.recorder.venues import Venue, check_symbols
from market.time import HOUR, MINUTE, SECOND

FIRST_WAIT: Final = 0.25
LONGEST_WAIT: Final = 60.0
STEADY: Final = 60 * SECOND
"""A connection that lasted so long makes the recorder as patient as at the beginning."""
LARGEST_MESSAGE: Final = 2**24
Notice = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class RecorderConfig:
    """How to record. Times in nanoseconds, but ``timeout`` of connecting and of REST answers in seconds.

    A new file every ``rotate``; what is written is flushed every ``flush``; a snapshot of the book is fetched every
    ``snapshot_every``, and when it is needed, but never within ``snapshot_pause`` of another; ``silence`` without any
    message means that the connection is dead.
    """

    rotate: int = HOUR
    flush: int = SECOND
    snapshot_every: int = 10 * MINUTE
    snapshot_pause: int = SECOND
    silence: int = 30 * SECOND
    timeout: float = 10.0


@dataclass(slots=True)
class Tally:
    """What a recorder did."""

    started: int
    connections: int = 0
    failures: int = 0
    tracks: dict[str, Track] = field(default_factory=dict)

    @property
    def messages(self) -> int:
        """Messages of all symbols."""
        return sum(track.messages for track in self.tracks.values())

    @property
    def gaps(self) -> int:
        """Places where messages may be missing, the beginnings not counted."""
        return sum(max(0, track.gaps - 1) for track in self.tracks.values())

    @property
    def snapshots(self) -> int:
        """Snapshots of all symbols."""
        return sum(track.snapshots for track in self.tracks.values())

    def status(self, now: int, before: int, since: int) -> str:
        """One line: the rate since ``since``, when there had been ``before`` messages; lag; gaps."""
        rate = (self.messages - before) * SECOND / max(1, now - since)
        lags = [track.lag for track in self.tracks.values() if track.lag is not None]
        lag = f"{max(lags) / 1e6:,.0f} ms" if lags else "unknown"
        return (
            f"{self.messages:,} messages, {rate:,.0f}/s, lag {lag}, {self.gaps} gaps, {self.snapshots} snapshots,"
            f" {self.connections} connections, {self.failures} failures"
        )


class Recorder:
    """Records some symbols of a venue into a folder.

    Parameters
    ----------
    venue, symbols
        What to record; symbols as the venue writes them, such as ``BTCUSDT``.
    folder
        Where the files go.
    config
        How.
    notice
        Told of every failure and of the status, a line each.
    clock
        The time in nanoseconds UTC.

    Raises
    ------
    RecorderError
        If there is no symbol, one is twice, or one is not written as a venue writes them.
    """

    def __init__(
        self,
        venue: Venue,
        symbols: Sequence[str],
        folder: Path,
        config: RecorderConfig | None = None,
        notice: Notice = lambda text: None,
        clock: Callable[[], int] = time.time_ns,
    ) -> None:
        check_symbols(symbols)
        if not symbols or len({symbol.lower() for symbol in symbols}) < len(symbols):
            raise RecorderError(f"record at least one symbol, each once, not {', '.join(symbols) or 'none'}")
        self.venue, self.folder, self.notice, self.clock = venue, folder, notice, clock
        self.config = config or RecorderConfig()
        self.tally = Tally(clock())
        for symbol in symbols:
            recording = Recording(folder, f"{venue.name}-{symbol}", self.config.rotate)
            self.tally.tracks[symbol.lower()] = Track(symbol, venue.futures, recording)
        self._symbols = list(symbols)
        self._fetching: dict[str, asyncio.Task[None]] = {}
        self._stop = asyncio.Event()

    def stop(self) -> None:
        """Finish all files and return from `run`."""
        self._stop.set()

    async def run(self) -> Tally:
        """Record until `stop`; files a killed recorder left in the folder are finished first.

        Raises
        ------
        RecorderError
            If another recorder holds the folder, or the venue's address is none.
        """
        with only_recorder(self.folder):
            for path in salvage(self.folder):
                self.notice(f"finished {path.name}, which a killed recorder had left")
            beside = asyncio.create_task(self._beside())
            try:
                await self._connections()
            finally:
                for task in (beside, *self._fetching.values()):
                    task.cancel()
                await asyncio.gather(beside, *self._fetching.values(), return_exceptions=True)
                for track in self.tally.tracks.values():
                    track.recording.close()
        return self.tally

    async def _connections(self) -> None:
        wait, reason = FIRST_WAIT, "recording begins"
        while not self._stop.is_set():
            begin = self.clock()
            try:
                async with connect(
                    self.venue.subscription(self._symbols),
                    max_size=LARGEST_MESSAGE,
                    open_timeout=self.config.timeout,
                    close_timeout=1.0,
                ) as socket:
                    self.tally.connections += 1
                    for track in self.tally.tracks.values():
                        track.gap(self.clock(), reason)
                    await self._listen(socket)
                reason = "the connection was closed"
            except InvalidURI as error:
                raise RecorderError(f"{self.venue.stream_url} is not the address of a stream: {error}") from None
            except (OSError, TimeoutError, InvalidHandshake, WebSocketException) as error:
                reason = f"the connection was lost: {type(error).__name__} {error}"
            if self._stop.is_set():
                return
            self.tally.failures += 1
            wait = FIRST_WAIT if self.clock() - begin >= STEADY else wait
            self.notice(f"{reason}; trying again in {wait:g} s")
            await self._pause(wait)
            wait = min(2.0 * wait, LONGEST_WAIT)

    async def _listen(self, socket: ClientConnection) -> None:
        stopped = asyncio.create_task(self._stop.wait())
        try:
            while True:
                message = asyncio.create_task(socket.recv(decode=False))
                done, _ = await asyncio.wait(
                    {message, stopped}, timeout=self.config.silence / SECOND, return_when=asyncio.FIRST_COMPLETED
                )
                if message not in done:
                    message.cancel()
                    if stopped in done:
                        return
                    raise TimeoutError(f"no message for {self.config.silence / SECOND:g} s")
                self._take(bytes(message.result()))
        finally:
            stopped.cancel()

    def _take(self, raw: bytes) -> None:
        received = self.clock()
        try:
            found = DECODER.decode(raw)
        except msgspec.DecodeError:
            return  # an answer to a request or a notice of the venue
        track = self.tally.tracks.get(found.stream.partition("@")[0])
        if track is None:
            return
        track.message(received, raw, found.data)
        due = track.due(received, self.config.snapshot_every, self.config.snapshot_pause)
        if due and track.symbol not in self._fetching:
            self._fetching[track.symbol] = asyncio.create_task(self._fetch(track))

    async def _fetch(self, track: Track) -> None:
        track.wanted = False
        track.snapshot_at = self.clock()
        address = self.venue.snapshot(track.symbol)
        try:
            body = await asyncio.to_thread(get, address, self.config.timeout)
            track.snapshot(self.clock(), body)
        except (OSError, RecorderError) as error:
            track.wanted = True
            self.tally.failures += 1
            self.notice(f"no snapshot of {track.symbol} from {address}: {error}")
        finally:
            del self._fetching[track.symbol]

    async def _beside(self) -> None:
        """Flush the files, and tell the status every ten flushes."""
        before, since, turns = 0, self.clock(), 0
        while True:
            await asyncio.sleep(self.config.flush / SECOND)
            for track in self.tally.tracks.values():
                track.recording.flush()
            turns += 1
            if turns % 10 == 0:
                now = self.clock()
                self.notice(self.tally.status(now, before, since))
                before, since = self.tally.messages, now

    async def _pause(self, seconds: float) -> None:
        try:
            await asyncio.wait_for(self._stop.wait(), seconds)
        except TimeoutError:
            return


def get(address: str, timeout: float) -> bytes:
    """The body of an answer to GET.

    Raises
    ------
    RecorderError
        If the answer is no snapshot of a book.
    OSError
        If there is no answer.
    """
    with urllib.request.urlopen(address, timeout=timeout) as answer:
        body: bytes = answer.read(LARGEST_MESSAGE)
    try:
        ANSWER.decode(body)
    except msgspec.DecodeError as error:
        raise RecorderError(f"the answer is no snapshot of a book ({error}): {body[:80]!r}") from None
    return body
