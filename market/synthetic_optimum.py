r"""The best possible predictor of a synthetic market's labels: E[label | observed bars], and what it is worth.

**Probability.** The filter of `market.synthetic_filter` turns an instrument's bars up to t into equally weighted
particles of the hidden state; `market.synthetic_paths` runs the market's equations forward from them and counts
labels. By the sufficiency stated in `market.synthetic`, no function of the instrument's bars predicts better, up to
rounding to tick and lot (about 1e-4 of a bar's volatility). Where ``common_drift`` is above zero, other
instruments' bars would help: the optimum is then that of a predictor of one instrument at a time, as the ensemble
is.

**Information gain.** The log-loss reduction against the base rate, which by symmetry is one half. A predictor q of
rows whose true probabilities are p gains, on average over all labels that could have been,

.. math:: G(q) = \log 2 + \frac{1}{n}\sum_i \bigl[p_i \log q_i + (1 - p_i) \log(1 - q_i)\bigr] \le G(p),

in nats. `Optimum.expected_gain` computes it without the noise of the labels that happened to come: being linear in
p, it is unbiased with an unbiased estimate of p.

**Debiasing.** :math:`G(p)` itself is convex in p, so a noisy estimate overstates it by about :math:`v / (2p(1-p))`
for Monte Carlo variance v. Everything is therefore computed twice, with independent filters and independent paths:
with the halves' estimates :math:`p_1, p_2`, mean :math:`\bar p`, and gain g of one row, the jackknife :math:`2
g(\bar p) - (g(p_1) + g(p_2))/2` has no error of order v left (Quenouille 1956). The halves' resampling noise is in
v too; the filter's own bias, of order 1 over the number of particles, is not removed: between 16 and 1,000
particles the default market's gain moves by less than 0.2 %.

**Errors.** ``standard_error`` is that of the gain as an estimate for the market (rows of any stretch): batch means
over `BLOCKS` spans of time, all instruments together. ``monte_carlo_error`` is that for these very rows: from the
halves' differences alone, by the same spans. When a predictor is compared with the optimum *on the same rows*, the
second one counts.

**What a learner can reach.** A model with k effective parameters, fitted by maximum likelihood to n independent
labels, loses about :math:`k / 2n` nats out of sample. Labels of D bars overlap, so n counts the rows divided by D
(`Optimum.effective_rows`). At the defaults, with 54,000 training rows of mean duration 5.6 bars and an edge of
0.055 nats: 8 weights lose about 8 / 19,300 = 0.0004 nats (0.8 % of the edge), 60 weights 0.003 (6 %), 500 effective
parameters of trees or a recurrent network 0.026 (47 %).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from market.errors import MarketError
from market.synthetic import SyntheticMarket
from market.synthetic_config import SyntheticConfig
from market.synthetic_filter import filter_bars
from market.synthetic_paths import label_probabilities

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]
BLOCKS: Final = 40


@dataclass(frozen=True, slots=True, eq=False)
class Optimum:
    """The best predictor on some rows, in their order; arrays of shape (n,).

    Attributes
    ----------
    instrument, row
        Which bars the decisions follow.
    probability
        E[label | bars up to the row].
    halves
        Its two independent estimates, shape (n, 2); ``probability`` is their mean.
    duration
        Mean number of bars from entry to exit.
    paths
        Simulated from each row.
    """

    instrument: Integers
    row: Integers
    probability: Floats
    halves: Floats
    duration: Floats
    paths: int

    @property
    def row_gain(self) -> Floats:
        """Each row's information gain in nats, debiased (single rows can come out below zero), shape (n,)."""
        pieces = _gain(self.halves[:, 0]) + _gain(self.halves[:, 1])
        return np.asarray(2.0 * _gain(self.probability) - 0.5 * pieces, np.float64)

    @property
    def information_gain(self) -> float:
        """Log-loss reduction against the base rate of one half, in nats per row, debiased."""
        return float(self.row_gain.mean())

    @property
    def standard_error(self) -> float:
        """Of the information gain as an estimate for the market."""
        return self._batch_error(self.row_gain - self.information_gain)

    @property
    def monte_carlo_error(self) -> float:
        """Of the information gain of these very rows: particles and paths alone."""
        inside = np.clip(self.probability, 1e-6, 1.0 - 1e-6)
        slope = np.log(inside / (1.0 - inside))
        return self._batch_error(0.5 * slope * (self.halves[:, 0] - self.halves[:, 1]))

    @property
    def effective_rows(self) -> float:
        """Rows over the mean number of these rows' labels that are alive at a time in one instrument (at least 1)."""
        bars = sum(float(np.ptp(self.row[self.instrument == one])) + 1.0 for one in np.unique(self.instrument))
        return len(self.row) / max(1.0, float(self.duration.sum()) / bars)

    def expected_gain(self, predicted: Floats) -> float:
        """The information gain of another predictor of these rows, averaged over the labels that could have been.

        Parameters
        ----------
        predicted
            P(label = 1), strictly between 0 and 1, shape (n,).

        Raises
        ------
        MarketError
            If the shape differs or a prediction is missing, 0 or 1.
        """
        said = self._checked(predicted)
        truth = self.probability
        return float(np.mean(truth * np.log(2.0 * said) + (1.0 - truth) * np.log(2.0 * (1.0 - said))))

    def share(self, predicted: Floats) -> float:
        """The part of the optimum's information gain that another predictor reaches; arguments as `expected_gain`.

        Raises
        ------
        MarketError
            Also if the optimum gains nothing, as on the null twin.
        """
        gain = self.information_gain
        if gain <= 0.0:
            raise MarketError(f"optimum: its information gain is {gain:g}; nothing has a share in it")
        return self.expected_gain(predicted) / gain

    def realised_gain(self, label: Integers, predicted: Floats | None = None) -> float:
        """The information gain on the labels that came, of another predictor or of the optimum itself.

        The optimum's own is debiased like its expected one: at 256 paths the plain estimate would lose 1 % of the
        default edge to Monte Carlo noise. A probability of 0 or 1, where all paths agree, is pulled in by half a path.

        Parameters
        ----------
        label
            0 or 1, shape (n,).
        predicted
            As in `expected_gain`; None for the optimum.
        """
        if predicted is not None:
            return _realised(label, self._checked(predicted))
        inside = np.clip(self.halves, 1.0 / self.paths, 1.0 - 1.0 / self.paths)
        halves = _realised(label, inside[:, 0]) + _realised(label, inside[:, 1])
        return 2.0 * _realised(label, inside.mean(axis=1)) - 0.5 * halves

    def _checked(self, predicted: Floats) -> Floats:
        if predicted.shape != self.probability.shape:
            raise MarketError(f"predictions of shape {predicted.shape} for {self.probability.shape[0]} rows")
        bad = np.flatnonzero(~((predicted > 0.0) & (predicted < 1.0)))
        if len(bad):
            raise MarketError(
                f"prediction {predicted[bad[0]]} of sample {bad[0]} ({len(bad)} such): a log loss needs probabilities"
                " strictly between 0 and 1; clip them, and leave out rows without a prediction"
            )
        return predicted

    def _batch_error(self, deviation: Floats) -> float:
        span = np.ptp(self.row) + 1
        block = (self.row - self.row.min()) * BLOCKS // span
        sums = np.bincount(block, deviation, minlength=BLOCKS)
        return float(np.sqrt(BLOCKS / (BLOCKS - 1) * np.sum(sums**2)) / len(deviation))


