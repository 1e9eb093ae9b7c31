"""Pieces of a pipeline that can be audited by themselves: features, labels, weights, orders.

A piece says what it computes as columns; for each row it says when the row is decided. A user's own piece is one
function in one of these wrappers::

    from pipelines.audit.pieces import Features

    def momentum(world):
        return {"momentum": [np.log(bars["close"] / np.roll(bars["close"], 8)) for bars in world.bars]}

    PIECES = [Features(momentum)]

``bot4 audit CONF --pieces FILE`` audits the ``PIECES`` of a file over the bars of a configuration. (This one leaks: the
first eight rows of `np.roll` come from the end.)
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from models.dataset import Samples
from models.labels import flat_samples
from models.labels.panel import LabelTable
from pipelines.audit.column import Column, Ints, Rows, distinct, sample_times
from pipelines.audit.errors import AuditError
from pipelines.audit.findings import Finding
from pipelines.audit.perturb import Bars, Random
from pipelines.audit.world import World, by_instrument

LabelFunction = Callable[[Bars, int], LabelTable]
"""Labels of one series' bars on a grid of an interval (ns)."""
FAR = np.iinfo(np.int64).max

FILL = np.dtype([("instrument", "<i8"), ("signal", "<i8"), ("bar", "<i8"), ("price", "<f8"), ("quantity", "<f8")])
"""A fill: the instrument's number, the end of the signal's bar and the start of the bar it is filled on (ns UTC)."""


class Piece(Protocol):
    """What the auditor asks of a piece."""

    @property
    def stage(self) -> str:
        """Under which heading its findings stand."""
        ...

    def columns(self, world: World) -> Sequence[Column]:
        """What it computes: compared between worlds with other futures and other orders."""
        ...

    def checks(self, world: World, random: Random) -> Sequence[Finding]:
        """What can be seen in one world: rules, and changes of what it must not read."""
        ...


def bar_rows(world: World) -> Rows:
    """A row for every bar of every instrument, decided at the bar's end."""
    place = np.concatenate([np.full(len(bars), number, np.int64) for number, _, bars in by_instrument(world)])
    end = np.concatenate([bars["end"] for bars in world.bars])
    return Rows(world.symbols, place, np.concatenate([distinct(bars["end"]) for bars in world.bars]), end)


@dataclass(frozen=True, slots=True)
class Features:
    """Values at every bar, which may depend on nothing after the bar's end.

    ``function`` gives, by name, an array for each instrument, one value a bar. ``stage`` is ``features`` for a feature,
    ``universe`` for membership, or any other name.
    """

    function: Callable[[World], Mapping[str, Sequence[NDArray[Any]]]]
    stage: str = "features"

    def columns(self, world: World) -> Sequence[Column]:
        """One a name."""
        rows = bar_rows(world)
        found = []
        for name, values in self.function(world).items():
            if [len(one) for one in values] != [len(one) for one in world.bars]:
                raise AuditError(
                    f"{self.stage}: {name} must have one array for each instrument, one value for each bar"
                )
            found.append(Column(self.stage, name, rows, np.concatenate(values)))
        return found

    def checks(self, world: World, random: Random) -> Sequence[Finding]:
        """None."""
        return ()


def vertical_ends(bars: Bars, row: Ints, span: int) -> Ints:
    """The end of the bar ``span`` rows later (ns UTC), shape of ``row``; the end of time behind the last."""
    later = row + span
    inside = later < len(bars)
    out = np.full(len(row), FAR)
    out[inside] = bars["end"][later[inside]]
    return out


def reach(series: Sequence[Bars], moment: Ints, span: int) -> Ints:
    """When every label that begins by a moment is settled (ns UTC), shape of ``moment``.

    ``span``: rows from a decision to its label's vertical barrier.
    """
    out = moment.copy()
    for bars in series:
        row = np.searchsorted(bars["start"], moment, side="right") - 1
        out = np.maximum(out, vertical_ends(bars, row, span))
    return out


def label_columns(symbols: tuple[str, ...], series: Sequence[Bars], samples: Samples, span: int) -> list[Column]:
    """Start, end, class and move of labels, each decided at its end and settled ``span`` rows after its decision."""
    settled = samples.t1.copy()
    for number, bars in enumerate(series):
        mine = samples.instrument == number
        settled[mine] = np.maximum(settled[mine], vertical_ends(bars, samples.row[mine], span))
    time = sample_times(series, samples.instrument, samples.row)
    rows = Rows(symbols, samples.instrument, time, samples.t1, settled)
    return [Column("labels", name, rows, getattr(samples, name)) for name in ("start", "t1", "label", "move")]


