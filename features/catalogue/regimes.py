"""Regimes: which state the market is in by what is known so far, and where volatility stands in its recent past."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from features.blocks import LOG_RETURN, SQUARED_RETURN, apply, span_ewma
from features.errors import FeatureError
from features.feature import Feature
from features.kernels import markov, ranks, ratios
from features.nodes import COUNT, Fitted, Node, Part, Ring, Value

Floats = NDArray[np.float64]

SLOW_SPAN = 384
SETTLING = 96
"""Bars that the filter sees before its probabilities are used: its first prior knows nothing."""
PER_STATE = 200
"""The fewest training rows for each state."""
LEAST_TRANSITION = 1e-5
LEAST_VARIANCE = 1e-4  # of the variance of all training rows
ROUNDS, ENOUGH = 200, 1e-7  # iterations at most, and the gain in log likelihood per row that ends them
SPREAD = {2: (0.6, 1.5), 3: (0.5, 1.0, 2.0)}
"""The first deviations, in units of that of all rows."""


@dataclass(frozen=True, slots=True)
class MarkovFit:
    """Maximum likelihood of a Gaussian hidden Markov model by expectation and maximisation (Baum–Welch).

    It begins at `SPREAD`, equal means and states that stay with probability 0.95, and nothing in it is random. Each run
    begins anew with a uniform prior. States are ordered by their deviation, the calm one first. Transitions are at
    least 1e-5 and variances at least 1e-4 of that of all rows, so no state can vanish.
    """

    states: int

    def __call__(self, runs: Sequence[Floats]) -> list[float]:
        """Transitions row by row, means, inverse deviations, log deviations: see `features.kernels.markov.layout`."""
        series = [np.ascontiguousarray(run[:, 0]) for run in runs]
        rows = sum(len(one) for one in series)
        if rows < self.states * PER_STATE:
            raise FeatureError(f"{rows} returns after warm-up for {self.states} states need {PER_STATE} each")
        everything = np.concatenate(series)
        variance = float(everything.var())
        if not variance > 0.0:
            raise FeatureError("their returns do not vary")
        stay = np.full((self.states, self.states), 0.05 / (self.states - 1))
        np.fill_diagonal(stay, 0.95)
        deviation = np.sqrt(variance) * np.array(SPREAD[self.states])
        values = flat(stay, np.full(self.states, everything.mean()), deviation)
        before = -np.inf
        for _ in range(ROUNDS):
            likelihood, sums = self.expect(series, values)
            if likelihood - before < ENOUGH * rows:
                break
            before, values = likelihood, self.maximised(sums, variance)
        found: list[float] = values.tolist()
        return found

    def expect(self, series: Sequence[Floats], values: Floats) -> tuple[float, Floats]:
        """The log likelihood of all runs, and their sums."""
        sums = np.zeros(markov.layout(self.states)[-1])
        likelihood = 0.0
        for one in series:
            likelihood += markov.expectations(one, values, self.states, np.empty((len(one), 2 * self.states)), sums)
        return likelihood, sums

    def maximised(self, sums: Floats, variance: float) -> Floats:
        """The most likely parameters given the sums, in the order of their deviations."""
        transitions, weight, first, second = np.split(sums, np.cumsum([self.states**2, self.states, self.states]))
        weight = np.maximum(weight, 1e-12)
        mean = first / weight
        deviation = np.sqrt(np.maximum(second / weight - mean * mean, LEAST_VARIANCE * variance))
        order = np.argsort(deviation, kind="stable")
        counts = transitions.reshape(self.states, self.states)[np.ix_(order, order)]
        shares = np.maximum(counts / np.maximum(counts.sum(axis=1, keepdims=True), 1e-12), LEAST_TRANSITION)
        return flat(shares / shares.sum(axis=1, keepdims=True), mean[order], deviation[order])


def flat(transitions: Floats, mean: Floats, deviation: Floats) -> Floats:
    """Parameters in the filter's layout."""
    return np.concatenate([transitions.ravel(), mean, 1.0 / deviation, np.log(deviation)])


def slow_scaled_return() -> Node:
    """The log return in units of its slow volatility: one model serves instruments of any volatility."""
    inverse = apply(ratios.inverse_root, span_ewma(SQUARED_RETURN, SLOW_SPAN))
    return apply(ratios.scaled, LOG_RETURN, inverse, params=(1.0,))


def regime(name: str, place: int, states: int) -> Feature:
    """The filtered probability of one state."""
    seen = slow_scaled_return()
    fitted = Fitted(f"hidden_markov_{states}", markov.layout(states)[-1], (seen,), MarkovFit(states))
    inputs = (seen, fitted)
    node = Node(
        markov.filter_step, inputs, (states,), floats=2 * states + 1, outputs=3, delay=SETTLING - 1, recursive=True
    )
    meaning = (
        f"probability, given the bars so far, of the {name} one of {states} states: a Gaussian hidden Markov model of "
        f"log return / ewma_volatility_{SLOW_SPAN}, fitted on training bars"
    )
    source = "Hamilton 1989; Rabiner 1989"
    label = f"regime_{name}_{states}"
    return Feature(label, Part(node, place), 1.0, "probability", meaning, source, {"states": states}, "expensive")


def rank(name: str, value: Value, window: int, slack: tuple[float, float], what: str, **spans: int) -> Feature:
    """Where a value stands among its last ones."""
    node = Node(ranks.rank_share, (value, Ring(value, window), COUNT), (window, *slack), delay=window - 1)
    meaning = f"share of the {window - 1} values before that {what} exceeds, 0 to 1; those within 1e-9 of it count half"
    parameters = {**spans, "window": window}
    label = "_".join([name, *map(str, parameters.values())])
    return Feature(label, node, 1.0, "1", meaning, "own", parameters, "expensive")


def volatility_rank(span: int, window: int) -> Feature:
    """Volatility in its recent past."""
    variance = span_ewma(SQUARED_RETURN, span)
    return rank("volatility_rank", variance, window, (1e-9, 0.0), f"the square of ewma_volatility_{span}", span=span)


def volatility_ratio_rank(fast: int, slow: int, window: int) -> Feature:
    """Fast against slow volatility in its recent past."""
    pair = (span_ewma(SQUARED_RETURN, fast), span_ewma(SQUARED_RETURN, slow))
    ratio = apply(ratios.log_level_ratio, *pair, params=(0.5,))
    what = f"log(ewma_volatility_{fast} / ewma_volatility_{slow})"
    return rank("volatility_ratio_rank", ratio, window, (0.0, 1e-9), what, fast=fast, slow=slow)


FEATURES = (
    regime("turbulent", 1, 2),
    regime("calm", 0, 3),
    regime("turbulent", 2, 3),
    volatility_rank(24, 384),
    volatility_ratio_rank(12, 96, 384),
)
