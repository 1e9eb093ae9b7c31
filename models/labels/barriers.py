"""The triple barrier in general (López de Prado 2018, ch. 3): asymmetric, by bars or by time, at chosen events.

A label is decided by whichever barrier the price touches first: the take-profit, the stop-loss, or the vertical
barrier, the longest that a position is held. Horizontal distances are multiples of a target, usually the expected
move's volatility, so that a label asks the same question in calm and in turmoil. Given the side of a primary model,
take-profit and stop-loss follow the side and the label says whether the bet made money (section 3.6).

Two things that a bar does not tell are decided by stated rules: which barrier came first when one bar touches both
(``both``), and at which price a barrier is left that a bar opens beyond (``gaps``).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import msgspec
import numpy as np
from numpy.typing import NDArray

from market.bars import COLUMN, as_matrix, as_times
from market.jit import kernel
from models.errors import LabelError
from models.labels.direction import BOTH, LOWER, NONE, UPPER, VERTICAL, Labels, grown, log_ratio

OPEN, HIGH, LOW, CLOSE = (COLUMN[name] for name in ("open", "high", "low", "close"))
START, END = COLUMN["start"], COLUMN["end"]
NEVER = np.iinfo(np.int64).max
LONGEST = 2**61


class BarrierConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A triple barrier.

    Attributes
    ----------
    take_profit, stop_loss
        Distances of the horizontal barriers in targets, as log returns; None where there is none. Without a side,
        the take-profit is the upper and the stop-loss the lower barrier.
    horizon
        Bars from the entry bar to the vertical barrier, both included; or None, with ``holding``.
    holding
        Time from the entry to the vertical barrier (ns), which is then the first bar to end at or after it; or None.
    minimum_return
        Events whose target is below have no label: they would not pay for their costs.
    delay
        Bars between the next bar and the entry.
    touch
        Whether a bar's high and low touch a barrier, or only its close.
    both
        A bar that touches both barriers goes with its ``close``, or is taken to have touched the ``stop_first``.
    gaps
        A barrier beyond which a bar opens is left at the ``barrier``, or at that bar's ``open``.
    max_gap
        Missing bars that a label may span; None for bars that follow no clock (tick, volume, dollar bars).
    """

    take_profit: float | None = 1.0
    stop_loss: float | None = 1.0
    horizon: int | None = 24
    holding: int | None = None
    minimum_return: float = 0.0
    delay: int = 0
    touch: Literal["high_low", "close"] = "high_low"
    both: Literal["close", "stop_first"] = "close"
    gaps: Literal["barrier", "open"] = "barrier"
    max_gap: int | None = 2

    def __post_init__(self) -> None:
        for name in ("take_profit", "stop_loss"):
            distance = getattr(self, name)
            if distance is not None and not 0 < distance < float("inf"):
                raise LabelError(f"{name} is {distance}; it must be positive and finite, or None for no barrier")
        if (self.horizon is None) == (self.holding is None):
            raise LabelError(
                f"horizon is {self.horizon} and holding {self.holding}; the vertical barrier needs exactly one: "
                "without it only touched labels would exist near the data's end, and a touch depends on the future"
            )
        for name, least in (("horizon", 1), ("holding", 1), ("delay", 0), ("max_gap", 0)):
            value = getattr(self, name)
            if value is not None and not least <= value <= LONGEST:
                raise LabelError(f"{name} is {value}; it must be at least {least} and at most 2^61")
        if not 0 <= self.minimum_return < float("inf"):
            raise LabelError(f"minimum_return is {self.minimum_return}; it must be finite and not negative")


@dataclass(frozen=True, slots=True, eq=False)
class Exits:
    """How each event ends, shape (events,): ``exit`` is `NONE` and the rest meaningless where there is no label."""

    row: NDArray[np.int64]
    exit: NDArray[np.int64]
    touched: NDArray[np.int64]
    move: NDArray[np.float64]


@kernel
def first_touch(
    bars: NDArray[np.float64],
    entry: int,
    last: int,
    profit: float,
    loss: float,
    side: float,
    by_close: bool,
    stop_first: bool,
    at_open: bool,
) -> tuple[int, int, float]:
    """The deciding bar of one event, which barrier decided, and the log move from the entry.

    ``profit`` and ``loss`` are log distances, infinite where there is no barrier; a ``side`` below zero is short.
    """
    price = bars[entry, OPEN]
    up, down = (loss, profit) if side < 0.0 else (profit, loss)
    upper, lower = grown(price, up), grown(price, -down)
    for row in range(entry, last + 1):
        high = bars[row, CLOSE] if by_close else bars[row, HIGH]
        low = bars[row, CLOSE] if by_close else bars[row, LOW]
        above, below = up < np.inf and high >= upper, down < np.inf and low <= lower
        if not (above or below):
            continue
        touched = BOTH if above and below else (UPPER if above else LOWER)
        if by_close or (touched == BOTH and not stop_first):
            return row, touched, log_ratio(bars[row, CLOSE], price)
        at_upper = side < 0.0 if touched == BOTH else above
        opened = bars[row, OPEN]
        if at_open and (opened > upper if at_upper else opened < lower):
            return row, touched, log_ratio(opened, price)
        return row, touched, up if at_upper else -down
    return last, VERTICAL, log_ratio(bars[last, CLOSE], price)