@dataclass(frozen=True, slots=True)
class Labels:
    """Labels, which may depend on nothing after their own end ``t1``.

    ``span``: rows from a decision to the last bar without which the label does not exist.
    """

    function: LabelFunction
    span: int = 0
    stage: str = "labels"

    def samples(self, world: World) -> Samples:
        """The labels of all instruments as one table."""
        return flat_samples(world.bars, [self.function(bars, world.interval) for bars in world.bars])

    def columns(self, world: World) -> Sequence[Column]:
        """Start, end, class and move."""
        return label_columns(world.symbols, world.bars, self.samples(world), self.span)

    def checks(self, world: World, random: Random) -> Sequence[Finding]:
        """A label that ends before it begins, or begins before its decision's bar has ended."""
        samples = self.samples(world)
        over = samples.t1 <= samples.t0 if world.interval else samples.t1 < samples.t0  # no clock, no least length
        early = np.flatnonzero(over | (samples.start < samples.t0))
        return [breach("labels", "interval", world, samples, early, "begins before its decision, or never ends")]


def breach(stage: str, column: str, world: World, samples: Samples, bad: Ints, detail: str) -> Finding:
    """A rule over samples as a finding; ``bad`` are the positions that break it."""
    if not len(bad):
        return Finding(stage, column, len(samples), moved=len(samples))
    first = int(bad[np.argmin(samples.t0[bad])])
    return Finding(
        stage,
        column,
        len(samples),
        changed=len(bad),
        first=int(samples.t0[first]),
        place=world.symbols[samples.instrument[first]],
        perturbation="rule",
        detail=detail,
    )


@dataclass(frozen=True, slots=True)
class Weights:
    """Weights of labels, which may depend on nothing after their label's end.

    ``function`` takes ``start`` and ``t1`` of all labels together (ns) and gives a weight for each. ``span``: rows to a
    label's vertical barrier; where it is given, a weight is decided when the last label that begins before its own ends
    is, because whether that label exists at all is not known earlier.
    """

    labels: Labels
    function: Callable[[Ints, Ints], NDArray[np.float64]]
    span: int | None = None
    stage: str = "weights"

    def columns(self, world: World) -> Sequence[Column]:
        """The weight."""
        samples = self.labels.samples(world)
        settled = reach(world.bars, samples.t1, self.labels.span)
        known = samples.t1 if self.span is None else reach(world.bars, samples.t1, self.span)
        time = sample_times(world.bars, samples.instrument, samples.row)
        rows = Rows(world.symbols, samples.instrument, time, known, np.maximum(known, settled))
        return [Column(self.stage, "weight", rows, self.function(samples.start, samples.t1))]

    def checks(self, world: World, random: Random) -> Sequence[Finding]:
        """None."""
        return ()


@dataclass(frozen=True, slots=True)
class Orders:
    """Fills, each on a bar that begins no earlier than its signal's bar ends.

    ``function`` gives an array of `FILL`. A fill is decided when its bar is over.
    """

    function: Callable[[World], NDArray[np.void]]
    stage: str = "orders"

    def columns(self, world: World) -> Sequence[Column]:
        """Price and quantity."""
        fills = self.function(world)
        known = bar_ends(world, fills)
        rows = Rows(world.symbols, fills["instrument"], fills["bar"], known)
        return [Column(self.stage, name, rows, np.ascontiguousarray(fills[name])) for name in ("price", "quantity")]

    def checks(self, world: World, random: Random) -> Sequence[Finding]:
        """A fill on the bar of its own signal."""
        fills = self.function(world)
        return [filled_too_early(self.stage, world.symbols, fills)]


def bar_ends(world: World, fills: NDArray[np.void]) -> NDArray[np.int64]:
    """When the bar of each fill is over, by its start; of several that start together, when the last one is."""
    found = np.empty(len(fills), np.int64)
    for number, bars in enumerate(world.bars):
        mine = fills["instrument"] == number
        place = np.searchsorted(bars["start"], fills["bar"][mine], side="right") - 1
        found[mine] = bars["end"][place] if len(bars) else fills["bar"][mine]
    return found


def filled_too_early(stage: str, symbols: tuple[str, ...], fills: NDArray[np.void]) -> Finding:
    """The rule that a fill's bar begins when its signal's bar has ended, or later."""
    early = np.flatnonzero(fills["bar"] < fills["signal"])
    if not len(early):
        return Finding(stage, "bar", len(fills), moved=len(fills))
    first = int(early[np.argmin(fills["bar"][early])])
    return Finding(
        stage,
        "bar",
        len(fills),
        changed=len(early),
        first=int(fills["bar"][first]),
        place=symbols[fills["instrument"][first]],
        perturbation="rule",
        size=float((fills["signal"][early] - fills["bar"][early]).max()) / 1e9,
        detail="filled on a bar that began before its signal",
    )
