"""The rows that the certificate needs: enough of the newest real ones, with a long stretch, whatever holes there are.

The certificate compares the graph with the native members on at least `models.certificate.Requirements.real_rows` rows
and, for members with recurrent state, over a stretch without a hole. Both are known as soon as the panel is made, so
both are checked then, before anything is fitted.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
import numpy as np
from numpy.typing import NDArray

from models.certificate import Requirements
from models.dataset import Panel
from models.members import MEMBERS
from pipelines.errors import StageError

SEQUENCE, TOGETHER = 4096, 12_000
"""Usable rows of each series' end that the graph is compared on, and of all series together: at least these."""
NEEDED = Requirements()
LEAST = 2_000
"""Bars in a row without which there is no certificate of a member with state, however little the data has."""

Rows = NDArray[np.float64]


def usable_rows(rows: Rows) -> int:
    """How many rows have every feature."""
    return int(np.isfinite(rows).all(axis=1).sum())


def longest_stretch(rows: Rows) -> int:
    """The most consecutive rows that have every feature."""
    holes = np.flatnonzero(~np.isfinite(rows).all(axis=1))
    return int(np.diff(np.concatenate([[-1], holes, [len(rows)]])).max()) - 1


def ending(rows: Rows, wanted: int) -> Rows:
    """The end of a series' rows with ``wanted`` usable ones (all, if there are fewer), beginning at a usable one."""
    usable = np.flatnonzero(np.isfinite(rows).all(axis=1))
    return np.ascontiguousarray(rows[usable[-wanted:][0] :]) if len(usable) else rows[:0]


def enough(sequences: Sequence[Rows]) -> bool:
    """Whether some rows show what the certificate asks for."""
    together = sum(usable_rows(rows) for rows in sequences)
    longest = max((longest_stretch(rows) for rows in sequences), default=0)
    return together >= TOGETHER and longest >= LEAST


def requirements(panel: Panel) -> Requirements:
    """What a certificate on this panel has to show: a stretch of the wanted length, or the longest that there is.

    The certificate says both, and how long the stretch was.
    """
    longest = max(longest_stretch(series.features) for series in panel.series)
    return msgspec.structs.replace(NEEDED, sequence=min(NEEDED.sequence, longest))


def long_run(rows: Rows, length: int) -> Rows:
    """The newest ``length`` rows of the longest stretch that has every feature: all of it, if it is shorter."""
    holes = np.concatenate([[-1], np.flatnonzero(~np.isfinite(rows).all(axis=1)), [len(rows)]])
    place = int(np.argmax(np.diff(holes)))
    start, stop = holes[place] + 1, holes[place + 1]
    return np.ascontiguousarray(rows[max(start, stop - length) : stop])


def last_rows(panel: Panel) -> list[Rows]:
    """The end of each series' rows, as far back as the certificate needs: everything, if that is still too little.

    Where none of them holds a stretch as long as is wanted for the parity of carried state, the longest of all series
    stands in for the end of its series.
    """
    ends = _ends(panel)
    most = int(np.argmax([longest_stretch(series.features) for series in panel.series]))
    run = long_run(panel.series[most].features, NEEDED.sequence)
    if max(map(longest_stretch, ends)) < len(run):
        ends[most] = run
    return [rows for rows in ends if len(rows)]


def _ends(panel: Panel) -> list[Rows]:
    """By series, an end with enough usable rows."""
    longest = max(len(series.features) for series in panel.series)
    wanted = max(SEQUENCE, -(-TOGETHER // len(panel.series)))
    while True:
        ends = [ending(series.features, wanted) for series in panel.series]
        if enough(ends) or wanted >= longest:
            return ends
        wanted *= 2


def check_enough_rows(panel: Panel, members: Sequence[str]) -> None:
    """Refuse a panel that no certificate could be made on.

    Raises
    ------
    StageError
        With the rows there are and the rows that are needed.
    """
    together = sum(usable_rows(series.features) for series in panel.series)
    what = f"{len(panel.series)} instruments have {together:,} bars on which every feature is defined"
    if together < NEEDED.real_rows:
        raise StageError(
            f"the {what}, but the certificate compares the graph with the libraries that trained it on at least "
            f"{NEEDED.real_rows:,}: bring more history or more symbols, or shorten data.holdout"
        )
    longest = max(longest_stretch(series.features) for series in panel.series)
    recurrent = [name for name in members if MEMBERS.facts(name).carries_state]
    if recurrent and longest < LEAST:
        raise StageError(
            f"the longest stretch of bars without a hole has {longest:,} on which every feature is defined, but the "
            f"certificate of {', '.join(recurrent)} needs {LEAST:,} in a row: fill the holes, raise "
            f"features.max_gap, or leave the member out"
        )