@kernel
def exits(
    bars: NDArray[np.float64],
    times: NDArray[np.int64],
    events: NDArray[np.int64],
    target: NDArray[np.float64],
    side: NDArray[np.float64],
    take_profit: float,
    stop_loss: float,
    horizon: int,
    holding: int,
    minimum_return: float,
    delay: int,
    by_close: bool,
    stop_first: bool,
    at_open: bool,
    hole: int,
    exit_row: NDArray[np.int64],
    touched: NDArray[np.int64],
    move: NDArray[np.float64],
) -> None:
    """Decide every event; ``events`` ascend, ``side`` is empty or one per bar. Fills the last three arrays, where
    ``exit_row`` comes filled with `NONE`.

    A positive ``horizon`` counts bars, else ``holding`` counts time; ``hole`` is the time between two bars from which
    on no label spans it. A label needs all its bars up to the vertical barrier, touched before or not: else being
    labelled would depend on the future. Each bar's times are looked at once, on the way to the latest barrier so far.
    """
    count = bars.shape[0]
    last, seen, broken = 0, 0, 0  # the vertical barrier; the last bar looked at for holes; the last bar after a hole
    for number in range(events.shape[0]):
        row = events[number]
        unit = target[row]
        direction = side[row] if side.shape[0] > 0 else 1.0
        entry = row + 1 + delay
        if not (unit > 0.0 and unit < np.inf and unit >= minimum_return and (direction > 0.0 or direction < 0.0)):
            continue
        if entry >= count:
            break
        if horizon > 0:
            last = entry + horizon - 1
        else:
            last = max(last, entry)
            while last < count and times[last, END] < times[entry, START] + holding:
                last += 1
        if last >= count:
            break
        for later in range(max(seen, row) + 1, last + 1):
            if times[later, START] - times[later - 1, END] >= hole:
                broken = later
        seen = max(seen, last)
        if broken > row:
            continue
        exit_row[number], touched[number], move[number] = first_touch(
            bars, entry, last, take_profit * unit, stop_loss * unit, direction, by_close, stop_first, at_open
        )


def resolve(
    bars: NDArray[np.void],
    target: NDArray[np.float64],
    config: BarrierConfig,
    interval: int | None = None,
    events: NDArray[np.int64] | None = None,
    side: NDArray[np.float64] | None = None,
) -> Exits:
    """How every event ends: what `barrier_labels` and `models.labels.fixed.fixed_horizon` have in common.

    Raises
    ------
    LabelError
        If the arrays differ in length, the events are not ascending rows, or the interval is missing.
    """
    for name, values in (("target", target), ("side", side)):
        if values is not None and len(values) != len(bars):
            raise LabelError(f"{len(bars)} bars but {len(values)} values of {name}; give one for each bar")
    rows = event_rows(events, len(bars))
    matrix = np.ascontiguousarray(bars)
    exit_row = np.full(len(rows), NONE, np.int64)
    touched = np.zeros(len(rows), np.int64)
    move = np.zeros(len(rows))
    exits(
        as_matrix(matrix),
        as_times(matrix),
        rows,
        np.ascontiguousarray(target, np.float64),
        np.zeros(0) if side is None else np.ascontiguousarray(side, np.float64),
        float("inf") if config.take_profit is None else config.take_profit,
        float("inf") if config.stop_loss is None else config.stop_loss,
        0 if config.horizon is None else min(config.horizon, len(bars) + 1),
        0 if config.holding is None else config.holding,
        config.minimum_return,
        min(config.delay, len(bars)),
        config.touch == "close",
        config.both == "stop_first",
        config.gaps == "open",
        hole_length(config.max_gap, interval),
        exit_row,
        touched,
        move,
    )
    return Exits(rows, exit_row, touched, move)


def event_rows(events: NDArray[np.int64] | None, count: int) -> NDArray[np.int64]:
    """The rows to label, ascending: all, or those given.

    Raises
    ------
    LabelError
        If they do not ascend strictly, or lie outside the bars.
    """
    if events is None:
        return np.arange(count)
    rows = np.asarray(events)
    if rows.ndim != 1 or not (np.issubdtype(rows.dtype, np.integer) or len(rows) == 0):
        raise LabelError(f"events have shape {rows.shape} and type {rows.dtype}; give row numbers, shape (events,)")
    if len(rows) and not (rows[0] >= 0 and rows[-1] < count and bool((rows[1:] > rows[:-1]).all())):
        raise LabelError(f"events must be rows of the {count} bars in strictly ascending order")
    return np.ascontiguousarray(rows, np.int64)


