"""One symbol while it is recorded: its file, whether its book can be followed, and what has been counted."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import msgspec

from market.recorder.files import Recording

MILLISECOND: Final = 1_000_000


class Update(msgspec.Struct, rename={"first": "U", "last": "u", "before": "pu", "event": "e", "time": "E"}):
    """What is read of a message: kind, time and ids; everything else is written as it came."""

    event: str = ""
    time: int = 0
    first: int | None = None
    last: int | None = None
    before: int | None = None


class Combined(msgspec.Struct):
    """A message of a combined stream."""

    stream: str
    data: Update


class Answer(msgspec.Struct):
    """What is read of a REST snapshot."""

    lastUpdateId: int  # noqa: N815


DECODER: Final = msgspec.json.Decoder(Combined)
ANSWER: Final = msgspec.json.Decoder(Answer)


@dataclass(slots=True)
class Track:
    """The state of one symbol.

    ``wanted`` says that a snapshot must be fetched: after a (re)connection, after a hole in the changes, and now and
    then to look at levels further away.
    """

    symbol: str
    futures: bool
    recording: Recording
    messages: int = 0
    snapshots: int = 0
    gaps: int = 0
    lag: int | None = None
    first: int = 0
    last: int | None = None
    snapshot_at: int = -(2**62)
    wanted: bool = False

    def gap(self, received: int, reason: str) -> None:
        """Write that messages may be missing, and want a snapshot."""
        self.gaps += 1
        self.recording.write(received, msgspec.json.encode({"gap": reason}))
        self.last = None

    def message(self, received: int, raw: bytes, data: Update) -> None:
        """Write a message; a change that does not follow the one before is a gap."""
        self.messages += 1
        if data.time:
            self.lag = received - data.time * MILLISECOND
        if data.event == "depthUpdate" and data.last is not None:
            follows = data.before == self.last if self.futures else data.first == (self.last or 0) + 1
            if self.last is not None and not follows:
                self.gap(received, f"a change after update {self.last} begins at {data.first}")
            if self.last is None:
                self.wanted, self.first = True, data.first or 0
            self.last = data.last
        self.recording.write(received, raw)

    def snapshot(self, received: int, body: bytes) -> None:
        """Write the answer of the REST snapshot; one from before the changes that are recorded is wanted again."""
        self.snapshots += 1
        self.snapshot_at = received
        update = ANSWER.decode(body).lastUpdateId
        self.wanted = update < self.first if self.futures else update + 1 < self.first
        self.recording.write(received, body)

    def due(self, now: int, every: int, pause: int) -> bool:
        """Whether a snapshot should be fetched now, if none is under way; there is a pause between any two."""
        if now - self.snapshot_at < pause or self.last is None:
            return False
        return self.wanted or now - self.snapshot_at >= every
