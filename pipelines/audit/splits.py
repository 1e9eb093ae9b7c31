"""Splits: what may be trained on for which test, checked over every pair, in whatever order the samples come."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from models.dataset import Samples
from models.splitters.check import Splitter
from pipelines.audit.column import Column, Ints
from pipelines.audit.findings import Finding
from pipelines.audit.perturb import Random
from pipelines.audit.pieces import Labels, breach
from pipelines.audit.world import World

SplitterFactory = Callable[[Ints, Ints], Splitter]
"""Makes a splitter of the samples' label intervals, ``t0`` and ``t1`` (ns)."""


def overlapping(t0: Ints, t1: Ints, train: Ints, test: Ints) -> Ints:
    """Those training positions whose closed label interval overlaps any test sample's.

    Notes
    -----
    A test interval that begins by a training label's end overlaps it unless it ended before that label began; of those
    that begin by then the one that ends last decides, so sorting once is enough.

    Examples
    --------
    >>> t0 = np.array([0, 1, 2, 9]); overlapping(t0, t0 + 2, np.array([0, 1, 3]), np.array([2])).tolist()
    [0, 1]
    """
    order = test[np.argsort(t0[test], kind="stable")]
    latest = np.maximum.accumulate(t1[order])
    begun = np.searchsorted(t0[order], t1[train], side="right")
    hit = begun > 0
    hit[hit] = latest[begun[hit] - 1] >= t0[train[hit]]
    return train[hit]


def embargoed(t0: Ints, t1: Ints, train: Ints, test: Ints, embargo: int) -> Ints:
    """Those training positions that begin within ``embargo`` (ns) after a test label's end.

    Examples
    --------
    >>> t0 = np.array([0, 5, 8, 20]); embargoed(t0, t0 + 2, np.array([1, 2, 3]), np.array([0]), 4).tolist()
    [1]
    """
    if embargo <= 0:
        return train[:0]
    ends = np.sort(t1[test])
    before = np.searchsorted(ends, t0[train], side="right")
    near = before > 0
    near[near] = t0[train[near]] - ends[before[near] - 1] <= embargo
    return train[near]


def split_findings(
    world: World, samples: Samples, splits: Sequence[tuple[Ints, Ints]], embargo: int, forward: bool
) -> list[Finding]:
    """The rules of purged splits: nothing tested is trained on, no overlap, the embargo, and no future if forward."""
    rules: dict[str, list[Ints]] = {"disjoint": [], "purge": [], "embargo": [], "forward": []}
    for train, test in splits:
        rules["disjoint"].append(np.intersect1d(train, test))
        rest = np.setdiff1d(train, test)
        rules["purge"].append(overlapping(samples.t0, samples.t1, rest, test))
        rules["embargo"].append(embargoed(samples.t0, samples.t1, rest, test, embargo))
        late = rest[samples.t0[rest] >= samples.t0[test].min()] if forward else rest[:0]
        rules["forward"].append(late)
    details = {
        "disjoint": "tested and trained on",
        "purge": "its label overlaps a test label",
        "embargo": "begins within the embargo of a test label",
        "forward": "trained on after the test began",
    }
    wanted = [name for name in rules if (name != "embargo" or embargo > 0) and (name != "forward" or forward)]
    return [
        breach("splits", name, world, samples, np.unique(np.concatenate(rules[name])), details[name]) for name in wanted
    ]


@dataclass(frozen=True, slots=True)
class Splits:
    """A splitter over some labels.

    ``embargo`` (ns) is what it promises; ``forward``: whether it promises to train on the past only.
    """

    labels: Labels
    splitter: SplitterFactory
    embargo: int = 0
    forward: bool = False
    stage: str = "splits"

    def columns(self, world: World) -> Sequence[Column]:
        """None: where tests lie follows from the data's length, which every other future would have to share."""
        return ()

    def checks(self, world: World, random: Random) -> Sequence[Finding]:
        """The rules, and that the order of the samples does not matter."""
        samples = self.labels.samples(world)
        splits = list(self.splitter(samples.t0, samples.t1).split(np.empty((len(samples), 1))))
        order = random.permutation(len(samples))
        shuffled = list(self.splitter(samples.t0[order], samples.t1[order]).split(np.empty((len(samples), 1))))
        moved = [
            np.setxor1d(one, order[other])
            for pair, twin in zip(splits, shuffled, strict=True)
            for one, other in zip(pair, twin, strict=True)
        ]
        bad = np.unique(np.concatenate(moved))
        found = split_findings(world, samples, splits, self.embargo, self.forward)
        return [*found, breach("splits", "order", world, samples, bad, "where it falls depends on the samples' order")]
