"""The sequential bootstrap: draw for draw the published algorithm, and its printed numbers."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.errors import ModelError
from models.weights import (
    average_uniqueness,
    bootstrap,
    draw_probabilities,
    sequential_bootstrap,
    sequential_bootstrap_times,
)
from models.weights.bootstrap import FRESH


def indicator(first, last):
    """AFML snippet 4.3: bars × labels."""
    matrix = np.zeros((int(last.max()) + 1, len(first)))
    for label, (begin, end) in enumerate(zip(first, last, strict=True)):
        matrix[begin : end + 1, label] = 1.0
    return matrix


def published(first, last, uniforms):
    """AFML snippets 4.4 and 4.5: every label beside the drawn ones, every draw; then ``choice`` by cumulative sum."""
    matrix, drawn = indicator(first, last), []
    for uniform in uniforms:
        covered = matrix[:, drawn].sum(axis=1)
        average = np.array([(1.0 / (covered + 1.0))[matrix[:, label] > 0].mean() for label in range(len(first))])
        cumulative = np.cumsum(average / average.sum())
        drawn.append(int(np.searchsorted(cumulative / cumulative[-1], uniform, side="right")))
    return drawn


def spans(seed, count, bars, longest, by_start):
    random = np.random.default_rng(seed)
    first = random.integers(0, bars, count)
    return (np.sort(first) if by_start else first), random.integers(1, longest + 1, count)


@settings(max_examples=80, deadline=None)
@given(
    seed=st.integers(0, 100_000),
    count=st.integers(1, 70),
    bars=st.sampled_from([1, 10, 60, 400]),
    longest=st.sampled_from([1, 5, 40]),
    by_start=st.booleans(),
)
def test_draws_are_those_of_the_published_algorithm(seed, count, bars, longest, by_start):
    first, length = spans(seed, count, bars, longest, by_start)
    uniforms = np.random.default_rng(seed + 1).random(2 * count)
    assert sequential_bootstrap(first, first + length - 1, uniforms).tolist() == published(
        first, first + length - 1, uniforms
    )


@pytest.mark.parametrize(("longest", "bars"), [(8, 900), (300, 100)])
def test_draws_of_many_labels_are_those_of_the_published_algorithm(longest, bars):
    """Enough labels for four levels of sums, and enough draws for uniqueness to be computed afresh often."""
    first, length = spans(7, 700, bars, longest, by_start=False)
    first[:3], length[:3] = 0, bars  # some labels that overlap all others
    uniforms = np.random.default_rng(8).random(4 * FRESH)
    assert sequential_bootstrap(first, first + length - 1, uniforms).tolist() == published(
        first, first + length - 1, uniforms
    )


def test_the_published_example():
    """AFML section 4.5.3: after label 2 the probabilities are 5/14, 3/14 and 6/14."""
    first, last = np.array([0, 2, 4]), np.array([2, 3, 5])
    assert draw_probabilities(first, last, np.zeros(0, np.int64)) == pytest.approx([1 / 3] * 3, abs=1e-15)
    assert draw_probabilities(first, last, np.array([1])) == pytest.approx([5 / 14, 3 / 14, 6 / 14], abs=1e-15)
    edges = [(0.0, 0), (5 / 14 - 1e-9, 0), (5 / 14 + 1e-9, 1), (8 / 14 - 1e-9, 1), (8 / 14 + 1e-9, 2), (1 - 1e-9, 2)]
    for uniform, label in edges:
        assert sequential_bootstrap(first, last, np.array([0.5, uniform])).tolist() == [1, label]


def test_the_published_experiment():
    """AFML section 4.5.4: 10 labels of up to 5 bars over 100 bars, median uniqueness 0.6 by chance, 0.7 in sequence."""
    random = np.random.default_rng(0)
    found = []
    for _ in range(3_000):
        first = random.integers(0, 100, 10)
        last = first + random.integers(1, 5, 10)
        chance, sequence = random.integers(0, 10, 10), sequential_bootstrap(first, last, random.random(10))
        found.append([average_uniqueness(first[one], last[one] + 1).mean() for one in (chance, sequence)])
    assert np.round(np.median(found, axis=0), 1).tolist() == [0.6, 0.7]


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 100_000), draws=st.integers(0, 30))
def test_probabilities_are_those_of_the_indicator_matrix(seed, draws):
    first, length = spans(seed, 20, 40, 15, by_start=False)
    drawn = np.random.default_rng(seed).integers(0, 20, draws)
    matrix = indicator(first, first + length - 1)
    share = 1.0 / (matrix[:, drawn].sum(axis=1) + 1.0)
    average = np.array([share[matrix[:, label] > 0].mean() for label in range(20)])
    found = draw_probabilities(first, first + length - 1, drawn)
    assert found == pytest.approx(average / average.sum(), rel=1e-12)
    assert found.sum() == pytest.approx(1)


def test_time_counts_instead_of_bars():
    """Labels on bars of unequal length: every bar repeated as often as it has seconds is the published algorithm."""
    first, length = spans(3, 40, 30, 6, by_start=False)
    edges = np.concatenate([[0], np.cumsum(np.random.default_rng(1).integers(1, 5, 40))])
    start, t1 = edges[first], edges[first + length]
    uniforms = np.random.default_rng(2).random(60)
    second = 1_000_000_000
    drawn = sequential_bootstrap_times(
        1_600_000_000 * second + start * second, 1_600_000_000 * second + t1 * second, uniforms
    )
    assert drawn.tolist() == published(start, t1 - 1, uniforms)


def test_the_order_of_labels_is_the_order_of_the_cumulative_probability():
    first, length = spans(5, 50, 60, 10, by_start=True)
    backwards = sequential_bootstrap(first[::-1], (first + length - 1)[::-1], np.array([0.1, 0.9]))
    assert backwards.tolist() == published(first[::-1], (first + length - 1)[::-1], np.array([0.1, 0.9]))
    assert backwards[0] == 5


def test_drawn_labels_overlap_less_than_by_chance():
    random = np.random.default_rng(9)
    first = np.sort(random.integers(0, 5_000, 2_000))
    last = first + random.integers(0, 25, 2_000)
    found = []
    for _ in range(20):
        drawn, chance = sequential_bootstrap(first, last, random.random(200)), random.integers(0, 2_000, 200)
        found.append([average_uniqueness(first[one], last[one] + 1).mean() for one in (drawn, chance)])
    in_sequence, by_chance = np.mean(found, axis=0)
    assert in_sequence > 1.05 * by_chance


def test_rounding_does_not_grow_with_the_draws(monkeypatch):
    """After many draws every label's uniqueness is still that of the counts, up to what one label's updates round."""
    kept = []

    def spied(*arguments):
        draw(*arguments)
        kept.append(arguments)

    draw = bootstrap.draw
    monkeypatch.setattr(bootstrap, "draw", spied)
    first, length = spans(1, 12, 20, 12, by_start=False)
    drawn = sequential_bootstrap(first, first + length - 1, np.random.default_rng(0).random(60_000))
    sums = kept[0][9][:12]
    matrix = indicator(first, first + length - 1)
    share = 1.0 / (matrix[:, drawn].sum(axis=1) + 1.0)
    average = np.array([math.fsum(share[matrix[:, label] > 0]) / length[label] for label in range(12)])
    assert np.abs(sums / average - 1).max() < 1e-13


def test_no_draws_and_no_labels():
    none = np.zeros(0, np.int64)
    assert sequential_bootstrap(np.array([0]), np.array([3]), np.zeros(0)).shape == (0,)
    assert sequential_bootstrap(none, none, np.zeros(0)).shape == (0,)
    with pytest.raises(ModelError, match="2 draws from no labels"):
        sequential_bootstrap(none, none, np.zeros(2))


@pytest.mark.parametrize("uniforms", [[1.0], [-0.1], [np.nan], [[0.5]]])
def test_uniforms_outside_their_range_are_refused(uniforms):
    with pytest.raises(ModelError, match="uniforms"):
        sequential_bootstrap(np.array([0]), np.array([0]), np.array(uniforms))


def test_a_label_that_ends_before_it_begins_is_refused():
    with pytest.raises(ModelError, match="label 1"):
        sequential_bootstrap(np.array([0, 3]), np.array([0, 2]), np.array([0.5]))
    with pytest.raises(ModelError, match="label 1"):
        draw_probabilities(np.array([0, 3]), np.array([0, 2]), np.zeros(0, np.int64))
    with pytest.raises(ModelError, match="shape"):
        sequential_bootstrap(np.array([0, 3]), np.array([4]), np.array([0.5]))
