"""How a recurrent member reads a panel: contiguous runs of rows, cut into streams that train in parallel.

A state is carried over a maximal run of rows without NaN; a run's first row starts from the zero state, in research
and live alike. A long run is cut into streams of equal length so that many advance side by side; every stream but a
run's first begins with some rows of its predecessor, whose loss is masked: they burn the state in. Rows that are not
samples of the split (purged, unlabelled) keep their place and move the state, with weight zero.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from models.dataset import Panel
from models.members.training import usable

Stretch = tuple[int, int]
"""First row, and the row after the last."""


@dataclass(frozen=True, slots=True, eq=False)
class Streams:
    """Streams as padded tables of shape (streams, longest).

    ``place`` numbers the rows of all series stacked in order (`stacked`); padding points at the extra last row.
    ``label`` and ``weight`` are float32; a weight of zero gives no loss. ``length`` has shape (streams,).
    """

    place: NDArray[np.int64]
    label: NDArray[np.float32]
    weight: NDArray[np.float32]
    length: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.length)

    def groups(self, parallel: int, generator: np.random.Generator | None = None) -> Iterator[NDArray[np.int64]]:
        """Streams that advance together: of like length, in random order if a generator is given."""
        ties = np.arange(len(self)) if generator is None else generator.permutation(len(self))
        order = np.lexsort((ties, self.length))
        starts = np.arange(0, len(order), parallel)
        if generator is not None:
            generator.shuffle(starts)
        for start in starts:
            yield order[start : start + parallel]


def stacked(panel: Panel) -> NDArray[np.float64]:
    """Every series' feature rows in one matrix, NaN rows as zeros, and one row of zeros after the last."""
    rows = np.concatenate([*(series.features for series in panel.series), np.zeros((1, len(panel.feature_names)))])
    rows[~usable(rows)] = 0.0
    return rows


def runs(mask: NDArray[np.bool_]) -> list[Stretch]:
    """The maximal stretches of true.

    Examples
    --------
    >>> runs(np.array([True, True, False, True]))
    [(0, 2), (3, 4)]
    """
    edges = np.flatnonzero(np.diff(np.concatenate([[False], mask, [False]]).astype(np.int8)))
    return [(int(start), int(stop)) for start, stop in edges.reshape(-1, 2)]


def cut(run: Stretch, length: int, burn_in: int, first: int) -> list[tuple[int, int, int]]:
    """Split a run into pieces of nearly equal length, each with its lead.

    Parameters
    ----------
    run
        The stretch over which a state may be carried.
    length, burn_in
        The most rows of a piece, and of its lead.
    first
        The first row that counts; the rows of the run before it serve only as a lead.

    Returns
    -------
    list of (lead, start, stop)
        Rows ``lead`` to ``start`` burn the state in, rows ``start`` to ``stop`` count.

    Examples
    --------
    >>> cut((10, 30), length=10, burn_in=4, first=10)
    [(10, 10, 20), (16, 20, 30)]
    """
    begin, stop = max(run[0], first), run[1]
    pieces = -(-(stop - begin) // length)
    edges = [begin + (stop - begin) * number // pieces for number in range(pieces + 1)]
    return [(max(run[0], start - burn_in), start, end) for start, end in pairwise(edges)]


def training_streams(panel: Panel, train: NDArray[np.int64], length: int, burn_in: int) -> Streams:
    """Streams over the time range of the training samples; no row before or after it is read."""
    t0 = panel.samples.t0[train]
    return _streams(panel, train, int(t0.min()), int(t0.max()), length, burn_in)


def validation_streams(panel: Panel, validation: NDArray[np.int64], length: int, burn_in: int) -> Streams:
    """Streams over the validation samples, burnt in on the rows before them; nothing after the last is read."""
    return _streams(panel, validation, None, int(panel.samples.t0[validation].max()), length, burn_in)


def _streams(
    panel: Panel, index: NDArray[np.int64], since: int | None, until: int, length: int, burn_in: int
) -> Streams:
    pieces: list[tuple[NDArray[np.int64], NDArray[np.float64], NDArray[np.float64]]] = []
    offset = 0
    for number, series in enumerate(panel.series):
        label, weight = _targets(panel, index, number)
        end = series.bars["end"]
        mask = usable(series.features) & (end <= until)
        if since is not None:
            mask &= end >= since
        for run in runs(mask):
            weighted = np.flatnonzero(weight[run[0] : run[1]])
            if len(weighted) == 0:
                continue
            used = (run[0], run[0] + int(weighted[-1]) + 1)
            first = run[0] if since is not None else run[0] + int(weighted[0])
            for lead, start, stop in cut(used, length, burn_in, first):
                counted = np.where(np.arange(lead, stop) < start, 0.0, weight[lead:stop])
                if counted.any():
                    pieces.append((offset + np.arange(lead, stop), label[lead:stop], counted))
        offset += len(series.features)
    return _padded(pieces, offset)


def _targets(
    panel: Panel, index: NDArray[np.int64], instrument: int
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Label and weight of every row of one series; weights have mean one over all samples of the split."""
    samples = panel.samples
    rows = len(panel.series[instrument].features)
    label, weight = np.zeros(rows), np.zeros(rows)
    mine = index[samples.instrument[index] == instrument]
    label[samples.row[mine]] = samples.label[mine]
    weight[samples.row[mine]] = samples.weight[mine] * (len(index) / samples.weight[index].sum())
    return label, weight


def _padded(pieces: list[tuple[NDArray[np.int64], NDArray[np.float64], NDArray[np.float64]]], padding: int) -> Streams:
    length = np.array([len(place) for place, _, _ in pieces], np.int64)
    shape = (len(pieces), int(length.max()))
    streams = Streams(np.full(shape, padding), np.zeros(shape, np.float32), np.zeros(shape, np.float32), length)
    for number, (place, label, weight) in enumerate(pieces):
        streams.place[number, : len(place)] = place
        streams.label[number, : len(place)] = label
        streams.weight[number, : len(place)] = weight
    return streams
