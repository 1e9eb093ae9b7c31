"""Fractional weights against binomials, entropies against the book's snippets."""

from __future__ import annotations

from math import e, log, log2, pi, sqrt

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import binom
from scipy.stats import norm

from models.errors import ModelError
from models.statistics.entropy import kontoyiannis_entropy, lempel_ziv_complexity, plug_in_entropy
from models.statistics.fractional import expanding_weights, fixed_width_weights, fractional_difference


@pytest.mark.parametrize(
    ("order", "weights"),
    [
        (0.0, [1, 0, 0, 0]),
        (1.0, [1, -1, 0, 0]),
        (2.0, [1, -2, 1, 0]),
        (0.5, [1, -0.5, -0.125, -0.0625]),
        (-1.0, [1, 1, 1, 1]),
    ],
)
def test_weights_are_the_series_of_afml_5_4(order, weights):
    """ω = 1, −d, d (d − 1) / 2!, −d (d − 1) (d − 2) / 3!, …"""
    assert expanding_weights(order, 4).tolist() == weights


@settings(deadline=None)
@given(st.floats(-0.9, 3), st.integers(1, 60))
def test_weights_are_signed_binomials(order, count):
    k = np.arange(count)
    assert expanding_weights(order, count) == pytest.approx((-1.0) ** k * binom(order, k), rel=1e-7, abs=1e-12)


@settings(deadline=None)
@given(st.floats(0.05, 1.95), st.sampled_from([1e-2, 1e-3, 1e-4]))
def test_fixed_width_keeps_exactly_the_weights_above_the_threshold(order, threshold):
    weights = fixed_width_weights(order, threshold)
    assert (np.abs(weights) >= threshold).all()
    assert abs(expanding_weights(order, len(weights) + 1)[-1]) < threshold


def test_endless_weights_are_refused():
    with pytest.raises(ModelError, match="raise the threshold"):
        fixed_width_weights(0.01, 1e-9, most=100)
    with pytest.raises(ModelError, match="not positive"):
        fixed_width_weights(0.5, 0.0)
    with pytest.raises(ModelError, match="at least one"):
        expanding_weights(0.5, 0)


@pytest.mark.parametrize("count", [1, 7, 63, 64, 300])
def test_differences_are_the_weighted_sums(count):
    series = np.random.default_rng(1).normal(size=200).cumsum()
    weights = expanding_weights(0.4, count)
    by_hand = [sum(weights[k] * series[t - k] for k in range(count)) if t >= count - 1 else np.nan for t in range(200)]
    assert fractional_difference(series, weights) == pytest.approx(np.array(by_hand), rel=1e-9, abs=1e-9, nan_ok=True)


def test_half_a_difference_twice_is_a_difference():
    series = np.random.default_rng(2).normal(size=100).cumsum()
    half = np.convolve(series, expanding_weights(0.5, 100))[:100]
    assert np.convolve(half, expanding_weights(0.5, 100))[1:100] == pytest.approx(np.diff(series), abs=1e-9)


def lempel_ziv_by_snippet(message):
    """AFML snippet 18.2."""
    i, library = 1, [message[0]]
    while i < len(message):
        for j in range(i, len(message)):
            if message[i : j + 1] not in library:
                library.append(message[i : j + 1])
                break
        i = j + 1
    return len(library) / len(message)


def match_by_snippet(message, i, n):
    """AFML snippet 18.3."""
    longest = ""
    for length in range(n):
        ahead = message[i : i + length + 1]
        for j in range(i - n, i):
            if ahead == message[j : j + length + 1]:
                longest = ahead
                break
    return len(longest) + 1


