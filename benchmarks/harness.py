"""Timing for the benchmarks: medians of interleaved repetitions, so that a noisy machine hits both sides alike.

Every figure of a `Result` is a median over repetitions of seconds per unit of work; a rate is one over it.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Result:
    """One comparison: seconds per unit of work for us and the peer, in the same run.

    ``work`` is how many units our whole run has, and ``bar`` the seconds that it may take, where a bar is set;
    ``least``: how many times faster than the peer we are to be, where that is.
    """

    name: str
    unit: str
    ours: float
    peer_name: str
    peer: float
    work: int = 1
    bar: float | None = None
    least: float | None = None

    @property
    def ratio(self) -> float:
        """How many times faster we are than the peer."""
        return self.peer / self.ours


def seconds(value: float) -> str:
    """A duration with a readable unit.

    Examples
    --------
    >>> seconds(3.31e-8), seconds(0.0123), seconds(62.0)
    ('33.1 ns', '12.3 ms', '62 s')
    """
    for unit, scale in (("s", 1.0), ("ms", 1e-3), ("µs", 1e-6)):
        if value >= scale:
            return f"{value / scale:.3g} {unit}"
    return f"{value / 1e-9:.3g} ns"


def per_second(value: float) -> str:
    """How often in a second something happens that takes ``value`` seconds.

    Examples
    --------
    >>> per_second(3.31e-8), per_second(0.0123), per_second(62.0)
    ('30.2 M/s', '81.3 /s', '0.0161 /s')
    """
    rate = 1.0 / value
    for unit, scale in (("G", 1e9), ("M", 1e6), ("k", 1e3)):
        if rate >= scale:
            return f"{rate / scale:.3g} {unit}/s"
    return f"{rate:.3g} /s"


HEADER = (
    f"{'what':44} {'unit':>13} {'ours':>11} {'peer':>11} {'ratio':>8} {'ours takes':>10} {'peer takes':>10}  peer\n"
    f"{'':44} {'':>13} {'units/s':>11} {'units/s':>11} {'':>8} {'per unit':>10} {'per unit':>10}"
)


def line(row: Result) -> str:
    """A result as one line under `HEADER`, and under it what the whole took, and the ratio, where a bar is set."""
    rates, times = ((show(row.ours), show(row.peer)) for show in (per_second, seconds))
    found = (
        f"{row.name:44} {row.unit:>13} {rates[0]:>11} {rates[1]:>11} {row.ratio:>7.2f}x {times[0]:>10} {times[1]:>10}"
        f"  {row.peer_name}"
    )
    if row.bar is not None:
        found += f"\n    {against_bar(row.ours * row.work, row.bar)}"
    return found if row.least is None else f"{found}\n    {against_least(row.ratio, row.least)}"


def against_bar(whole: float, bar: float) -> str:
    """The whole time beside the bar that was set for it.

    Examples
    --------
    >>> against_bar(0.004, 0.010), against_bar(0.015, 0.010)
    ('whole 4 ms, bar 10 ms: 0.40 of it, meets the bar', 'whole 15 ms, bar 10 ms: 1.50 of it, misses the bar')
    """
    return f"whole {seconds(whole)}, bar {seconds(bar)}: {whole / bar:.2f} of it, {met(whole <= bar)}"


def against_least(ratio: float, least: float) -> str:
    """The ratio beside the one that was set for it.

    Examples
    --------
    >>> against_least(7.91, 4.0), against_least(3.0, 4.0)
    ('ratio 7.9, bar 4: meets the bar', 'ratio 3.0, bar 4: misses the bar')
    """
    return f"ratio {ratio:.1f}, bar {least:g}: {met(ratio >= least)}"


def met(reached: bool) -> str:
    """Whether a bar was reached, in words.

    Examples
    --------
    >>> met(True), met(False)
    ('meets the bar', 'misses the bar')
    """
    return "meets the bar" if reached else "misses the bar"


def median_of(repetitions: int, once: Callable[[], float]) -> float:
    """The median of what some repetitions measured themselves."""
    return statistics.median(once() for _ in range(repetitions))


def compare(
    name: str,
    unit: str,
    ours: Callable[[], object],
    peer_name: str,
    peer: Callable[[], object],
    work: int,
    repetitions: int = 7,
    peer_work: int | None = None,
    bar: float | None = None,
    least: float | None = None,
) -> Result:
    """Time ours and the peer alternately, after one warm call each; medians per unit of work.

    ``bar``: the seconds that our whole run may take, where an aim is set. ``least``: the ratio to be reached.
    """
    times: tuple[list[float], list[float]] = ([], [])
    ours(), peer()
    for _ in range(repetitions):
        for side, call in enumerate((ours, peer)):
            begin = time.perf_counter()
            call()
            times[side].append(time.perf_counter() - begin)
    mine, theirs = (statistics.median(side) for side in times)
    return Result(name, unit, mine / work, peer_name, theirs / (peer_work or work), work, bar, least)


def compare_steps(
    name: str,
    unit: str,
    ours: Callable[[T], object],
    peer_name: str,
    peer: Callable[[T], object],
    inputs: Sequence[T],
    repetitions: int = 7,
    bar: float | None = None,
    least: float | None = None,
) -> Result:
    """Time every single step over some inputs, ours and the peer's runs alternately; p50 of a step.

    A loop's mean counts what else the machine does to the few slow steps; a latency that is promised at p50 is the
    median of the steps. The first run of each warms up and is not counted.
    """
    times: tuple[list[float], list[float]] = ([], [])
    for repetition in range(repetitions + 1):
        for side, call in enumerate((ours, peer)):
            taken = step_times(call, inputs)
            times[side].extend(taken if repetition else ())
    mine, theirs = (statistics.median(side) for side in times)
    return Result(name, unit, mine, peer_name, theirs, 1, bar, least)


def step_times(step: Callable[[T], object], inputs: Sequence[T]) -> list[float]:
    """Seconds of each step."""
    times = []
    for one in inputs:
        begin = time.perf_counter()
        step(one)
        times.append(time.perf_counter() - begin)
    return times
