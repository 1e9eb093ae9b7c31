"""What bars to build: kind, threshold, and where the side of a trade comes from."""

from __future__ import annotations

import hashlib
import math
from typing import Final, Literal, get_args

import msgspec

from market.errors import MarketError

Measure = Literal["tick", "volume", "dollar"]
BarKind = Literal[
    "time",
    "tick",
    "volume",
    "dollar",
    "tick_imbalance",
    "volume_imbalance",
    "dollar_imbalance",
    "tick_run",
    "volume_run",
    "dollar_run",
]
Sides = Literal["source", "tick_rule"]

KINDS: Final[tuple[BarKind, ...]] = get_args(BarKind)
MEASURES: Final[tuple[Measure, ...]] = get_args(Measure)
LARGEST: Final = 2**62


class Adaptive(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A threshold that follows the market: expected trades per bar times expected imbalance per trade.

    Both expectations are those at the end of the bar before, and stand until the bar in progress ends (López de Prado
    2018, ch. 2).

    Attributes
    ----------
    expected_ticks
        Trades in the first bar, which gives the first estimate of the imbalance, and the first expectation of trades
        per bar.
    bar_span
        Span, in bars, of the exponential average of trades per bar (weight 2 / (span + 1)).
    trade_span
        Span, in rows of trades, of the exponential averages of the amounts bought and sold per trade. For run bars the
        product P[buy] E[amount | buy] of the book is estimated at once, as the average of the amount if bought.
    least_ticks, most_ticks
        No bar has fewer trades than ``least_ticks``, and every bar is closed once it has ``most_ticks``: the expected
        trades per bar cannot leave these bounds either. Without them adaptive thresholds are known to run away: a
        balanced market makes them collapse to bars of one trade, an imbalance that ends makes a bar that never does.

    Raises
    ------
    MarketError
        If a number is out of order.
    """

    expected_ticks: int
    bar_span: float
    trade_span: float
    least_ticks: int
    most_ticks: int

    def __post_init__(self) -> None:
        ticks = (self.least_ticks, self.expected_ticks, self.most_ticks)
        if not 1 <= self.least_ticks <= self.expected_ticks <= self.most_ticks < LARGEST:
            raise MarketError(f"least, expected and most ticks {ticks} of adaptive bars must be ascending, from 1")
        for name, span in (("bar_span", self.bar_span), ("trade_span", self.trade_span)):
            if not 1 <= span < math.inf:
                raise MarketError(f"{name} {span!r} of adaptive bars must be at least 1 and finite")


class BarSpec(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Which bars to build from trades.

    Attributes
    ----------
    kind
        ``time``, or ``tick``, ``volume``, ``dollar``, or one of these with ``_imbalance`` or ``_run``.
    interval
        Of time bars, in nanoseconds; None otherwise.
    threshold
        Of all other bars: trades, base asset or quote asset. None with ``adaptive``.
    adaptive
        Of imbalance and run bars, in place of ``threshold``.
    sides
        ``source`` takes each trade's own side; ``tick_rule`` gives every trade the sign of the last price change,
        an estimate for sources without sides (López de Prado 2018, ch. 2). Before the first price change the side is
        unknown: it adds nothing to an imbalance.

    Raises
    ------
    MarketError
        If the parts do not belong together.

    Examples
    --------
    >>> BarSpec("dollar", threshold=1e6).measure
    'dollar'
    >>> BarSpec("time", threshold=5.0)
    Traceback (most recent call last):
    market.errors.MarketError: time bars need an interval above zero and no threshold
    """

    kind: BarKind
    interval: int | None = None
    threshold: float | None = None
    adaptive: Adaptive | None = None
    sides: Sides = "source"

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise MarketError(f"bars of kind {self.kind!r} are not built; these are: {', '.join(KINDS)}")
        if self.sides not in get_args(Sides):
            raise MarketError(f"sides {self.sides!r} are neither 'source' nor 'tick_rule'")
        if self.kind == "time":
            self._check_time()
        else:
            self._check_threshold()

    @property
    def measure(self) -> Measure:
        """What is counted: trades, base asset or quote asset; trades for time bars, which count nothing."""
        return next((measure for measure in MEASURES if self.kind.startswith(measure)), "tick")

    @property
    def needs_sides(self) -> bool:
        """Whether a bar's end depends on the trades' sides."""
        return self.kind.endswith(("_imbalance", "_run"))

    @property
    def digest(self) -> bytes:
        """SHA-256 of all parts."""
        return hashlib.sha256(msgspec.json.encode(self)).digest()

    def _check_time(self) -> None:
        if self.interval is None or not 0 < self.interval < LARGEST or self.threshold is not None or self.adaptive:
            raise MarketError("time bars need an interval above zero and no threshold")

    def _check_threshold(self) -> None:
        if self.interval is not None:
            raise MarketError(f"{self.kind} bars have no interval; give a threshold")
        if self.adaptive is not None and not self.needs_sides:
            raise MarketError(
                f"{self.kind} bars have a fixed threshold; only imbalance and run bars have adaptive ones"
            )
        if (self.threshold is None) == (self.adaptive is None):
            raise MarketError(f"{self.kind} bars need a threshold or the parameters of an adaptive one, and not both")
        if self.threshold is not None and not 0 < self.threshold < math.inf:
            raise MarketError(f"threshold {self.threshold!r} of {self.kind} bars must be above zero and finite")
