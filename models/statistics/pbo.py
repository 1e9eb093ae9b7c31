"""The probability of backtest overfitting, by combinatorially symmetric cross-validation (CSCV).

Time is cut into S blocks. Each way of choosing half of them is a split: the strategy that is best on the chosen half
(in sample) is ranked among all on the other half (out of sample). If choosing works, it ranks high there; if the choice
was luck, it ranks anywhere. Source: Bailey, Borwein, López de Prado and Zhu (2017, 'The probability of backtest
overfitting'). Splits share their rows: they are not independent, and no binomial interval holds for their share.

Sums and sums of squares of returns add up over blocks, so a split costs two additions a strategy: the sums of every
subset of the first S / 2 blocks and of the last S / 2 are tabulated, and a half is one entry of each table.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from market.jit import kernel
from models.errors import ModelError

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]
Metric = Literal["sharpe", "mean"]
FLAT = 1e-12
"""A variance of less than this share of the mean square is rounding: the strategy did not vary."""
MOST_BLOCKS = 20


@kernel
def score(
    low: Floats,
    high: Floats,
    low_count: Integers,
    high_count: Integers,
    subset: int,
    half: int,
    ratio: bool,
    out: Floats,
) -> None:
    """Each strategy's metric over a subset of blocks; tables of sums and sums of squares, (subsets, 2, strategies)."""
    first, last = subset & ((1 << half) - 1), subset >> half
    count = float(low_count[first] + high_count[last])
    if ratio:
        for one in range(out.shape[0]):
            total = low[first, 0, one] + high[last, 0, one]
            square = low[first, 1, one] + high[last, 1, one]
            mean = total / count
            spread = square - total * mean
            varies = spread > FLAT * square
            deviation = math.sqrt((spread if varies else 1.0) / (count - 1.0))
            out[one] = mean / deviation if varies else 0.0
    else:
        for one in range(out.shape[0]):
            out[one] = (low[first, 0, one] + high[last, 0, one]) / count


@kernel
def judge(inside: Floats, outside: Floats, split: int, chosen: Integers, scores: Floats) -> None:
    """Choose the best inside (the first of equals); note its scores on both sides and its rank outside, ties shared."""
    best = 0
    for one in range(1, inside.shape[0]):
        if inside[one] > inside[best]:
            best = one
    value = outside[best]
    less, equal = 0, 0
    for one in range(outside.shape[0]):
        less += outside[one] < value
        equal += outside[one] == value
    chosen[split] = best
    scores[split, 0], scores[split, 1] = inside[best], value
    scores[split, 2] = less + (equal + 1) / 2.0


