"""Sizes in steps, so that small changes of mind do not trade (López de Prado 2018, section 10.5)."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from models.errors import ModelError


def discretise(size: NDArray[np.float64], step: float) -> NDArray[np.float64]:
    """Sizes rounded to the nearest multiple of a step, at most one in absolute value; shape of ``size``.

    Parameters
    ----------
    size
        Bet sizes; half a step rounds to the even multiple.
    step
        In (0, 1].

    Raises
    ------
    ModelError
        If the step is out of range.

    References
    ----------
    López de Prado (2018), *Advances in Financial Machine Learning*, section 10.5, snippet 10.3.

    Examples
    --------
    >>> discretise(np.array([0.12, -0.58, 0.97, 1.4]), 0.2).round(1).tolist()
    [0.2, -0.6, 1.0, 1.0]
    """
    if not 0 < step <= 1:
        raise ModelError(f"step is {step}; it must be above 0 and at most 1")
    found: NDArray[np.float64] = np.clip(np.round(np.asarray(size, np.float64) / step) * step, -1.0, 1.0)
    return found