def optimum(
    market: SyntheticMarket,
    volatility: Sequence[Floats],
    instrument: Integers,
    row: Integers,
    *,
    horizon: int,
    barrier: float,
    particles: int = 64,
    paths: int = 256,
    seed: int = 0,
    belief: SyntheticConfig | None = None,
) -> Optimum:
    """Compute the best predictor of triple-barrier directions.

    Parameters
    ----------
    market
        From `market.synthetic.simulate`.
    volatility
        Of each instrument, in the market's order: the per-bar standard deviation of log returns that scales the
        labels' barriers, shape (bars,); any function of the bars up to each row.
    instrument, row
        The decisions, shape (n,), in any order: the number of the instrument, and the bar at whose close it falls.
    horizon
        Bars from the decision to the vertical barrier.
    barrier
        Half width in units of ``volatility * sqrt(horizon)``; touched by closes.
    particles, paths
        Per half, and in all from each row (a multiple of 4).
    seed
        Of the optimum's own Monte Carlo, independent of the market's.
    belief
        Other parameters to believe in; the result is then a well-specified-looking but wrong predictor.

    Raises
    ------
    MarketError
        If shapes disagree, a row does not exist, or a row's volatility is missing or not above zero.

    Examples
    --------
    >>> from market.synthetic import SyntheticConfig, simulate
    >>> market = simulate(SyntheticConfig(instruments=1, bars=400), seed=1)
    >>> rows = np.arange(100, 390)
    >>> best = optimum(market, [np.full(400, 0.003)], np.zeros(290, int), rows, horizon=6, barrier=1.5, paths=64)
    >>> bool(0.0 < best.information_gain < 0.2), best.probability.shape
    (True, (290,))
    """
    width = _widths(market, volatility, instrument, row, barrier * np.sqrt(horizon))
    if paths < 4 or paths % 4 or particles < 1 or horizon < 1:
        raise MarketError(
            f"optimum: {paths} paths, {particles} particles, horizon {horizon}; paths come in two halves of antithetic"
            " pairs (a multiple of 4), particles and horizon are at least 1"
        )
    halves, durations = np.empty((len(row), 2)), np.empty((len(row), 2))
    sequences = np.random.SeedSequence(seed).spawn(2 * len(market.symbols))
    for number, symbol in enumerate(market.symbols):
        mine = np.flatnonzero(instrument == number)
        rows, first, back = np.unique(row[mine], return_index=True, return_inverse=True)
        for half in range(2):
            generators = [
                np.random.Generator(np.random.PCG64(child)) for child in sequences[2 * number + half].spawn(3)
            ]
            kept = filter_bars(belief or market.config, market.bars[symbol], rows, particles, generators[0])
            answer, bars = label_probabilities(
                belief or market.config, kept, width[mine[first]], horizon, paths // 4, *generators[1:]
            )
            halves[mine, half], durations[mine, half] = answer[back], bars[back]
    return Optimum(instrument, row, halves.mean(axis=1), halves, durations.mean(axis=1), paths)