@kernel
def judge_all(
    low: Floats, high: Floats, low_count: Integers, high_count: Integers, subsets: Integers, half: int, ratio: bool,
    chosen: Integers, scores: Floats,
) -> None:  # fmt: skip
    """Judge every split; subsets in rising order, so that the k-th from the end is the k-th's complement."""
    one, other = np.empty(low.shape[2]), np.empty(low.shape[2])
    splits = subsets.shape[0]
    for split in range(splits // 2):
        mirror = splits - 1 - split
        score(low, high, low_count, high_count, subsets[split], half, ratio, one)
        score(low, high, low_count, high_count, subsets[mirror], half, ratio, other)
        judge(one, other, split, chosen, scores)
        judge(other, one, mirror, chosen, scores)


@dataclass(frozen=True, slots=True)
class Degradation:
    """The line ``out of sample = intercept + slope × in sample`` over all splits, and its R²."""

    intercept: float
    slope: float
    r_squared: float


@dataclass(frozen=True, slots=True, eq=False)
class Overfitting:
    """What became of the best strategy in every split; arrays of shape (splits,).

    ``chosen`` is its column, ``in_sample`` and ``out_of_sample`` its metric per period, ``rank`` its rank out of sample
    from 1, the worst; equal strategies share their mean rank. In split k the blocks in ``subsets[k]`` (bit b: block b)
    were in sample.
    """

    strategies: int
    subsets: Integers
    chosen: Integers
    in_sample: Floats
    out_of_sample: Floats
    rank: Floats

    @property
    def logits(self) -> Floats:
        """ln(ω / (1 − ω)) of the relative rank ω = rank / (strategies + 1) (ibid.)."""
        found: Floats = np.log(self.rank / (self.strategies + 1.0 - self.rank))
        return found

    @property
    def probability(self) -> float:
        """PBO: share of splits in which the best in sample is not above the median out of sample (logit ≤ 0)."""
        return float((2.0 * self.rank <= self.strategies + 1).mean())

    @property
    def probability_of_loss(self) -> float:
        """Share of splits in which the best in sample loses out of sample (ibid.)."""
        return float((self.out_of_sample < 0).mean())

    @property
    def degradation(self) -> Degradation:
        """Degradation (ibid.): how the chosen strategy's metric carries over; it falls if luck was chosen."""
        x, y = self.in_sample - self.in_sample.mean(), self.out_of_sample - self.out_of_sample.mean()
        xx, xy, yy = float(x @ x), float(x @ y), float(y @ y)
        slope = xy / xx if xx > 0 else float("nan")
        intercept = float(self.out_of_sample.mean()) - slope * float(self.in_sample.mean())
        return Degradation(intercept, slope, xy * xy / (xx * yy) if xx * yy > 0 else float("nan"))


def overfitting(returns: Floats, blocks: int = 16, metric: Metric = "sharpe") -> Overfitting:
    """Judge a table of strategies by all C(S, S / 2) splits of time.

    Parameters
    ----------
    returns
        Of every strategy that was tried, per period, shape (rows, strategies): leaving out the bad ones hides the
        overfitting. A strategy that does not vary on a half has no Sharpe ratio there and counts as zero.
    blocks
        The paper's S, even, 2 to 20. Rows that do not divide evenly make blocks whose lengths differ by one. Blocks
        must be long against the labels' horizon, or neighbours share information.
    metric
        ``"sharpe"`` or ``"mean"``.

    Raises
    ------
    ModelError
        If there are fewer than two strategies, fewer than two rows a block, a number of blocks that is odd or out of
        range, or a value that is not finite.

    Examples
    --------
    >>> noise = np.random.default_rng(5).normal(size=(600, 20))
    >>> noise[:, 7] += 0.3
    >>> found = overfitting(noise, 6)
    >>> len(found.logits), found.probability, set(found.chosen.tolist())
    (20, 0.0, {7})
    """
    low, high, subsets = _tables(returns, blocks, metric)
    chosen, scores = np.empty(len(subsets), np.int64), np.empty((len(subsets), 3))
    judge_all(low[0], high[0], low[1], high[1], subsets, blocks // 2, metric == "sharpe", chosen, scores)
    inside, outside, rank = np.ascontiguousarray(scores.T)
    return Overfitting(returns.shape[1], subsets, chosen, inside, outside, rank)


def split_scores(returns: Floats, blocks: int = 16, metric: Metric = "sharpe") -> Floats:
    """Every strategy's metric on every half, shape (splits, strategies); in the order of `Overfitting.subsets`.

    As halves come in pairs, these are the metrics in sample, and, read from the end, out of sample. Parameters and
    errors as in `overfitting`.

    Examples
    --------
    >>> split_scores(np.array([[1.0, 0.0], [3.0, 0.0], [0.0, 2.0], [0.0, 4.0]]), 2, "mean")
    array([[2., 0.],
           [0., 3.]])
    """
    low, high, subsets = _tables(returns, blocks, metric)
    found = np.empty((len(subsets), returns.shape[1]))
    for split, subset in enumerate(subsets):
        score(low[0], high[0], low[1], high[1], subset, blocks // 2, metric == "sharpe", found[split])
    return found


Table = tuple[Floats, Integers]


def _tables(returns: Floats, blocks: int, metric: str) -> tuple[Table, Table, Integers]:
    if blocks % 2 or not 2 <= blocks <= MOST_BLOCKS:
        raise ModelError(f"{blocks} blocks: an even number from 2 to {MOST_BLOCKS} is needed")
    if returns.ndim != 2 or returns.shape[1] < 2 or len(returns) < 2 * blocks:
        raise ModelError(f"returns of shape {returns.shape}: {blocks} blocks need {2 * blocks} rows and two strategies")
    if metric not in ("sharpe", "mean"):
        raise ModelError(f"metric {metric!r} is not sharpe or mean")
    values = np.ascontiguousarray(returns, np.float64)
    if not np.isfinite(values).all():
        raise ModelError(f"{int((~np.isfinite(values)).sum())} returns are not finite: a missing return is not a zero")
    edge = np.arange(blocks + 1) * len(values) // blocks
    sums = np.stack([np.add.reduceat(values, edge[:-1]), np.add.reduceat(values * values, edge[:-1])], axis=1)
    half, every = blocks // 2, np.arange(1 << blocks)
    subsets = every[np.bitwise_count(every) == half].astype(np.int64)
    return _subset_sums(sums[:half], np.diff(edge)[:half]), _subset_sums(sums[half:], np.diff(edge)[half:]), subsets


def _subset_sums(sums: Floats, counts: Integers) -> Table:
    """Sums over every subset of some blocks, subset k being the bits of k: shape (2 ** blocks, …)."""
    total, count = np.zeros((1 << len(sums), *sums.shape[1:])), np.zeros(1 << len(sums), np.int64)
    for block in range(len(sums)):
        size = 1 << block
        total[size : 2 * size] = total[:size] + sums[block]
        count[size : 2 * size] = count[:size] + counts[block]
    return total, count


@dataclass(frozen=True, slots=True, eq=False)
class Dominance:
    """Distribution functions of two samples at the points of both, and whether the first sample dominates."""

    points: Floats
    chosen: Floats
    others: Floats
    first_order: bool
    second_order: bool


def stochastic_dominance(chosen: Floats, others: Floats) -> Dominance:
    """Whether choosing in sample beats drawing any strategy, for whoever likes more (and, second order, dislikes risk).

    Source: ibid. First order: F of the chosen is nowhere above F of the others, and below somewhere.
    Second order: the same of its integral.

    Parameters
    ----------
    chosen
        `Overfitting.out_of_sample`, or any sample.
    others
        All of `split_scores`, or any sample.

    Examples
    --------
    >>> found = stochastic_dominance(np.array([1.0, 2.0]), np.array([0.0, 2.0]))
    >>> found.first_order, found.second_order
    (True, True)
    """
    one, other = np.sort(chosen, axis=None), np.sort(others, axis=None)
    points = np.unique(np.concatenate([one, other]))
    below = np.searchsorted(one, points, side="right") / len(one)
    under = np.searchsorted(other, points, side="right") / len(other)
    gap = under - below
    area = np.cumsum(gap[:-1] * np.diff(points))
    return Dominance(
        points,
        below,
        under,
        bool((gap >= 0).all() and (gap > 0).any()),
        bool((area >= -1e-12).all() and (area > 1e-12).any()),
    )
