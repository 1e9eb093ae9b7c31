"""The hash chain over the ledger's rows: each row's hash covers its content and the hash of the row before it.

A changed, removed, inserted or reordered row breaks the chain at a place that `verify_rows` names. What the chain
alone cannot show is that its *end* was cut off (or its last row written again): for that, every count that is handed
out carries the chain's `Head`, and `verify_rows` is given the heads that are known from reports.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Sequence

import msgspec

from pipelines.ledger.errors import LedgerError


class Head(msgspec.Struct, frozen=True):
    """A place in the chain: a row's number, from 1, and its hash. Before the first row both are nothing."""

    sequence: int = 0
    hash: str = ""

    @property
    def text(self) -> str:
        """As people copy it; `parse_head` reads it back."""
        return f"{self.sequence}:{self.hash}"


class Row(msgspec.Struct, frozen=True):
    """One row as it is stored; ``content`` is the JSON of a trial or an outcome."""

    sequence: int
    trial: str
    event: str
    created: int
    content: str
    previous: str
    hash: str

    @property
    def head(self) -> Head:
        """Its place."""
        return Head(self.sequence, self.hash)


class Verification(msgspec.Struct, frozen=True):
    """What a check of the whole chain found; ``broken`` is the number of the first bad row."""

    rows: int
    head: Head
    broken: int | None = None
    reason: str = ""

    @property
    def intact(self) -> bool:
        """Whether every row is what was appended, and nothing known is missing."""
        return not self.reason


def parse_head(text: str) -> Head:
    """A head from its text.

    Raises
    ------
    LedgerError
        If the text is not a number, a colon and 64 hexadecimal digits.

    Examples
    --------
    >>> parse_head("7:" + "ab" * 32).sequence
    7
    """
    match = re.fullmatch(r"([1-9]\d*):([0-9a-f]{64})", text)
    if match is None:
        raise LedgerError(f"head {text!r} is not a row's number and hash, such as 7:0f3a…, as `verify` prints it")
    return Head(int(match[1]), match[2])


def row_hash(sequence: int, trial: str, event: str, created: int, content: str, previous: str) -> str:
    """SHA-256 of a row's fields and of the hash before it, in hexadecimal."""
    return hashlib.sha256(msgspec.json.encode([sequence, trial, event, created, content, previous])).hexdigest()


def next_row(head: Head, trial: str, event: str, created: int, content: str) -> Row:
    """The row that continues a chain.

    Examples
    --------
    >>> first = next_row(Head(), "a", "begun", 0, "{}")
    >>> second = next_row(first.head, "b", "begun", 1, "{}")
    >>> verify_rows([first, second]).intact
    True
    """
    fields = (head.sequence + 1, trial, event, created, content, head.hash)
    return Row(*fields, row_hash(*fields))


def verify_rows(rows: Sequence[Row], known: Iterable[Head] = ()) -> Verification:
    """Check the whole chain, and that it still holds every head that was handed out before.

    Parameters
    ----------
    rows
        All rows by number.
    known
        Heads from reports, results and notebooks.
    """
    head = Head()
    for row in rows:
        problem = _problem(row, head)
        if problem:
            return Verification(len(rows), head, row.sequence, problem)
        head = row.head
    for one in sorted(known, key=lambda one: one.sequence):
        missing = one.sequence > len(rows)
        if missing or (one.sequence > 0 and rows[one.sequence - 1].hash != one.hash):
            what = "is gone" if missing else "was another"
            reason = f"row {one.sequence} {what} when it was counted (its hash was {one.hash[:12]}…)"
            return Verification(len(rows), head, min(one.sequence, len(rows) + 1), reason)
    return Verification(len(rows), head)


def _problem(row: Row, head: Head) -> str:
    if row.sequence != head.sequence + 1:
        return f"row {row.sequence} follows row {head.sequence}: what was between them is gone"
    if row.previous != head.hash:
        return f"row {row.sequence} does not continue row {head.sequence}: one of them was written again"
    if row.hash != row_hash(row.sequence, row.trial, row.event, row.created, row.content, row.previous):
        return f"row {row.sequence} (trial {row.trial}, {row.event}) is not what its hash says: it was changed"
    return ""
