"""Heads of the ledger that results carry: witnesses of rows that must still be there."""

from __future__ import annotations

from pathlib import Path

import msgspec

from pipelines.ledger.chain import Head

RESULT_FILE = "result.json"


class _Count(msgspec.Struct, frozen=True):
    ledger: str
    head: Head


class _Result(msgspec.Struct, frozen=True):
    trials: _Count


def heads(runs: Path, ledger: str) -> tuple[Head, ...]:
    """The heads in the results below a folder of runs that were counted in this ledger.

    Results of before there was a ledger carry none; a file that is no result witnesses nothing.

    Parameters
    ----------
    runs
        One folder a run.
    ledger
        The ledger's label.
    """
    found = []
    for path in sorted(runs.glob(f"*/{RESULT_FILE}")):
        try:
            count = msgspec.json.decode(path.read_bytes(), type=_Result).trials
        except (msgspec.MsgspecError, OSError):
            continue
        if count.ledger == ledger and count.head.sequence > 0:
            found.append(count.head)
    return tuple(found)
