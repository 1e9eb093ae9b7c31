"""Our own fitted members, scored on their fold's test rows as `models.importance.mda.permutation` wants them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from models.dataset import Panel
from models.errors import ModelError
from models.importance.folds import ScoredFold
from models.members.protocol import FittedMember
from models.members.training import usable

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]
LEAD = 256
"""Rows before a test by which a recurrent member's state is burnt in."""


class PanelFold(Protocol):
    """What is needed of a fold: the positions of its samples. `models.splitters.Fold` will do."""

    @property
    def train(self) -> Integers:
        """Of the samples that were learned from."""
        ...

    @property
    def test(self) -> Integers:
        """Of those to be scored."""
        ...


def member_fold(panel: Panel, fold: PanelFold, fitted: FittedMember, rows: int) -> ScoredFold:
    """A fitted member and at most ``rows`` of its fold's test samples, ready for `models.importance.mda.permutation`.

    A member without state predicts evenly spaced samples. One with state walks the beginning of each instrument's test,
    burnt in on the rows before it; those are shuffled with the rest.

    Raises
    ------
    ModelError
        If the fold has no test samples.
    """
    if len(fold.test) == 0:
        raise ModelError("the fold has no test samples to score")
    recurrent = bool(fitted.part().state)
    stretches = list((_walks if recurrent else _spaced_rows)(panel, fold, rows))
    starts = np.cumsum([0, *(len(one.rows) for one in stretches)])
    features = np.concatenate([panel.series[one.instrument].features[one.rows] for one in stretches])
    block = np.repeat([one.instrument for one in stretches], np.diff(starts))
    index = np.concatenate([one.index for one in stretches])
    scored = np.concatenate([start + one.scored for start, one in zip(starts[:-1], stretches, strict=True)])
    samples = panel.samples
    base = float(np.average(samples.label[fold.train], weights=samples.weight[fold.train]))
    return ScoredFold(
        features,
        _predictor(panel, fitted, stretches, scored),
        samples.label[index],
        samples.weight[index],
        np.where(usable(features), block, -1),
        np.array([1.0 - base, base]),
        fitted,
        panel.indicators,
    )


def spaced(index: Integers, most: int) -> Integers:
    """At most ``most`` of some positions, evenly spaced.

    Examples
    --------
    >>> spaced(np.arange(10), 4).tolist()
    [0, 3, 6, 9]
    """
    if len(index) <= most:
        return index
    return index[np.rint(np.linspace(0, len(index) - 1, most)).astype(np.int64)]


@dataclass(frozen=True, slots=True, eq=False)
class _Stretch:
    """Rows of one series; those at the places ``scored`` are the samples ``index``."""

    instrument: int
    rows: Integers
    index: Integers
    scored: Integers


def _spaced_rows(panel: Panel, fold: PanelFold, rows: int) -> Iterator[_Stretch]:
    index = spaced(fold.test, rows)
    for number in np.unique(panel.samples.instrument[index]):
        mine = index[panel.samples.instrument[index] == number]
        yield _Stretch(int(number), panel.samples.row[mine], mine, np.arange(len(mine)))


def _walks(panel: Panel, fold: PanelFold, rows: int) -> Iterator[_Stretch]:
    instruments = np.unique(panel.samples.instrument[fold.test])
    for number in instruments:
        mine = fold.test[panel.samples.instrument[fold.test] == number][: max(1, rows // len(instruments))]
        place = panel.samples.row[mine]
        first = max(0, int(place[0]) - LEAD)
        yield _Stretch(int(number), np.arange(first, int(place[-1]) + 1), mine, place - first)


def _predictor(
    panel: Panel, fitted: FittedMember, stretches: Sequence[_Stretch], scored: Integers
) -> Callable[[Floats], Floats]:
    """Predicts with other feature rows in the place of a stretch's own."""

    def predict(features: Floats) -> Floats:
        said, start = [], 0
        for one in stretches:
            stop = start + len(one.rows)
            series = list(panel.series)
            own = series[one.instrument]
            changed = replace(
                own, bars=own.bars[one.rows], features=features[start:stop], volatility=own.volatility[one.rows]
            )
            series[one.instrument] = changed
            place = np.arange(len(one.rows))
            said.append(fitted.predict(replace(panel, series=tuple(series)), one.instrument, place))
            start = stop
        probability = np.concatenate(said)[scored]
        return np.stack([1.0 - probability, probability], axis=1)

    return predict
