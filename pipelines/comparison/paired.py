"""Paired tests of every two runs: log loss on the same decisions, Sharpe ratio on the same days.

Each pair is resampled in blocks of the same time. Among more than two runs there are several pairs, and who looks at
all of them finds more than there is: p-values are adjusted by Holm's method over all pairs that could be tested.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from models.errors import ModelError
from models.statistics.bootstrap import Interval, time_blocks
from models.statistics.paired import Comparison, studentised_sharpe_difference, weighted_difference
from models.statistics.predictions import row_log_loss
from models.statistics.snooping import holm
from models.weights import effective_rows
from pipelines.comparison.find import Contender
from pipelines.comparison.rows import Shared, disagreement, shared_rows
from pipelines.predictions import OutOfFold
from pipelines.results import ENSEMBLE, RunResult

BLOCK_HORIZONS = 8
"""Length of a bootstrap block in label horizons, as where a run's own intervals come from."""
BLOCK_DAYS = 10
DRAWS = 1_999
SEED = 20_260
LEVEL = 0.95


@dataclass(frozen=True, slots=True)
class PairedTest:
    """The first run's figure minus the second's, over ``rows`` that both have; ``adjusted`` for all pairs.

    ``effective``: the independent decisions that the rows are worth; of days, the days. ``lost``: both lost on those
    days. A Sharpe ratio below 0 rises with the risk that is taken, so the higher one is then not the better one.
    """

    rows: int
    effective: float
    difference: Interval
    p_value: float
    adjusted: float
    lost: bool = False

    @property
    def decided(self) -> int:
        """−1 or +1 if the difference is below or above zero beyond chance, after adjustment; 0 if it is not.

        0 also where both lost: nothing then speaks for either.
        """
        low, high = self.difference.low, self.difference.high
        if self.lost or self.adjusted > 1 - LEVEL or low <= 0 <= high:
            return 0
        return 1 if low > 0 else -1


@dataclass(frozen=True, slots=True)
class Pair:
    """Two runs by their places; each test, or why there is none. ``members``: by predictor that both have."""

    one: int
    other: int
    loss: PairedTest | str
    members: dict[str, PairedTest]
    sharpe: PairedTest | str


def pairs(contenders: Sequence[Contender]) -> tuple[Pair, ...]:
    """Every two runs, tested."""
    found = [
        _pair(one, other, contenders[one], contenders[other]) for one, other in combinations(range(len(contenders)), 2)
    ]
    losses, sharpes = adjusted([one.loss for one in found]), adjusted([one.sharpe for one in found])
    return tuple(
        replace(one, loss=loss, sharpe=sharpe) for one, loss, sharpe in zip(found, losses, sharpes, strict=True)
    )


def adjusted(tests: Sequence[PairedTest | str]) -> list[PairedTest | str]:
    """The same tests with p-values that allow for all of them."""
    made = [place for place, test in enumerate(tests) if isinstance(test, PairedTest)]
    found = list(tests)
    p_values = np.array([test.p_value for test in tests if isinstance(test, PairedTest)])
    for place, value in zip(made, holm(p_values), strict=True):
        test = found[place]
        if isinstance(test, PairedTest):
            found[place] = replace(test, adjusted=float(value))
    return found


def _pair(one: int, other: int, left: Contender, right: Contender) -> Pair:
    losses = _losses(left.predictions, right.predictions)
    sharpe = _tried(lambda: sharpe_test(left.result, right.result))
    if isinstance(losses, str):
        return Pair(one, other, losses, {}, sharpe)
    return Pair(one, other, losses[ENSEMBLE], {name: test for name, test in losses.items() if name != ENSEMBLE}, sharpe)


def _losses(one: OutOfFold | None, other: OutOfFold | None) -> dict[str, PairedTest] | str:
    if one is None or other is None:
        return "a run of before predictions were kept is among them; train it again"
    shared = shared_rows(one, other)
    refused = disagreement(one, other, shared)
    if refused:
        return refused
    try:
        return loss_tests(one, other, shared)
    except ModelError as error:
        return str(error)


def loss_tests(one: OutOfFold, other: OutOfFold, shared: Shared) -> dict[str, PairedTest]:
    """The log losses of every predictor that both runs have, on the rows that both predicted.

    A row weighs the mean of its two average uniquenesses.

    Raises
    ------
    ModelError
        If the rows are too few to resample.
    """
    label = one.label[shared.one].astype(np.int64)
    weight = (one.weight[shared.one] + other.weight[shared.other]) / 2
    horizon = max(one.horizon, other.horizon)
    blocks = time_blocks(one.time[shared.one], horizon, BLOCK_HORIZONS, DRAWS, SEED)

    def test(name: str) -> PairedTest:
        left = row_log_loss(label, one.probability[name][shared.one])
        right = row_log_loss(label, other.probability[name][shared.other])
        done = weighted_difference(left, right, weight, blocks, LEVEL)
        return _test(len(label), effective_rows(weight), done)

    return {name: test(name) for name in one.probability if name in other.probability}


def daily_returns(result: RunResult) -> tuple[NDArray[np.int64], NDArray[np.float64]] | None:
    """The days' ends and the strategy's returns after costs on them; None where nothing was traded."""
    if result.laboratory is None:
        return None
    mine = [one.returns for one in result.laboratory.strategies if one.name == ENSEMBLE]
    return (result.laboratory.days, mine[0]) if mine else None


def sharpe_test(one: RunResult, other: RunResult) -> PairedTest | str:
    """The annual Sharpe ratios on the days that both traded; Ledoit and Wolf's studentised bootstrap.

    Raises
    ------
    ModelError
        If the days are too few, or the returns do not vary or are the same.
    """
    found = daily_returns(one), daily_returns(other)
    if found[0] is None or found[1] is None or one.backtest is None:
        return "one of them traded nothing"
    _, left, right = np.intersect1d(found[0][0], found[1][0], return_indices=True)
    if len(left) == 0:
        return "they traded on no day in common"
    returns = found[0][1][left], found[1][1][right]
    done = studentised_sharpe_difference(*returns, BLOCK_DAYS, DRAWS, np.random.default_rng(SEED), LEVEL)
    scale = float(one.backtest.net_performance.periods_per_year**0.5)
    years = Interval(*(scale * bound for bound in (done.difference.value, done.difference.low, done.difference.high)))
    test = _test(len(left), len(left), Comparison(years, done.p_value))
    return replace(test, lost=all(float(each.mean()) < 0 for each in returns))


def _test(rows: int, effective: float, found: Comparison) -> PairedTest:
    return PairedTest(rows, float(effective), found.difference, found.p_value, found.p_value)


def _tried(work: Callable[[], PairedTest | str]) -> PairedTest | str:
    try:
        return work()
    except ModelError as error:
        return str(error)
