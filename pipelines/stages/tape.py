"""The tape of a backtest: bars and the signals they cause, in the order live sees them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray


def merge(bars: Sequence[NDArray[np.void]], signals: Sequence[NDArray[np.void]]) -> NDArray[np.void]:
    """One tape of events: by time, then by instrument; at each, the bar and then its signal.

    Parameters
    ----------
    bars, signals
        Per instrument, BAR and SIGNAL events with ``ts_event`` the bar's end.
    """
    events = np.concatenate([*bars, *signals])
    order = np.lexsort((events["kind"], events["instrument"], events["ts_event"]))
    tape: NDArray[np.void] = events[order]
    tape["seq"] = np.arange(len(tape))
    return tape
