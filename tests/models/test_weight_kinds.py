"""Concurrency, return attribution, time decay and class balance against twins, the book and scikit-learn."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.errors import ModelError
from models.weights import (
    average_uniqueness,
    class_balance,
    concurrency,
    concurrency_at,
    return_attribution,
    time_decay,
)

MINUTE = 60_000_000_000
BASE = 1_600_000_000_000_000_000


def labels(seed, count=60, bars=200):
    random = np.random.default_rng(seed)
    start = BASE + MINUTE * random.integers(0, bars, count)
    return start, start + MINUTE * random.integers(1, 25, count)


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 100_000), count=st.integers(0, 40))
def test_concurrency_counts_the_open_labels(seed, count):
    start, t1 = labels(seed, count, 30)
    times, found = concurrency(start, t1)
    assert times.tolist() == sorted({*start.tolist(), *t1.tolist()})
    assert found.tolist() == [int(((start <= time) & (time < t1)).sum()) for time in times]
    moments = BASE + MINUTE * np.random.default_rng(seed).integers(-5, 60, 20)
    assert concurrency_at(start, t1, moments).tolist() == [int(((start <= m) & (m < t1)).sum()) for m in moments]


def plain_uniqueness(start, t1):
    """As it was before it was compiled: sorted ends, a running integral, differences."""
    times = np.unique(np.concatenate([start, t1]))
    first, last = np.searchsorted(times, start), np.searchsorted(times, t1)
    change = np.bincount(first, minlength=len(times)) - np.bincount(last, minlength=len(times))
    open_now = np.cumsum(change)[:-1]
    share = np.divide(np.diff(times), open_now, out=np.zeros(len(times) - 1), where=open_now > 0)
    integral = np.concatenate([[0.0], np.cumsum(share)])
    return np.minimum((integral[last] - integral[first]) / (t1 - start), 1.0)


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 100_000), count=st.integers(1, 200), bars=st.sampled_from([1, 50, 3_000]))
def test_compiled_uniqueness_has_the_bits_of_plain_numpy(seed, count, bars):
    start, t1 = labels(seed, count, bars)
    assert average_uniqueness(start, t1).tobytes() == plain_uniqueness(start, t1).tobytes()


def own_return(start, t1, grid, log_price, k, all_start, all_t1):
    """The absolute sum of one label's returns, each over the labels open during it; bars of one minute."""
    total = 0.0
    for bar in range(len(grid) - 1):
        if start[k] <= grid[bar] < t1[k]:
            open_now = sum(1 for a, b in zip(all_start, all_t1, strict=True) if a <= grid[bar] < b)
            total += (log_price[bar + 1] - log_price[bar]) / open_now
    return abs(total)


def market(seed, instruments=2, bars=240):
    random = np.random.default_rng(seed)
    grid = BASE + MINUTE * np.arange(bars)
    return [grid] * instruments, [100 * np.exp(np.cumsum(random.normal(0, 0.01, bars))) for _ in range(instruments)]


@pytest.mark.parametrize("seed", range(3))
def test_return_attribution_is_that_of_every_bar(seed):
    start, t1 = labels(seed)
    times, prices = market(seed)
    owner = np.random.default_rng(seed).integers(0, 2, len(start))
    raw = np.array([own_return(start, t1, times[0], np.log(prices[owner[k]]), k, start, t1) for k in range(len(start))])
    found = return_attribution(start, t1, times, prices, owner)
    assert found == pytest.approx(raw * len(raw) / raw.sum(), rel=1e-9)
    assert found.mean() == pytest.approx(1)


def test_between_prices_the_return_is_even_in_time():
    weight = return_attribution(
        np.array([0, 5]), np.array([5, 20]), [np.array([0, 10, 20])], [np.exp([0.0, 0.04, 0.0])]
    )
    assert weight.tolist() == pytest.approx([1.0, 1.0])  # 0.02 up, then 0.02 up and 0.04 down
    shifted = return_attribution(np.array([0, 5]), np.array([5, 10]), [np.array([0, 10])], [np.exp([0.0, 0.04])])
    assert shifted.tolist() == pytest.approx([1.0, 1.0])


