"""The workers of a cluster as a study sees them: looked at first, then given one trial each at a time."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

import msgspec

from pipelines.expected import expected_errors
from pipelines.tuning.errors import TuningError
from pipelines.tuning.handout import Handout, Sight, differences, see
from pipelines.tuning.worker import look, try_one

Process = tuple[str, int, float]
"""A machine's name, a process' number there, and when it began."""


def key(process: Mapping[str, Any]) -> Process:
    """What `pipelines.tuning.storage.this_process` says, to compare.

    Examples
    --------
    >>> key({"host": "alpha", "pid": 7, "began": 1.5, "ticket": "a1"})
    ('alpha', 7, 1.5)
    """
    return process["host"], process["pid"], process["began"]


@dataclass(slots=True)
class Hand:
    """One worker: its folder, which no other process has, what it is doing, and what it was seen to be."""

    folder: str
    task: Any = None
    sight: Sight | None = None


class Crew:
    """The workers that a scheduler knows.

    Parameters
    ----------
    client
        A ``distributed.Client``.
    handout
        What they are given.

    Attributes
    ----------
    hands
        Those that are there, by address.
    refused
        Why a worker is given nothing, by address.
    lost
        The processes of workers that went away.
    """

    def __init__(self, client: Any, handout: Handout) -> None:
        self._client = client
        self._packed = msgspec.msgpack.encode(handout)
        self._mine = see(handout)
        self.hands: dict[str, Hand] = {}
        self.refused: dict[str, str] = {}
        self.lost: set[Process] = set()

    def muster(self) -> None:
        """See who has come, to be looked at, and who has gone; a process that took a dead one's address is another."""
        workers = self._client.scheduler_info(n_workers=-1)["workers"]
        there = {address: str(one["local_directory"]) for address, one in workers.items()}
        for address in [one for one, hand in self.hands.items() if there.get(one) != hand.folder]:
            gone = self.hands.pop(address)
            if gone.task is not None:
                gone.task.cancel()
            if gone.sight is not None:
                self.lost.add(key(gone.sight.process))
        self.refused = {address: why for address, why in self.refused.items() if address in there}
        for address in there.keys() - self.hands.keys() - self.refused.keys():
            self.hands[address] = Hand(there[address], self._submit(address, look, self._packed))

    def _submit(self, address: str, function: Any, *arguments: Any) -> Any:
        ticket = f"{function.__name__}-{uuid4().hex}"
        return self._client.submit(
            function, *arguments, key=ticket, workers=[address], allow_other_workers=False, pure=False, retries=0
        )

    @property
    def looking(self) -> bool:
        """Whether some worker has not yet been seen."""
        return any(one.sight is None for one in self.hands.values())

    @property
    def trying(self) -> frozenset[Process]:
        """The processes that are trying something."""
        busy = (one for one in self.hands.values() if one.task is not None)
        return frozenset(key(one.sight.process) for one in busy if one.sight is not None)

    def hear(self) -> Iterator[tuple[int, bytes]]:
        """What workers have done since: the trials' numbers with their losses.

        Raises
        ------
        TuningError
            If a worker cannot go on, with its address. A defect is raised as it was there.
        """
        for address, hand in list(self.hands.items()):
            if hand.task is None or not hand.task.done():
                continue
            task, hand.task = hand.task, None
            if task.status == "error":
                self._raise(address, task)
            if task.status != "finished":
                # The scheduler lost it with its worker; who has gone is seen by `muster`.
                continue
            if hand.sight is None:
                self._judge(address, hand, *task.result())
            elif (found := task.result()) is not None:
                yield found

    def _raise(self, address: str, task: Any) -> None:
        told: tuple[type[BaseException], ...] = expected_errors()
        try:
            task.result()
        except told as error:
            raise TuningError(f"worker {address}: {error}") from error
        except BaseException as error:
            error.add_note(f"on worker {address}")
            raise

    def _judge(self, address: str, hand: Hand, packed: bytes, trouble: str) -> None:
        reasons = [trouble]
        if packed:
            hand.sight = msgspec.msgpack.decode(packed, type=Sight)
            reasons = differences(self._mine, hand.sight)
        if reasons:
            del self.hands[address]
            self.refused[address] = "; ".join(reasons)

    def give(self, count: int) -> None:
        """Let as many idle workers try something; there may be fewer of them."""
        idle = [one for one, hand in self.hands.items() if hand.task is None and hand.sight is not None]
        for address in idle[: max(0, count)]:
            ticket = uuid4().hex
            hand = self.hands[address]
            hand.task = self._submit(address, try_one, self._packed, ticket, self._beside(hand))

    def _beside(self, hand: Hand) -> int:
        hosts = [one.sight.process["host"] for one in self.hands.values() if one.sight is not None]
        return hosts.count(hand.sight.process["host"]) if hand.sight is not None else 1

    def release(self) -> None:
        """Take back what has not begun; a worker ends what it is trying."""
        for hand in self.hands.values():
            if hand.task is not None:
                hand.task.cancel()

    def notes(self) -> tuple[str, ...]:
        """What a user should know: who was not used, and where last bits can differ."""
        refused = [f"worker {address} was given nothing: {why}" for address, why in sorted(self.refused.items())]
        seen = [(address, hand.sight) for address, hand in sorted(self.hands.items()) if hand.sight is not None]
        strange = [
            f"worker {address} is of another machine class than this machine: its losses can differ in their last bits"
            for address, sight in seen
            if sight.machine != self._mine.machine
        ]
        return (*refused, *strange)
