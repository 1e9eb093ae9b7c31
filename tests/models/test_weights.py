"""Average uniqueness against a twin that looks at every pair of labels."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest

from models.errors import ModelError
from models.weights import average_uniqueness, effective_rows

MINUTE = 60_000_000_000


def twin(start, t1):
    """The integral of one over the number of open labels, interval by interval, label by label."""
    found = []
    for a, b in zip(start, t1, strict=True):
        edges = sorted({int(t) for t in [*start, *t1] if a <= t <= b})
        total = 0.0
        for left, right in pairwise(edges):
            total += (right - left) / sum(1 for c, d in zip(start, t1, strict=True) if c <= left and right <= d)
        found.append(total / (b - a))
    return found


def labels(seed, count=80):
    """Labels of several instruments in no order, on real times, with holes where none is open."""
    random = np.random.default_rng(seed)
    start = 1_600_000_000_000_000_000 + MINUTE * random.integers(0, 300, count)
    return start, start + MINUTE * random.integers(1, 25, count)


@pytest.mark.parametrize("seed", range(4))
def test_uniqueness_is_that_of_every_pair(seed):
    start, t1 = labels(seed)
    assert average_uniqueness(start, t1) == pytest.approx(twin(start, t1), rel=1e-9)


def test_the_order_of_the_labels_does_not_matter():
    start, t1 = labels(9)
    order = np.random.default_rng(1).permutation(len(start))
    assert average_uniqueness(start[order], t1[order]) == pytest.approx(average_uniqueness(start, t1)[order], rel=1e-12)


def test_a_second_instrument_halves_every_weight():
    start, t1 = labels(5)
    twice = average_uniqueness(np.tile(start, 2), np.tile(t1, 2))
    assert twice == pytest.approx(np.tile(average_uniqueness(start, t1), 2) / 2, rel=1e-9)


def test_labels_that_only_touch_are_unique():
    start = MINUTE * np.arange(50)
    assert average_uniqueness(start, start + MINUTE).tolist() == [1.0] * 50


def test_no_weight_exceeds_one():
    random = np.random.default_rng(3)
    start = 1_600_000_000_000_000_000 + MINUTE * np.sort(random.integers(0, 2_000_000, 60_000))
    weight = average_uniqueness(start, start + random.integers(MINUTE, 30 * MINUTE, len(start)))
    assert weight.min() > 0
    assert weight.max() <= 1


def test_effective_rows_are_the_time_covered_when_labels_are_alike():
    start = np.arange(100)
    weight = average_uniqueness(start, start + 1)
    assert effective_rows(weight) == 100
    stacked = average_uniqueness(np.repeat(start, 7), np.repeat(start + 1, 7))
    assert effective_rows(stacked) == pytest.approx(100)


def test_a_label_without_length_is_refused():
    with pytest.raises(ModelError, match="label 1 starts at 5"):
        average_uniqueness(np.array([0, 5]), np.array([1, 5]))


def test_no_labels_have_no_weights():
    assert average_uniqueness(np.zeros(0, np.int64), np.zeros(0, np.int64)).shape == (0,)
