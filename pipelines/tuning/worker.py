"""What a worker of a cluster does. The scheduler imports this module too, so it imports little."""

from __future__ import annotations

import threading
from functools import lru_cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pipelines.tuning.handout import Handout
    from pipelines.tuning.trials import Bench

TICKET = "ticket"
"""What a trial's process is kept with: which of the tasks that were given out the trial is."""
ALONE = threading.Lock()
"""One trial at a time in a process, however many threads a worker has."""


@lru_cache(maxsize=1)
def handout_of(packed: bytes) -> Handout:
    """A study as it was packed (MessagePack)."""
    import msgspec

    from pipelines.tuning.handout import Handout

    return msgspec.msgpack.decode(packed, type=Handout)


@lru_cache(maxsize=1)
def bench_of(packed: bytes) -> Bench:
    """What this process needs to try a study's trials, kept from one trial to the next."""
    return handout_of(packed).bench()


def look(packed: bytes) -> tuple[bytes, str]:
    """What a worker is, packed (`pipelines.tuning.handout.Sight`); or nothing, and why it cannot take part."""
    import msgspec
    from sqlalchemy.exc import SQLAlchemyError

    from pipelines.expected import expected_errors
    from pipelines.tuning.handout import see

    told: tuple[type[BaseException], ...] = (*expected_errors(), SQLAlchemyError, OSError)
    with ALONE:
        try:
            return msgspec.msgpack.encode(see(handout_of(packed))), ""
        except told as error:
            cause = str(getattr(error, "orig", None) or error).strip() or type(error).__name__
            return b"", cause.splitlines()[0]


def try_one(packed: bytes, ticket: str, beside: int) -> tuple[int, bytes] | None:
    """Try one trial of a study; returns its number and, if it finished, its losses by time cell (a ``.npy`` file).

    Parameters
    ----------
    ticket
        This task's name. A task is given out a second time where a worker died with it and another took its address:
        what it began is for `pipelines.tuning.storage.recover`, so nothing is done, and None returned.
    beside
        Workers on this machine, which share its processors.
    """
    from pipelines.tuning.processes import threads_each
    from pipelines.tuning.storage import PROCESS
    from pipelines.tuning.trials import losses_of, run_trials

    with ALONE:
        bench = bench_of(packed)

        def mine() -> list[int]:
            trials = bench.study.get_trials(deepcopy=False)
            return [one.number for one in trials if one.user_attrs.get(PROCESS, {}).get(TICKET) == ticket]

        if mine():
            return None
        left = iter([True])
        run_trials(
            bench, lambda: next(left, False), threads_each(beside), lambda *_: None, lambda: None, {TICKET: ticket}
        )
        (number,) = mine()
        path = losses_of(bench.folder, str(number))
        return number, path.read_bytes() if path.is_file() else b""