def hole_length(max_gap: int | None, interval: int | None) -> int:
    """The time between two bars (ns) from which on no label spans it.

    Raises
    ------
    LabelError
        If missing bars are to be counted, but not how long a bar is.
    """
    if max_gap is None:
        return int(NEVER)
    if interval is None or interval < 1:
        raise LabelError(
            f"max_gap is {max_gap} bars, but the bars' interval is {interval}: give it, or max_gap=None for bars that "
            "follow no clock"
        )
    return min((max_gap + 1) * interval, int(NEVER))


def barrier_labels(
    bars: NDArray[np.void],
    target: NDArray[np.float64],
    config: BarrierConfig,
    *,
    interval: int | None = None,
    events: NDArray[np.int64] | None = None,
    side: NDArray[np.float64] | None = None,
) -> Labels:
    """The triple-barrier labels of one series.

    Parameters
    ----------
    bars
        BAR records in order, shape (n,).
    target
        Unit of the barriers as a log return, known at each bar's end, shape (n,): for example a per-bar volatility
        times the root of the horizon. Rows where it is NaN, not positive or infinite have no label.
    config
        The barriers.
    interval
        The bars' grid (ns), by which missing bars are counted; not needed with ``max_gap=None``.
    events
        Decision bars, ascending rows, shape (events,); every bar if None.
    side
        What a primary model says at each bar, shape (n,): above zero long, below zero short, zero or NaN no bet and no
        label.

    Returns
    -------
    Labels
        For the events that have one. ``move`` is the price's log return from entry to exit, ``t1`` the deciding bar's
        end. Without a side ``label`` is 1 where the move is positive, else 0, and a move of zero is left out; with
        one it is 1 where the bet made money. With ``both="stop_first"`` a bar that touches both is marked `BOTH` and
        leaves at the stop. Labels whose prices are missing are left out.

    Raises
    ------
    LabelError
        If the arrays differ in length, the events are not ascending rows, or the interval is missing.

    Notes
    -----
    Compiled: O(events × bars held). AFML's snippets 3.2 to 3.7 differ in three ways: they enter at the decision bar's
    close, which cannot be traded any more; they look at closes only (``touch="close"``); and they touch a barrier by
    going strictly beyond it.

    References
    ----------
    López de Prado (2018), *Advances in Financial Machine Learning*, sections 3.3 to 3.6.

    Examples
    --------
    A long and a short bet on the same path, with a near take-profit and a far stop:

    >>> from market.bars import BAR
    >>> bars = np.zeros(5, BAR)
    >>> bars["start"], bars["end"] = np.arange(5), np.arange(1, 6)
    >>> for field, values in zip(("open", "high", "low", "close"), ([100] * 5, [101] * 5, [100, 100, 98, 100, 100])):
    ...     bars[field] = values
    >>> bars["close"] = [100, 100, 99, 100, 100]
    >>> config = BarrierConfig(take_profit=1, stop_loss=3, horizon=3)
    >>> target, events = np.full(5, 0.015), np.array([0])
    >>> for side in (1.0, -1.0):
    ...     found = barrier_labels(bars, target, config, interval=1, events=events, side=np.full(5, side))
    ...     print(found.label, found.t1, found.touched, found.move.round(4))
    [0] [4] [0] [0.]
    [1] [3] [2] [-0.015]
    """
    found = resolve(bars, target, config, interval, events, side)
    kept = (found.exit != NONE) & np.isfinite(found.move)
    if side is None:
        kept &= found.move != 0.0
    index = np.flatnonzero(kept)
    row, move = found.row[index], found.move[index]
    won = move > 0 if side is None else move * np.sign(np.asarray(side, np.float64)[row]) > 0
    return Labels(
        row=row,
        start=bars["start"][row + 1 + config.delay],
        t1=bars["end"][found.exit[index]],
        label=won.astype(np.int64),
        move=move,
        touched=found.touched[index],
    )


def barrier_classes(labels: Labels) -> NDArray[np.int64]:
    """Three classes of triple-barrier labels: the sign of the move, or 0 where the vertical barrier decided.

    The labels of López de Prado 2018, exercise 3.3: after a vertical barrier nothing has happened. Shape (n,).

    Examples
    --------
    >>> one = np.arange(3)
    >>> barrier_classes(Labels(one, one, one, one, np.array([0.02, -0.02, 0.01]), np.array([UPPER, LOWER, VERTICAL])))
    array([ 1, -1,  0])
    """
    found: NDArray[np.int64] = np.where(labels.touched == VERTICAL, 0, np.sign(labels.move)).astype(np.int64)
    return found
