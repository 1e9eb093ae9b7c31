"""Gaussian hidden Markov models: one step of the forward filter, and one pass of expectations to fit them.

The filter gives the probability of each state *given the values so far*; what is known only later (smoothing, Viterbi
paths) never enters. Parameters are one flat array, see `layout`. Source: Rabiner 1989; Hamilton 1989.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from market.jit import kernel

Floats = NDArray[np.float64]

NOTHING = 1e-120  # probabilities are flushed to zero long before doubles lose their precision


def layout(states: int) -> tuple[int, int, int, int]:
    """Where the means, inverse deviations and log deviations begin, behind the rows of transitions, and the size.

    Examples
    --------
    >>> layout(2)
    (4, 6, 8, 10)
    """
    square = states * states
    return square, square + states, square + 2 * states, square + 3 * states


@kernel
def log_density(values: Floats, at: int, states: int, one: int, x: float) -> float:
    """The logarithm of a state's normal density at x, without the constant."""
    base = at + states * states
    z = (x - values[base + one]) * values[base + states + one]
    density: float = -0.5 * z * z - values[base + 2 * states + one]
    return density


@kernel
def filter_step(state: Floats, at: int, x: float, fitted: int, states: int) -> tuple[float, float, float]:
    """The probabilities of the states after one more value; of two states the third is 0.

    State: probabilities[states], their successors[states], whether there was a value before. The first prior is
    uniform.
    """
    following = at + states
    most = -math.inf
    for one in range(states):
        prior = 1.0 / states
        if state[at + 2 * states] > 0.0:
            prior = 0.0
            for before in range(states):
                prior += state[at + before] * state[fitted + before * states + one]
        state[following + one] = prior
        most = max(most, log_density(state, fitted, states, one, x))
    state[at + 2 * states] = 1.0
    total = 0.0
    for one in range(states):
        weight = state[following + one] * math.exp(log_density(state, fitted, states, one, x) - most)
        state[following + one] = weight
        total += weight
    for one in range(states):
        share = state[following + one] / total
        state[at + one] = share if share > NOTHING else 0.0
    return state[at], state[at + 1], state[at + 2] if states > 2 else 0.0


@kernel
def expectations(series: Floats, values: Floats, states: int, forward: Floats, sums: Floats) -> float:
    """The log likelihood of a series, with the constant, and what it adds to the sums that a step of EM needs.

    Parameters
    ----------
    series
        Shape (n,).
    values
        The parameters, flat.
    states
        How many.
    forward
        Work space of shape (n, 2 * states): filtered probabilities, and densities over the largest.
    sums
        Added to: states * states expected transitions, then per state weight, weighted values, weighted squares.
    """
    likelihood = 0.0
    for row in range(series.shape[0]):
        most = -math.inf
        for one in range(states):
            most = max(most, log_density(values, 0, states, one, series[row]))
        total = 0.0
        for one in range(states):
            prior = 1.0 / states
            if row > 0:
                prior = 0.0
                for before in range(states):
                    prior += forward[row - 1, before] * values[before * states + one]
            density = math.exp(log_density(values, 0, states, one, series[row]) - most)
            forward[row, states + one] = density
            forward[row, one] = prior * density
            total += forward[row, one]
        for one in range(states):
            forward[row, one] /= total
        likelihood += math.log(total) + most - 0.9189385332046727  # log(2 pi) / 2
    square = states * states
    backward = np.ones(states)
    carried = np.empty(states)
    for row in range(series.shape[0] - 1, -1, -1):
        total = 0.0
        for one in range(states):
            total += forward[row, one] * backward[one]
        for one in range(states):
            weight = forward[row, one] * backward[one] / total
            sums[square + one] += weight
            sums[square + states + one] += weight * series[row]
            sums[square + 2 * states + one] += weight * series[row] * series[row]
            carried[one] = forward[row, states + one] * backward[one]
        if row == 0:
            break
        total = 0.0
        for before in range(states):
            for one in range(states):
                total += forward[row - 1, before] * values[before * states + one] * carried[one]
        for before in range(states):
            backward[before] = 0.0
            for one in range(states):
                step = values[before * states + one] * carried[one] / total
                backward[before] += step
                sums[before * states + one] += forward[row - 1, before] * step
    return likelihood
