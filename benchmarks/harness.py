"""Timing for the benchmarks: medians of interleaved repetitions, so that a noisy machine hits both sides alike."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Result:
    """One comparison: seconds per unit of work for us and the peer, in the same run."""

    name: str
    unit: str
    ours: float
    peer_name: str
    peer: float

    @property
    def ratio(self) -> float:
        """How many times faster we are than the peer."""
        return self.peer / self.ours


def compare(
    name: str,
    unit: str,
    ours: Callable[[], object],
    peer_name: str,
    peer: Callable[[], object],
    work: int,
    repetitions: int = 7,
    peer_work: int | None = None,
) -> Result:
    """Time ours and the peer alternately, after one warm call each; medians per unit of work."""
    times: tuple[list[float], list[float]] = ([], [])
    ours(), peer()
    for _ in range(repetitions):
        for side, call in enumerate((ours, peer)):
            begin = time.perf_counter()
            call()
            times[side].append(time.perf_counter() - begin)
    mine, theirs = (statistics.median(side) for side in times)
    return Result(name, unit, mine / work, peer_name, theirs / (peer_work or work))
