"""What is learned inside folds: predictions may depend on their training rows and on the test's rows up to their own.

Everything else of the sample table is changed at once: labels and weights of whatever is not trained on, features of
whatever is neither trained on nor tested, and the test's later rows. What was predicted and fitted must keep its bytes.
That holds for every splitter, also where training data follows the test.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

import msgspec
import numpy as np
from numpy.typing import NDArray

from models.dataset import Samples
from pipelines.audit.column import Column, Ints, Rows, sample_times
from pipelines.audit.compare import compare
from pipelines.audit.errors import AuditError
from pipelines.audit.findings import Finding
from pipelines.audit.perturb import Random
from pipelines.audit.pieces import Features, Labels
from pipelines.audit.splits import SplitterFactory
from pipelines.audit.world import World

Floats = NDArray[np.float64]
OUTSIDE = "outside the training window"
OWN_LABEL = "own label"
ALONE = 12
"""Rows whose own label is turned, one after another."""


@dataclass(frozen=True, slots=True, eq=False)
class Examples:
    """A sample table: ``features`` (n, f), ``label`` 0 or 1, ``weight``, ``t0`` and ``t1`` (ns), shape (n,)."""

    features: Floats
    label: Ints
    weight: Floats
    t0: Ints
    t1: Ints

    def __len__(self) -> int:
        return len(self.label)


@dataclass(frozen=True, slots=True, eq=False)
class Learned:
    """What one fold leaves: by name, an array with one value for each test row, and numbers that were fitted."""

    rows: Mapping[str, NDArray[np.generic]]
    fitted: Mapping[str, Floats] = field(default_factory=dict)


def examples_of(features: Features, labels: Labels, world: World) -> tuple[Samples, Examples]:
    """The samples whose features are all finite, with these."""
    samples = labels.samples(world)
    columns = [np.asarray(one.values, np.float64) for one in features.columns(world)]
    offset = np.cumsum([0, *(len(bars) for bars in world.bars)])
    rows = np.column_stack(columns)[offset[samples.instrument] + samples.row]
    known = np.isfinite(rows).all(axis=1)
    kept = Samples(**{name: getattr(samples, name)[known] for name in Samples.__dataclass_fields__})
    return kept, Examples(rows[known], (kept.label > 0).astype(np.int64), kept.weight, kept.t0, kept.t1)


def other_rows(examples: Examples, learned: NDArray[np.bool_], read: NDArray[np.bool_], random: Random) -> Examples:
    """The table with labels and weights changed where ``learned`` says, and features where ``read`` says.

    Features are drawn from the upper half of their own column: their distribution is another, and each value is one
    that the column has.
    """
    count = len(examples)
    upper = np.sort(examples.features, axis=0)[count // 2 :]
    drawn = np.take_along_axis(upper, random.integers(0, len(upper), examples.features.shape), axis=0)
    turned = np.where(random.random(count) < 0.9, 1 - examples.label, examples.label)
    return replace(
        examples,
        features=np.where(read[:, None], drawn, examples.features),
        label=np.where(learned, turned, examples.label),
        weight=np.where(learned, examples.weight * random.uniform(0.1, 10.0, count), examples.weight),
    )


def mask(count: int, *index: Ints) -> NDArray[np.bool_]:
    """True at some positions, shape (count,)."""
    found = np.zeros(count, bool)
    found[np.concatenate(index)] = True
    return found


@dataclass(frozen=True, slots=True)
class OutOfFold:
    """Anything that is fitted and applied fold by fold: scalers, selections, models, calibrations, thresholds.

    ``predict(examples, train, test)`` gives a `Learned`; it may use all of ``examples`` and must not.
    """

    features: Features
    labels: Labels
    splitter: SplitterFactory
    predict: Callable[[Examples, Ints, Ints], Learned]
    stage: str = "predictions"
    perturbations: tuple[str, ...] = (OUTSIDE,)

    def columns(self, world: World) -> Sequence[Column]:
        """None: see `checks`."""
        return ()

    def checks(self, world: World, random: Random) -> Sequence[Finding]:
        """Every fold, with the test cut in the middle; then its training rows changed, to see that it matters."""
        samples, examples = examples_of(self.features, self.labels, world)
        count = len(examples)
        found: list[Finding] = []
        for number, (train, test) in enumerate(self.splitter(samples.t0, samples.t1).split(np.empty((count, 1)))):
            test = test[np.argsort(samples.t0[test], kind="stable")]
            until = int(samples.t0[test[len(test) // 2]])
            trained = mask(count, train)
            read = trained | mask(count, test[samples.t0[test] <= until])
            worlds = (
                examples,
                other_rows(examples, ~trained, ~read, random),
                other_rows(examples, trained, trained, random),
            )
            base, outside, inside = (
                _columns(self.stage, world, samples, test, number, self.predict(one, train, test)) for one in worlds
            )
            moved = {(one.stage, one.column): one.changed for one in compare(base, inside, "inside")}
            found += [
                msgspec.structs.replace(one, moved=moved.get((one.stage, one.column), 0))
                for one in compare(base, outside, OUTSIDE, until)
            ]
        return found


def _columns(stage: str, world: World, samples: Samples, test: Ints, number: int, learned: Learned) -> list[Column]:
    time = sample_times(world.bars, samples.instrument, samples.row)[test]
    rows = Rows(world.symbols, samples.instrument[test], time, samples.t0[test])
    found = [Column(stage, name, rows, np.asarray(values)) for name, values in learned.rows.items()]
    begin = samples.t0[test].min()
    for name, values in learned.fitted.items():
        flat = np.ravel(values)
        index = Rows((f"fold {number + 1}",), np.zeros(len(flat), np.int64), begin + np.arange(len(flat)),
                     np.full(len(flat), begin))  # fmt: skip
        found.append(Column("fitted", name, index, flat))
    return found


@dataclass(frozen=True, slots=True)
class StackerInputs:
    """What a stacker is fitted on: no row's member predictions may depend on the row's own label.

    ``inputs(examples, train)`` gives the members' predictions for every training row, shape (len(train), m).
    """

    features: Features
    labels: Labels
    splitter: SplitterFactory
    inputs: Callable[[Examples, Ints], Floats]
    stage: str = "stacker"
    perturbations: tuple[str, ...] = (OWN_LABEL,)

    def columns(self, world: World) -> Sequence[Column]:
        """None: see `checks`."""
        return ()

    def checks(self, world: World, random: Random) -> Sequence[Finding]:
        """A few rows' own labels, turned one after another in the first fold."""
        samples, examples = examples_of(self.features, self.labels, world)
        train, _ = next(iter(self.splitter(samples.t0, samples.t1).split(np.empty((len(samples), 1)))))
        given = self.inputs(examples, train)
        if given.ndim != 2 or len(given) != len(train):
            raise AuditError(f"stacker inputs have shape {given.shape}; they must be ({len(train)}, members)")
        answered = np.flatnonzero(np.isfinite(given).all(axis=1))
        found: list[Finding] = []
        for place in random.choice(answered, min(ALONE, len(answered)), replace=False):
            label = examples.label.copy()
            label[train[place]] = 1 - label[train[place]]
            other = self.inputs(replace(examples, label=label), train)
            at = train[[place]]
            rows = Rows(world.symbols, samples.instrument[at], samples.t0[at], samples.t0[at])
            base, turned = (
                [Column(self.stage, f"member {m + 1}", rows, one[[place], m]) for m in range(given.shape[1])]
                for one in (given, other)
            )
            elsewhere_moved = int((given != other).any(axis=1).sum())
            compared = compare(base, turned, OWN_LABEL)
            found += [msgspec.structs.replace(one, moved=elsewhere_moved) for one in compared]
        return found
