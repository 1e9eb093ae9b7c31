"""Meta-labels: whether to act on what a primary model says (López de Prado 2018, section 3.6).

The primary model, or rule, or trader, says the side; the secondary model learns when that side is right, and its
probability sizes the bet. Precision is learned apart from recall.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from models.errors import LabelError
from models.labels.direction import Labels


def meta_labels(labels: Labels, side: NDArray[np.float64]) -> Labels:
    """Labels of any kind as answers to another question: whether the primary side made money.

    Parameters
    ----------
    labels
        Labels whose exit does not depend on the side: symmetric barriers, a fixed horizon. Asymmetric barriers exit
        elsewhere for a short than for a long: give the side to `models.labels.barriers.barrier_labels` instead.
    side
        The primary model's side at each bar of the series, known at the bar's end, shape (bars,): above zero long,
        below zero short; zero or NaN is no bet.

    Returns
    -------
    Labels
        Those where there is a bet; ``label`` is 1 where the move went the side's way, else 0.

    Raises
    ------
    LabelError
        If the side does not cover the labelled bars.

    References
    ----------
    López de Prado (2018), *Advances in Financial Machine Learning*, sections 3.6 and 3.7.

    Examples
    --------
    >>> one = np.arange(3)
    >>> labels = Labels(one, one, one + 1, np.array([1, 0, 1]), np.array([0.1, -0.1, 0.1]), one)
    >>> meta = meta_labels(labels, np.array([1.0, -1.0, 0.0]))
    >>> meta.row.tolist(), meta.label.tolist()
    ([0, 1], [1, 1])
    """
    side = np.asarray(side, np.float64)
    if len(labels) and labels.row.max() >= len(side):
        raise LabelError(f"row {labels.row.max()} is labelled, but there are {len(side)} sides; give one for each bar")
    said = side[labels.row]
    bet = np.flatnonzero((said > 0) | (said < 0))
    won = (np.sign(said[bet]) * labels.move[bet] > 0).astype(np.int64)
    kept = {name: getattr(labels, name)[bet] for name in ("row", "start", "t1", "move", "touched")}
    return replace(labels, label=won, **kept)
