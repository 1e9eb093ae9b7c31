"""Replay: the core fed with a journal's inputs must decide what the journal says, and end in the same bytes."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from market.events import EVENT, Kind, as_words
from market.jit import kernel
from trading.core import rows_needed, step
from trading.errors import ReplayError
from trading.header import SessionHeader
from trading.journal import JournalContent, read_journal
from trading.layout import CoreState

Records = NDArray[np.void]
DECISIONS = 32
"""Kinds from here on are what the core decided."""
DIGEST = 35
DONE, AT_DIGEST, DIFFERENT = 0, 1, 2


@dataclass(frozen=True, slots=True, eq=False)
class Replayed:
    """A replayed journal: its content, the state at its end, how many inputs and decisions, and digests confirmed."""

    header: SessionHeader
    content: JournalContent
    state: CoreState
    inputs: int
    decisions: int
    digests: int


@kernel
def _replay(
    core: Records,
    books: Records,
    orders: Records,
    journal: Records,
    words: NDArray[np.uint64],
    log: Records,
    made: NDArray[np.uint64],
    place: NDArray[np.int64],
) -> int:
    """Go on from record ``place[0]``; ``place[1]`` counts inputs. Stops behind the input of a digest."""
    row = place[0]
    last = words.shape[1] - 1
    while row < journal.shape[0]:
        if journal[row]["kind"] >= DECISIONS and journal[row]["kind"] != DIGEST:
            place[0] = row
            return DIFFERENT
        log[0] = journal[row]
        stop = step(core, books, orders, log, 0)
        place[1] += 1
        for number in range(stop):
            if row + number >= journal.shape[0]:
                place[0] = row + number
                return DONE
            for column in range(last):
                if made[number, column] != words[row + number, column]:
                    place[0] = row + number
                    return DIFFERENT
        row += stop
        place[0] = row
        if row < journal.shape[0] and journal[row]["kind"] == DIGEST:
            return AT_DIGEST
    return DONE


def replay(folder: Path) -> Replayed:
    """Replay a journal.

    Raises
    ------
    JournalError
        If the journal is damaged.
    ReplayError
        If the core decides something else than the journal says, or ends in another state.
    """
    content = read_journal(folder)
    header = SessionHeader.read(content.header)
    state = header.core()
    log = np.zeros(rows_needed(len(header.instruments)) + 1, EVENT)
    place = np.zeros(2, np.int64)
    digests = 0
    words, made = as_words(np.ascontiguousarray(content.events)), as_words(log)
    while True:
        found = _replay(state.core, state.books, state.orders, content.events, words, log, made, place)
        row = int(place[0])
        if found == DIFFERENT:
            kind = Kind(int(content.events[row]["kind"])).name
            raise ReplayError(
                f"record {row} of {folder} ({kind}) is not what the core does with the records before it: the journal "
                "was written by another version or configuration"
            )
        if found == DONE:
            break
        if int(content.events[row]["p0"]) != state.digest():
            raise ReplayError(f"record {row} of {folder}: the state is not the one whose digest was written")
        digests += 1
    decisions = int((content.events["kind"] >= DECISIONS).sum() - (content.events["kind"] == DIGEST).sum())
    return Replayed(header, content, state, int(place[1]), decisions, digests)
