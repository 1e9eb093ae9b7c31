"""The flat sample table: the labels of several series in one order, weighed together."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from models.dataset import Samples
from models.errors import LabelError
from models.weights import average_uniqueness
from models.weights.overlaps import lasting


class LabelTable(Protocol):
    """What every kind of label has: arrays of shape (n,)."""

    @property
    def row(self) -> NDArray[np.int64]:
        """The decision bars."""

    @property
    def start(self) -> NDArray[np.int64]:
        """Times of the entry prices (ns)."""

    @property
    def t1(self) -> NDArray[np.int64]:
        """Times at which the labels are known (ns)."""

    @property
    def label(self) -> NDArray[np.int64]:
        """The classes."""

    @property
    def move(self) -> NDArray[np.float64]:
        """Log returns from entry to exit."""


def flat_samples(bars: Sequence[NDArray[np.void]], labels: Sequence[LabelTable]) -> Samples:
    """The labels of several series as one table, in (decision time, instrument) order.

    Parameters
    ----------
    bars
        BAR records of each series.
    labels
        The labels of each series, of any kind in this package.

    Returns
    -------
    Samples
        Instruments are numbered in the given order; ``t0`` is the decision bar's end, ``weight`` the average uniqueness
        over the labels of all series together.

    Raises
    ------
    LabelError
        If there are not as many label tables as series, or no series.

    Examples
    --------
    >>> from market.bars import BAR
    >>> from models.labels import FixedConfig, fixed_horizon
    >>> bars = np.zeros(3, BAR)
    >>> bars["start"], bars["end"], bars["open"], bars["close"] = np.arange(3), np.arange(1, 4), 100, [100, 101, 99]
    >>> labels = fixed_horizon(bars, FixedConfig(horizon=1), interval=1)
    >>> samples = flat_samples([bars, bars], [labels, labels])
    >>> samples.instrument.tolist(), samples.t0.tolist(), samples.label.tolist(), samples.weight.tolist()
    ([0, 1, 0, 1], [1, 1, 2, 2], [1, 1, -1, -1], [0.5, 0.5, 0.5, 0.5])
    """
    if len(bars) != len(labels) or not bars:
        raise LabelError(
            f"{len(bars)} series of bars but {len(labels)} tables of labels; give one for each, at least one"
        )
    instrument = np.concatenate([np.full(len(one.row), number, np.int64) for number, one in enumerate(labels)])
    t0 = np.concatenate([series["end"][one.row] for series, one in zip(bars, labels, strict=True)])
    order = np.lexsort((instrument, t0))
    row, start, t1, label = (
        np.concatenate([getattr(one, name) for one in labels])[order] for name in ("row", "start", "t1", "label")
    )
    move = np.concatenate([one.move for one in labels])[order]
    return Samples(
        instrument[order], row, t0[order], start, t1, label, move, average_uniqueness(start, lasting(start, t1))
    )
