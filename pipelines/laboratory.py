"""What the honest laboratory found about a run's strategies: typed values that report and tracking are made from.

Sharpe ratios are annual, of daily returns, unless said otherwise; times are int64 nanoseconds UTC.
"""

from __future__ import annotations

import msgspec
import numpy as np
from numpy.typing import NDArray

from pipelines.estimate import Estimate, Number, WithTotalReturn


class Strategy(WithTotalReturn, frozen=True, eq=False):
    """One predictor traded by the run's rules, after costs; ``returns`` are daily, shape (days,)."""

    name: str
    sharpe: Estimate
    trades: int
    returns: NDArray[np.float64]


class Path(WithTotalReturn, frozen=True):
    """One out-of-sample path through the whole history."""

    sharpe: Estimate
    trades: int


class Paths(msgspec.Struct, frozen=True):
    """Combinatorial purged cross-validation: ``splits`` fits of ``members`` make as many paths as there are here.

    ``information_gain`` of the members' mean on each path, nats per decision; its interval redraws blocks of the path's
    time, and is missing where there is too little of it and in results of before it was kept.
    """

    groups: int
    test_groups: int
    splits: int
    members: tuple[str, ...]
    paths: tuple[Path, ...]
    information_gain: tuple[Number, ...]
    information_gain_interval: tuple[tuple[float, float] | None, ...] = ()

    @property
    def gains(self) -> tuple[Estimate, ...]:
        """Each path's information gain with its interval, if that is known."""
        known = self.information_gain_interval or (None,) * len(self.information_gain)
        pairs = zip(self.information_gain, known, strict=True)
        return tuple(Estimate(value, *(bounds or ())) for value, bounds in pairs)


class Overfitting(msgspec.Struct, frozen=True, eq=False):
    """The probability of backtest overfitting (CSCV) of choosing the best of some strategies.

    ``among`` says which; ``logits`` (splits,) of the chosen one's rank out of sample, ``loss_probability`` how often it
    loses there.
    """

    among: str
    strategies: int
    days: int
    blocks: int
    probability: Number
    loss_probability: Number
    logits: NDArray[np.float64]


class Deflated(msgspec.Struct, frozen=True):
    """The net Sharpe ratio judged against what the best of all trials would reach by luck.

    ``luck`` is the expected maximum, annual, of as many Sharpe ratios of zero as there are independent trials in the
    ledger, whose spread is ``spread`` a year. ``probabilistic``: the probability that the true ratio is above zero;
    ``deflated``: above the luck; ``by_all``: above the luck of all distinct trials, as if none were alike.
    """

    luck: Number
    spread: Number
    probabilistic: Number
    deflated: Number
    by_all: Number


class Snooping(msgspec.Struct, frozen=True):
    """Whether the best of all strategies beats a benchmark, after allowing for having looked at all of them.

    ``reality_check`` is White's p-value, ``spa`` Hansen's consistent one (``spa_lower`` and ``spa_upper`` beside it);
    ``superior`` are the strategies that Romano and Wolf's stepdown singles out at 5 %.
    """

    benchmark: str
    best: str
    reality_check: Number
    spa: Number
    spa_lower: Number
    spa_upper: Number
    superior: tuple[str, ...]


class Sensitivity(WithTotalReturn, frozen=True):
    """The same decisions in another world: costs times ``costs``, latency ``latency_ms``."""

    costs: float
    latency_ms: float
    sharpe: Estimate


class Regime(WithTotalReturn, frozen=True):
    """Predictions and trading in one state of the market; thresholds are those of the training data."""

    kind: str
    name: str
    decisions: int
    effective: float
    information_gain: Estimate
    auc: Estimate
    days: int
    sharpe: Estimate


class Laboratory(msgspec.Struct, frozen=True, eq=False, kw_only=True):
    """Everything the laboratory found."""

    strategies: tuple[Strategy, ...]
    days: NDArray[np.int64]
    paths: Paths | None
    overfitting: tuple[Overfitting, ...]
    deflated: Deflated
    snooping: tuple[Snooping, ...]
    sensitivities: tuple[Sensitivity, ...]
    regimes: tuple[Regime, ...]
