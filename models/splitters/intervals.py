"""Label intervals against test intervals: what overlaps, and what begins too soon after.

A sample is an interval of time, from its decision ``t0`` to the time ``t1`` at which its label is known.
"""

from __future__ import annotations

from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from models.errors import SplitError

Times: TypeAlias = NDArray[np.int64]
Embargo: TypeAlias = int | float | np.timedelta64


def purged(t0: Times, t1: Times, test_start: int, test_stop: int, closed: bool = True) -> NDArray[np.bool_]:
    """Which labels [t0, t1] do not overlap one test interval, shape (n,).

    With ``closed`` intervals ends that touch overlap; else a label may end exactly where the test begins.

    Examples
    --------
    >>> t0, t1 = np.array([0, 1, 2, 9]), np.array([4, 5, 6, 12])
    >>> purged(t0, t1, 5, 8).tolist(), purged(t0, t1, 5, 8, closed=False).tolist()
    ([True, False, False, True], [True, True, False, True])
    """
    if closed:
        return (t1 < test_start) | (t0 > test_stop)
    return (t1 <= test_start) | (t0 >= test_stop)


def embargo_length(embargo: Embargo, t0: Times, t1: Times) -> int:
    """An embargo as a time (ns): given as one, or as a fraction of the time that the samples span.

    Raises
    ------
    SplitError
        If it is negative, or a fraction of one or more.

    Examples
    --------
    >>> t0 = np.arange(0, 1_000, 10)
    >>> embargo_length(0.01, t0, t0 + 10), embargo_length(25, t0, t0), embargo_length(np.timedelta64(3, "us"), t0, t0)
    (10, 25, 3000)
    """
    if isinstance(embargo, float):
        if not 0 <= embargo < 1:
            raise SplitError(f"embargo is {embargo}; as a fraction of the samples' time it must lie between 0 and 1")
        return int(embargo * (int(t1.max()) - int(t0.min())))
    whole = embargo.astype("timedelta64[ns]").astype(np.int64) if isinstance(embargo, np.timedelta64) else embargo
    if int(whole) < 0:
        raise SplitError(f"embargo is {embargo}; it must not be negative")
    return int(whole)