def _widths(
    market: SyntheticMarket, volatility: Sequence[Floats], instrument: Integers, row: Integers, multiple: float
) -> Floats:
    if len(volatility) != len(market.symbols) or instrument.shape != row.shape or not len(row):
        raise MarketError(
            f"optimum: {len(volatility)} volatilities for {len(market.symbols)} instruments, {len(instrument)}"
            f" instrument numbers for {len(row)} rows; they must agree, and there must be rows"
        )
    if (
        instrument.min() < 0
        or instrument.max() >= len(market.symbols)
        or row.min() < 0
        or row.max() >= market.config.bars
    ):
        raise MarketError(f"optimum: rows must lie in [0, {market.config.bars}) of instruments below {len(volatility)}")
    scale = np.empty(len(row))
    for number, values in enumerate(volatility):
        scale[instrument == number] = values[row[instrument == number]]
    bad = np.flatnonzero(~((scale > 0.0) & np.isfinite(scale)))
    if len(bad) or not multiple > 0.0:
        where = f"{scale[bad[0]]} at sample {bad[0]} ({len(bad)} such)" if len(bad) else f"times {multiple}"
        raise MarketError(
            f"optimum: barrier width is volatility {where}; it must be above zero: leave out warm-up rows"
        )
    return multiple * scale


def _gain(probability: Floats) -> Floats:
    """Return log 2 minus the entropy of each probability, in nats."""
    other = 1.0 - probability
    logs = np.log(np.where(probability > 0.0, probability, 1.0)), np.log(np.where(other > 0.0, other, 1.0))
    return np.asarray(np.log(2.0) + probability * logs[0] + other * logs[1], np.float64)


def _realised(label: Integers, said: Floats) -> float:
    return float(np.mean(np.log(2.0 * np.where(label == 1, said, 1.0 - said))))
