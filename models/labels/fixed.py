"""The fixed horizon: the direction of the return over a stretch of given length (López de Prado 2018, section 3.2).

The path in between does not count, so a position that was stopped out on the way may be labelled a success: the book's
reason to prefer the triple barrier. The threshold below which nothing happened scales with a target, usually the
volatility; a constant one would label calm stretches 0 whatever they held.
"""

from __future__ import annotations

import msgspec
import numpy as np
from numpy.typing import NDArray

from models.errors import LabelError
from models.labels.barriers import BarrierConfig, resolve
from models.labels.direction import NONE, Labels


class FixedConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A fixed horizon.

    Attributes
    ----------
    horizon, holding
        Length in bars from the entry bar on, both ends included, or in time (ns); exactly one, as in
        `models.labels.barriers.BarrierConfig`.
    threshold
        Moves of at most so many targets are labelled 0.
    delay, max_gap
        Bars between the next bar and the entry; missing bars that a label may span, None for bars without a clock.
    """

    horizon: int | None = 24
    holding: int | None = None
    threshold: float = 0.0
    delay: int = 0
    max_gap: int | None = 2

    def __post_init__(self) -> None:
        if not 0 <= self.threshold < float("inf"):
            raise LabelError(f"threshold is {self.threshold}; it must be finite and not negative")
        self.as_barriers()

    def as_barriers(self) -> BarrierConfig:
        """The same horizon as a triple barrier without horizontal barriers."""
        return BarrierConfig(
            take_profit=None,
            stop_loss=None,
            horizon=self.horizon,
            holding=self.holding,
            delay=self.delay,
            max_gap=self.max_gap,
        )


def fixed_horizon(
    bars: NDArray[np.void],
    config: FixedConfig,
    *,
    target: NDArray[np.float64] | None = None,
    interval: int | None = None,
    events: NDArray[np.int64] | None = None,
) -> Labels:
    """The fixed-horizon labels of one series.

    Parameters
    ----------
    bars
        BAR records in order, shape (n,).
    config
        The horizon and the threshold.
    target
        Unit of the threshold as a log return, shape (n,), for example the volatility of the horizon's return; rows
        where it is not positive and finite have no label. One if None: the threshold is then a log return itself.
    interval
        The bars' grid (ns); not needed with ``max_gap=None``.
    events
        Decision bars, ascending rows; every bar if None.

    Returns
    -------
    Labels
        ``label`` is 1 or -1 where the move exceeds the threshold, else 0; ``touched`` is always `VERTICAL`.

    Raises
    ------
    LabelError
        If the arrays differ in length, the events are not ascending rows, or the interval is missing.

    References
    ----------
    López de Prado (2018), *Advances in Financial Machine Learning*, section 3.2.

    Examples
    --------
    >>> from market.bars import BAR
    >>> bars = np.zeros(4, BAR)
    >>> bars["start"], bars["end"] = np.arange(4), np.arange(1, 5)
    >>> bars["open"], bars["close"] = [100, 100, 102, 102], [100, 102, 102, 90]
    >>> found = fixed_horizon(bars, FixedConfig(horizon=1, threshold=0.5), target=np.full(4, 0.02), interval=1)
    >>> found.row.tolist(), found.label.tolist(), found.t1.tolist()
    ([0, 1, 2], [1, 0, -1], [2, 3, 4])
    """
    unit = np.ones(len(bars)) if target is None else np.asarray(target, np.float64)
    found = resolve(bars, unit, config.as_barriers(), interval, events)
    index = np.flatnonzero((found.exit != NONE) & np.isfinite(found.move))
    row, move = found.row[index], found.move[index]
    return Labels(
        row=row,
        start=bars["start"][row + 1 + config.delay],
        t1=bars["end"][found.exit[index]],
        label=np.where(np.abs(move) > config.threshold * unit[row], np.sign(move), 0.0).astype(np.int64),
        move=move,
        touched=found.touched[index],
    )