def kontoyiannis_by_snippet(message, window):
    """AFML snippet 18.4."""
    if window is None:
        points = [(i, i) for i in range(1, len(message) // 2 + 1)]
    else:
        window = min(window, len(message) // 2)
        points = [(i, window) for i in range(window, len(message) - window + 1)]
    return sum(log2(n + 1) / match_by_snippet(message, i, n) for i, n in points) / len(points)


MESSAGES = st.text("012", min_size=2, max_size=40)


@settings(deadline=None)
@given(MESSAGES)
def test_lempel_ziv_is_afml_snippet_18_2(message):
    assert lempel_ziv_complexity(message) == lempel_ziv_by_snippet(message)


@settings(deadline=None)
@given(MESSAGES, st.none() | st.integers(1, 25))
def test_kontoyiannis_is_afml_snippets_18_3_and_18_4(message, window):
    found = kontoyiannis_entropy(message, window)
    assert found == pytest.approx(kontoyiannis_by_snippet(message, window), rel=1e-12)
    numbers = np.array([int(symbol) * 7 - 3 for symbol in message])
    assert kontoyiannis_entropy(numbers, window) == found


def test_kontoyiannis_of_the_book_s_messages():
    """Snippet 18.4 runs '101010' twice and forth and back: the repeated one says less. 11100001: 0.9682 by hand."""
    assert kontoyiannis_entropy("101010" * 2) == pytest.approx(
        (log2(2) / 1 + log2(3) / 3 + log2(4) / 4 + log2(5) / 5 + log2(6) / 6 + log2(7) / 7) / 6
    )
    assert kontoyiannis_entropy("101010" * 2) < kontoyiannis_entropy("101010" + "010101")
    by_hand = (log2(2) / 2 + log2(3) / 2 + log2(4) / 1 + log2(5) / 4) / 4
    assert kontoyiannis_entropy("11100001") == pytest.approx(by_hand) == pytest.approx(0.9682, abs=5e-5)


def test_lempel_ziv_of_the_book_s_message():
    """1, 11, 0, 00, 01."""
    assert lempel_ziv_complexity("11100001") == 5 / 8


@pytest.mark.parametrize(
    ("message", "word", "entropy"),
    [
        ("1111", 1, 0.0),
        ("10", 1, 1.0),
        ("1010", 2, 0.5 * (log2(3) - 2 / 3)),
        ("0123", 1, 2.0),
        ("101011", 1, 0.9182958340544896),
    ],
)
def test_plug_in_entropy_by_hand(message, word, entropy):
    assert plug_in_entropy(message, word) == pytest.approx(entropy, abs=1e-12)


@settings(deadline=None)
@given(st.lists(st.integers(0, 5), min_size=1, max_size=50))
def test_shannon_entropy_is_below_that_of_equal_shares(values):
    entropy = plug_in_entropy(np.array(values))
    assert -1e-12 <= entropy <= log2(len(set(values))) + 1e-12


def test_entropy_rates_of_coin_flips_are_near_one_bit_and_of_a_biased_coin_below():
    random = np.random.default_rng(3)
    fair, biased = (random.random(4000) < p for p in (0.5, 0.9))
    assert plug_in_entropy(fair, 4) == pytest.approx(1.0, abs=0.01)
    assert plug_in_entropy(biased, 4) == pytest.approx(-0.9 * log2(0.9) - 0.1 * log2(0.1), abs=0.03)
    assert kontoyiannis_entropy(fair, 300) == pytest.approx(1.0, abs=0.15)
    assert kontoyiannis_entropy(biased, 300) < 0.65


GAUSSIAN = 0.5 * log2(2 * pi * e)
"""Differential entropy of a standard normal variable, bits: half the logarithm of 2 π e, a closed form."""


def test_the_closed_form_is_the_published_number():
    """AFML chapter 18 gives it as about 1.42, in nats."""
    assert float(norm.entropy()) / log(2) == pytest.approx(GAUSSIAN, rel=1e-12)
    assert round(GAUSSIAN, 4) == 2.0471
    assert round(GAUSSIAN * log(2), 4) == 1.4189
    assert round(GAUSSIAN * log(2), 2) == 1.42


@pytest.mark.parametrize("sigma", [0.02, 1.0, 5.0])
@pytest.mark.parametrize("share", [0.5, 0.25, 0.1])
def test_normal_returns_in_equal_steps_say_their_closed_form_entropy(sigma, share):
    """Letters of width w lack the closed form by log2 w; the plug-in estimate is short by Miller and Madow's bias."""
    count, width = 400_000, share * sigma
    letters = np.floor(sigma * np.random.default_rng(4).standard_normal(count) / width).astype(np.int64)
    bias = (len(np.unique(letters)) - 1) / (2 * count * log(2))
    error = 1 / (sqrt(2 * count) * log(2))  # of the mean of -log2 of a normal density, whose variance is half a nat²
    said = plug_in_entropy(letters) + bias + log2(width)
    # A density flat within each letter is less certain than the normal one by w² / 24 times its Fisher information.
    assert said == pytest.approx(GAUSSIAN + log2(sigma) + share**2 / (24 * log(2)), abs=4 * error)


@pytest.mark.parametrize(
    ("entropy", "arguments"),
    [
        (plug_in_entropy, ("",)),
        (plug_in_entropy, ("10", 3)),
        (kontoyiannis_entropy, ("1",)),
        (kontoyiannis_entropy, ("10", 0)),
    ],
)
def test_messages_that_say_nothing_are_refused(entropy, arguments):
    with pytest.raises(ModelError):
        entropy(*arguments)
