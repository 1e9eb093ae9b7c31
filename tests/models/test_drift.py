"""Drift: distances are SciPy's, the index is its formula's, and what is usual is taken from the training rows."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.signal import lfilter
from scipy.stats import ks_2samp

from models.errors import ModelError
from models.statistics.drift import OUTSIDE, column_drift, population_stability, quantile_edges


def slow(random, rows, half_life):
    """An autoregression with unit variance whose half-life is given."""
    rho = 0.5 ** (1 / half_life)
    noise = random.standard_normal(rows + 2_000) * np.sqrt(1 - rho**2)
    return lfilter([1.0], [1.0, -rho], noise)[2_000:]


@given(st.integers(0, 2**32 - 1), st.integers(1, 60), st.integers(1, 60), st.integers(1, 12))
def test_distances_are_scipys_with_ties_and_without(seed, rows, others, values):
    random = np.random.default_rng(seed)
    train = np.column_stack([random.standard_normal(rows), random.integers(0, values, rows)])
    test = np.column_stack([random.standard_normal(others), random.integers(0, values, others)])
    found = column_drift(train, test).distance
    theirs = [ks_2samp(one, other, method="asymp").statistic for one, other in zip(train.T, test.T, strict=True)]
    np.testing.assert_allclose(found, theirs, atol=1e-12)


def test_each_stretch_is_held_against_the_rest_of_the_training_rows():
    random = np.random.default_rng(2)
    train, test = random.standard_normal((300, 2)), random.standard_normal((100, 2))
    stretch = np.array([OUTSIDE] * 100 + [0] * 120 + [1] * 80)
    found = column_drift(train, test, stretch, bins=5)
    for number in (0, 1):
        inside, rest = train[stretch == number], train[stretch != number]
        for column in (0, 1):
            theirs = ks_2samp(inside[:, column], rest[:, column]).statistic
            assert found.usual_distance[number, column] == pytest.approx(theirs, abs=1e-12)
            assert found.usual_stability[number, column] == pytest.approx(
                by_hand(rest[:, column], inside[:, column], train[:, column], 5), rel=1e-12
            )
    for column in (0, 1):
        theirs = by_hand(train[:, column], test[:, column], train[:, column], 5)
        assert found.stability[column] == pytest.approx(theirs, rel=1e-12)


def by_hand(base, other, train, bins):
    """The index with a loop over bins (low, high]."""
    cuts = sorted({sorted(train)[int(np.ceil(len(train) * k / bins)) - 1] for k in range(1, bins)})
    edges = [-np.inf, *cuts, np.inf]
    pairs = []
    for low, high in pairwise(edges):
        pairs.append([sum(low < value <= high for value in part) for part in (base, other)])
    pairs = [(p + 0.5, q + 0.5) for p, q in pairs if p + q]
    ps, qs = (np.array(part) / sum(part) for part in zip(*pairs, strict=True))
    return sum((q - p) * np.log(q / p) for p, q in zip(ps, qs, strict=True))


def test_the_index_of_equal_shares_is_zero_and_it_is_the_same_from_both_sides():
    one, other = np.array([100.0, 200.0, 700.0]), np.array([400.0, 300.0, 300.0])
    assert population_stability(one, one) == 0.0
    assert population_stability(one, other) == pytest.approx(population_stability(other, one), rel=1e-12)
    shares = np.array([0.1, 0.2, 0.7]), np.array([0.4, 0.3, 0.3])
    limit = sum((q - p) * np.log(q / p) for p, q in zip(*shares, strict=True))
    assert population_stability(1e9 * shares[0], 1e9 * shares[1]) == pytest.approx(limit, rel=1e-6)


def test_a_value_never_seen_in_training_is_a_finite_index():
    found = column_drift(np.zeros((50, 1)), np.ones((50, 1)))
    assert found.distance[0] == 1.0
    assert 5 < found.stability[0] < np.inf
    assert column_drift(np.zeros((50, 1)), np.zeros((9, 1))).stability[0] == 0.0


def test_edges_hold_equal_shares_and_do_not_repeat():
    assert quantile_edges(np.arange(1.0, 101.0), 4).tolist() == [25.0, 50.0, 75.0]
    assert quantile_edges(np.array([0.0] * 90 + [1.0] * 10), 10).tolist() == [0.0]


def test_what_is_planted_is_found_and_slow_features_alone_are_no_news():
    """Tables of independent rows would call nearly all of these slow columns changed; the training rows know better."""
    random = np.random.default_rng(8)
    rows, others, columns = 5_000, 1_000, 40
    x = np.stack([slow(random, rows + others, 100) for _ in range(columns)], axis=1)
    train, test, stretch = x[:rows], x[rows:], np.arange(rows) // others
    plain = column_drift(train, test, stretch)
    naive = [ks_2samp(*pair).pvalue for pair in zip(train.T, test.T, strict=True)]
    assert np.mean(np.array(naive) < 0.01) > 0.9
    beyond = plain.distance > plain.usual_distance.max(axis=0)
    assert beyond.sum() <= 15  # one in six by chance, which of 40 is 6.7; more than 15 has a probability of 0.001
    moved = column_drift(train, test + 4.0, stretch)
    assert (moved.distance > moved.usual_distance.max(axis=0)).all()


def test_a_wider_spread_is_found_where_a_stretch_is_worth_many_rows():
    random = np.random.default_rng(9)
    x = np.stack([slow(random, 6_000, 3) for _ in range(20)], axis=1)
    train, test, stretch = x[:5_000], 3.0 * x[5_000:], np.arange(5_000) // 1_000
    found = column_drift(train, test, stretch)
    assert (found.distance > found.usual_distance.max(axis=0)).all()
    assert (found.stability > found.usual_stability.max(axis=0)).all()


def test_of_like_stretches_the_test_is_the_farthest_about_once_in_as_many_as_there_are_with_it():
    random = np.random.default_rng(10)
    x = random.standard_normal((1_000, 2_000))
    found = column_drift(x[:800], x[800:], np.arange(800) // 200)
    for test, usual in ((found.distance, found.usual_distance), (found.stability, found.usual_stability)):
        assert (test > usual.max(axis=0)).mean() == pytest.approx(1 / 5, abs=0.04)


def test_a_steady_drift_is_found_though_the_first_stretch_drifted_too():
    random = np.random.default_rng(11)
    x = random.standard_normal((6_000, 50)) + np.arange(6_000)[:, None] / 2_000
    found = column_drift(x[:5_000], x[5_000:], np.arange(5_000) // 1_000)
    assert (found.distance > found.usual_distance.max(axis=0)).mean() > 0.9  # one half if the test counted as rest


@pytest.mark.parametrize(
    ("train", "test", "stretch", "said"),
    [
        (np.ones((0, 1)), np.ones((5, 1)), None, "rows with the same columns"),
        (np.ones((5, 1)), np.ones((0, 1)), None, "rows with the same columns"),
        (np.ones((5, 1)), np.ones((5, 2)), None, "rows with the same columns"),
        (np.full((5, 1), np.nan), np.ones((5, 1)), None, "finite rows"),
        (np.ones((5, 1)), np.ones((5, 1)), np.zeros(4, np.int64), "5 training rows"),
        (np.ones((5, 1)), np.ones((5, 1)), np.zeros(5, np.int64), "stretch 0 has 5 of 5"),
        (np.ones((5, 1)), np.ones((5, 1)), np.array([0, 2, 2, 2, 0]), "stretch 1 has 0 of 5"),
    ],
)
def test_rows_that_say_nothing_are_refused(train, test, stretch, said):
    with pytest.raises(ModelError, match=said):
        column_drift(train, test, stretch)
    with pytest.raises(ModelError, match="rows on both sides"):
        population_stability(np.zeros(3), np.ones(3))
