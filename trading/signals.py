"""A model's answer as a SIGNAL event: fixed point, so that a replay needs no model."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from market.events import EVENT, RATIO, Kind, SetFlag

SIGNAL_FIELDS: Final = ("probability", "expected_move", "barrier", "volatility")


def signal_events(
    ends: NDArray[np.int64],
    number: int,
    probability: NDArray[np.float64],
    expected_move: NDArray[np.float64],
    barrier: NDArray[np.float64],
    volatility: NDArray[np.float64],
    row_hash: NDArray[np.int64],
    validity: int,
    bundle: int,
    sets: NDArray[np.bool_] | None = None,
) -> NDArray[np.void]:
    """Signals of one instrument, one for every finite probability.

    Parameters
    ----------
    ends
        The bars' ends, ns, shape (n,): when each signal exists.
    number
        The instrument's number on the tape.
    probability, expected_move, barrier, volatility
        Shape (n,); moves are log returns. See `market.events`.
    row_hash
        Of the feature rows, shape (n,).
    validity
        How long after its bar's end a signal may be acted on, ns.
    bundle
        The bundle's number among the journal's names.
    sets
        Whether falling and rising are in the prediction set, shape (n, 2); None where the model says none.

    Returns
    -------
    Array of `market.events.EVENT`, shape (m,).

    Raises
    ------
    ValueError
        If a probability lies outside [0, 1], or a move is not finite or too large for fixed point.
    """
    chosen = np.flatnonzero(np.isfinite(probability))
    values = np.stack([probability[chosen], expected_move[chosen], barrier[chosen], volatility[chosen]])
    bad = ~((values >= 0) & (values <= 1e6)) | (np.arange(4)[:, None] == 0) & (values > 1)
    if bad.any():
        field, place = (int(found[0]) for found in np.nonzero(bad))
        raise ValueError(f"signal {place} of instrument {number}: {SIGNAL_FIELDS[field]} is {values[field, place]}")
    fixed = np.rint(values * RATIO).astype(np.int64)
    events = np.zeros(len(chosen), EVENT)
    events["ts_event"] = events["ts_recv"] = events["p7"] = ends[chosen]
    events["kind"], events["instrument"], events["p4"] = Kind.SIGNAL, number, bundle
    events["p0"], events["p1"], events["p2"], events["p6"] = fixed
    events["p3"] = ends[chosen] + validity
    events["p5"] = row_hash[chosen]
    if sets is not None:
        events["flags"] = set_flags(sets[chosen])
    return events


def set_flags(sets: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Prediction sets of shape (…, 2) as `market.events.SetFlag`, shape (…).

    Examples
    --------
    >>> set_flags(np.array([[False, False], [True, False], [False, True], [True, True]])).tolist()
    [4, 5, 6, 7]
    """
    flags: NDArray[np.int64] = SetFlag.SAID + sets @ np.array([SetFlag.FALLS, SetFlag.RISES], np.int64)
    return flags


def control_event(action: int, now: int, reason: int = 0) -> NDArray[np.void]:
    """A CONTROL event, shape (1,); ``reason`` is a number among the journal's names."""
    events = np.zeros(1, EVENT)
    events["ts_event"] = events["ts_recv"] = now
    events["kind"], events["p0"], events["p1"] = Kind.CONTROL, action, reason
    return events