def test_return_into_the_decision_bar_does_not_count():
    prices = np.array([1.0, 50.0, 51.0, 52.0])
    weight = return_attribution(np.array([1, 2]), np.array([2, 3]), [np.arange(4)], [prices])
    own = [math.log(51 / 50), math.log(52 / 51)]
    assert weight.tolist() == pytest.approx([2 * one / sum(own) for one in own])


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"prices": [np.array([1.0, -1.0, 1.0, 1.0])]}, "positive, finite"),
        ({"prices": [np.ones(3)]}, "4 times and 3 prices"),
        ({"times": [np.array([0, 2, 1, 3])]}, "ascend"),
        ({"times": [np.array([0, 1, 2, 3]) - 1]}, "prices cover -1 to 2"),
        ({"prices": [np.ones(4)]}, "none of 2 labels has a return"),
        ({"instrument": np.array([0, 1])}, "1 have prices"),
        ({"instrument": np.array([0])}, "1 instruments"),
    ],
)
def test_prices_that_do_not_fit_are_refused(change, named):
    given_ = {"times": [np.arange(4)], "prices": [np.arange(1.0, 5.0)], "instrument": None} | change
    with pytest.raises(ModelError, match=named):
        return_attribution(np.array([1, 2]), np.array([2, 3]), **given_)


def published_decay(uniqueness, c):
    """AFML snippet 4.11, line by line."""
    weight = np.cumsum(uniqueness)
    slope = (1.0 - c) / weight[-1] if c >= 0 else 1.0 / ((c + 1) * weight[-1])
    const = 1.0 - slope * weight[-1]
    weight = const + slope * weight
    weight[weight < 0] = 0
    return weight


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 10_000), c=st.floats(-0.95, 1.0))
def test_time_decay_is_the_published_line(seed, c):
    random = np.random.default_rng(seed)
    uniqueness, time = random.uniform(0.01, 1, 30), random.permutation(30)
    found = time_decay(uniqueness, c, time)
    order = np.argsort(time)
    assert found[order] == pytest.approx(published_decay(uniqueness[order], c), abs=1e-12)
    assert found[order][-1] == 1
    assert (np.diff(found[order]) >= 0).all()


def test_negative_c_forgets_the_oldest_share():
    assert (time_decay(np.ones(100), -0.3) == 0).sum() == 30
    assert (time_decay(np.ones(100), 0.0) == 0).sum() == 0


@pytest.mark.parametrize("c", [-1.0, 1.1, math.nan])
def test_c_out_of_range_is_refused(c):
    with pytest.raises(ModelError, match="oldest"):
        time_decay(np.ones(3), c)


@pytest.mark.parametrize("uniqueness", [[0.0, 0.0], [1.0, -0.1], [np.nan, 1.0]])
def test_uniqueness_that_is_none_is_refused(uniqueness):
    with pytest.raises(ModelError, match="uniqueness must be"):
        time_decay(np.array(uniqueness), 0.5)


def test_decay_needs_a_time_for_each():
    with pytest.raises(ModelError, match="3 labels but 2 times"):
        time_decay(np.ones(3), 0.5, np.arange(2))
    assert time_decay(np.zeros(0), 0.5).shape == (0,)


def test_balance_without_weights_is_scikit_learn_s():
    from sklearn.utils.class_weight import compute_sample_weight

    label = np.random.default_rng(0).choice([-1, 0, 3], 200, p=[0.1, 0.3, 0.6])
    assert class_balance(label) == pytest.approx(compute_sample_weight("balanced", label), rel=1e-12)


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 10_000))
def test_balance_gives_every_class_the_same_weight_and_keeps_the_sum_and_the_shares(seed):
    random = np.random.default_rng(seed)
    label = np.r_[0, 1, 2, random.integers(0, 3, 40)]
    weight = random.uniform(0.1, 2, len(label))
    found = class_balance(label, weight)
    sums = [found[label == one].sum() for one in range(3)]
    assert sums == pytest.approx([weight.sum() / 3] * 3)
    for one in range(3):
        ratio = found[label == one] / weight[label == one]
        assert ratio == pytest.approx(np.full(len(ratio), ratio[0]))


def test_a_class_without_weight_is_refused():
    with pytest.raises(ModelError, match="class 1 weighs nothing"):
        class_balance(np.array([0, 1]), np.array([1.0, 0.0]))
    with pytest.raises(ModelError, match="not negative"):
        class_balance(np.array([0, 1]), np.array([1.0, -1.0]))
    with pytest.raises(ModelError, match="shape"):
        class_balance(np.array([0, 1]), np.array([1.0]))
    assert class_balance(np.zeros(0)).shape == (0,)


def test_intervals_that_do_not_fit_are_refused():
    with pytest.raises(ModelError, match="one of each a label"):
        concurrency(np.array([0, 1]), np.array([2]))
    with pytest.raises(ModelError, match="label 0 starts at 3"):
        concurrency_at(np.array([3]), np.array([3]), np.array([1]))
    with pytest.raises(ModelError, match="more than int64 counts"):
        average_uniqueness(np.array([-2, 0]), np.array([3, np.iinfo(np.int64).max]))
