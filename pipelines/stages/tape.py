"""The tape of a backtest: bars and the signals they cause, in the order live sees them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray


def merge(bars: Sequence[NDArray[np.void]], signals: Sequence[NDArray[np.void]]) -> NDArray[np.void]:
    """One tape of events: by time, then by instrument; at each, a bar and then its signal, before the next such bar.

    Parameters
    ----------
    bars, signals
        Per instrument, BAR and SIGNAL events with ``ts_event`` the bar's end; a signal's ``seq`` is the place of its
        bar among those of the instrument that end at that time.
    """
    placed = [one.copy() for one in bars]
    for one in placed:
        one["seq"] = places(one["ts_event"])
    events = np.concatenate([*placed, *signals])
    order = np.lexsort((events["kind"], events["seq"], events["instrument"], events["ts_event"]))
    tape: NDArray[np.void] = events[order]
    tape["seq"] = np.arange(len(tape))
    return tape


def places(ends: NDArray[np.int64]) -> NDArray[np.int64]:
    """Each bar's place among those that end at the same time, shape (n,); ``ends`` ascend.

    Only bars that follow no clock share an end: several are over when many trades come at once.

    Examples
    --------
    >>> places(np.array([3, 5, 5, 5, 9])).tolist()
    [0, 0, 1, 2, 0]
    """
    found: NDArray[np.int64] = np.arange(len(ends)) - np.searchsorted(ends, ends)
    return found
