"""Bet sizes against the book's snippets, its numbers and twins that look at every bet."""

from __future__ import annotations

import math
from statistics import NormalDist

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.bet_sizing import (
    Mixture,
    Power,
    Sigmoid,
    average_active,
    budget_size,
    discretise,
    fit_mixture,
    inverse_price,
    limit_price,
    open_bets,
    reserve_size,
    size_from_classes,
    size_from_probability,
    target_position,
)
from models.errors import ModelError

MINUTE = 60_000_000_000
BASE = 1_600_000_000_000_000_000
PHI = NormalDist().cdf


def published_signal(probability, predicted, classes):
    """AFML snippet 10.1: ``probability`` of the predicted class, ``predicted`` its side."""
    statistic = (probability - 1 / classes) / (probability * (1 - probability)) ** 0.5
    return predicted * (2 * PHI(statistic) - 1)


@settings(max_examples=100, deadline=None)
@given(p=st.floats(0.001, 0.999))
def test_two_classes_are_the_published_signal(p):
    up = p > 0.5
    expected = published_signal(p if up else 1 - p, 1 if up else -1, 2)
    assert size_from_probability(np.array([p]))[0] == pytest.approx(expected, abs=1e-12)
    assert size_from_classes(np.array([[1 - p, p]]), np.array([-1, 1]))[0] == pytest.approx(expected, abs=1e-12)


@settings(max_examples=100, deadline=None)
@given(seed=st.integers(0, 10_000), classes=st.integers(2, 5))
def test_several_classes_are_the_published_signal(seed, classes):
    random = np.random.default_rng(seed)
    probability, sides = random.dirichlet(np.ones(classes), 10), np.arange(classes) - 1.0
    expected = [published_signal(row.max(), sides[row.argmax()], classes) for row in probability]
    assert size_from_classes(probability, sides) == pytest.approx(expected, abs=1e-12)


def test_a_meta_label_sizes_the_side_or_nothing():
    p, side = np.array([0.7, 0.7, 0.3, 0.5, 0.9]), np.array([1.0, -1.0, 1.0, -1.0, 0.0])
    expected = [side[k] * published_signal(p[k], 1, 2) if p[k] > 0.5 else 0.0 for k in range(5)]
    assert size_from_probability(p, side) == pytest.approx(expected)


def test_certainty_holds_everything_and_ignorance_nothing():
    assert size_from_probability(np.array([0.0, 0.5, 1.0])).tolist() == [-1, 0, 1]
    assert size_from_classes(np.array([[1.0, 0, 0], [0, 0, 1.0]]), np.array([-1, 0, 1])).tolist() == [-1, 1]
    assert size_from_classes(np.full((1, 4), 0.25), np.array([1, 2, 3, 4])).tolist() == [0]


def test_a_missing_probability_has_no_size():
    assert np.isnan(size_from_probability(np.array([np.nan]))[0])
    assert np.isnan(size_from_probability(np.array([np.nan]), np.array([1.0]))[0])
    assert np.isnan(size_from_classes(np.array([[np.nan, 0.5]]), np.array([-1, 1]))[0])


@pytest.mark.parametrize("p", [-0.1, 1.1])
def test_what_is_no_probability_is_refused(p):
    with pytest.raises(ModelError, match=f"probability is {p}"):
        size_from_probability(np.array([0.5, p]))
    with pytest.raises(ModelError, match="row 1 do not sum to one"):
        size_from_classes(np.array([[0.5, 0.5], [p, 0.5]]), np.array([-1, 1]))
    with pytest.raises(ModelError, match="one side a class"):
        size_from_classes(np.array([[0.5, 0.5]]), np.array([-1, 0, 1]))
    with pytest.raises(ModelError, match="-1, 0 or 1"):
        size_from_probability(np.array([0.5]), np.array([0.3]))


def bets(seed, count):
    random = np.random.default_rng(seed)
    start = BASE + MINUTE * random.integers(0, 40, count)
    return start, start + MINUTE * random.integers(1, 15, count), random.uniform(-1, 1, count)


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 10_000), count=st.integers(0, 40))
def test_the_average_is_that_of_the_open_bets(seed, count):
    start, t1, size = bets(seed, count)
    times, mean = average_active(start, t1, size)
    assert times.tolist() == sorted({*start.tolist(), *t1.tolist()})
    for time, found in zip(times, mean, strict=True):
        open_now = size[(start <= time) & (time < t1)]
        assert found == pytest.approx(open_now.mean() if len(open_now) else 0.0, abs=1e-15)


def test_a_bet_leaves_nothing_behind():
    """Without the second float, what 1e9 took of 1e-8 would stay."""
    start, t1 = np.array([0, 1, 2]), np.array([9, 2, 9])
    times, mean = average_active(start, t1, np.array([1e-8, 1e9, 0.0]))
    assert times.tolist() == [0, 1, 2, 9]
    assert mean.tolist() == [1e-8, (1e9 + 1e-8) / 2, 0.5e-8, 0.0]


def test_when_no_bet_is_open_the_sum_begins_anew():
    """Three magnitudes are more than two floats hold: what was lost must not reach the bets after."""
    start, t1 = np.array([0, 1, 2, 11]), np.array([10, 9, 8, 12])
    times, mean = average_active(start, t1, np.array([1e16, 1e-17, 0.3, 1e-30]))
    assert dict(zip(times.tolist(), mean.tolist(), strict=True))[11] == 1e-30


def test_a_bet_without_an_end_stays_open():
    times, mean = average_active(np.array([0, 3]), np.array([np.iinfo(np.int64).max, 5]), np.array([1.0, 0.0]))
    assert times.tolist()[:3] == [0, 3, 5]
    assert mean.tolist()[:3] == [1.0, 0.5, 1.0]


def test_bets_that_do_not_fit_are_refused():
    with pytest.raises(ModelError, match="one finite size"):
        average_active(np.array([0]), np.array([1]), np.array([np.nan]))
    with pytest.raises(ModelError, match="one finite size"):
        average_active(np.array([0]), np.array([1]), np.array([1.0, 2.0]))
    with pytest.raises(ModelError, match="must end after its start"):
        average_active(np.array([1]), np.array([1]), np.array([1.0]))


@settings(max_examples=100, deadline=None)
@given(size=st.floats(-1.5, 1.5), step=st.floats(0.01, 1))
def test_steps_are_the_published_rounding(size, step):
    """AFML snippet 10.3."""
    found = discretise(np.array([size]), step)[0]
    expected = round(size / step) * step
    assert found == min(max(expected, -1), 1)


@pytest.mark.parametrize("step", [0.0, -0.1, 1.1, math.nan])
def test_a_step_out_of_range_is_refused(step):
    with pytest.raises(ModelError, match="step"):
        discretise(np.zeros(1), step)


def published_limit(target, position, forecast, width, most):
    """AFML snippet 10.4, line by line."""
    sign = 1 if target >= position else -1
    total = 0.0
    for j in range(abs(position + sign), abs(target + 1)):
        m = j / float(most)
        total += forecast - m * (width / (1 - m**2)) ** 0.5
    return total / (target - position)


def test_the_published_example_of_dynamic_sizes():
    """AFML snippet 10.4's parameters: forecast 115, price 100, at most 100 units, 0.95 at a divergence of 10."""
    form = Sigmoid.calibrated(divergence=10, size=0.95)
    assert form.width == pytest.approx(10.803324099722991, rel=1e-14)
    assert target_position(form, 115, 100, 100) == int(15 / math.sqrt(form.width + 15**2) * 100) == 97
    assert limit_price(form, 115, 0, 97, 100) == pytest.approx(published_limit(97, 0, 115, form.width, 100), rel=1e-13)
    assert limit_price(form, 115, 20, 60, 100) == pytest.approx(
        published_limit(60, 20, 115, form.width, 100), rel=1e-13
    )


@settings(max_examples=80, deadline=None)
@given(
    power=st.booleans(),
    divergence=st.floats(0.05, 0.9),
    size=st.floats(0.05, 0.95),
    other=st.floats(-0.99, 0.99),
)
def test_a_form_holds_its_calibration_is_odd_rises_and_has_its_inverse(power, divergence, size, other):
    form = (Power if power else Sigmoid).calibrated(divergence, size)
    assert float(form.size(divergence)) == pytest.approx(size, rel=1e-9)
    assert float(form.size(-divergence)) == pytest.approx(-size, rel=1e-9)
    assert float(form.divergence(form.size(other))) == pytest.approx(other, rel=1e-6, abs=1e-9)
    assert (np.diff(form.size(np.linspace(-0.9, 0.9, 50))) >= 0).all()
    price = float(inverse_price(form, 100.0, size))
    assert float(form.size(100.0 - price)) == pytest.approx(size, rel=1e-9)


@settings(max_examples=80, deadline=None)
@given(position=st.integers(-50, 50), target=st.integers(-50, 50), power=st.booleans())
def test_a_limit_is_the_mean_price_of_the_units(position, target, power):
    form = Power(2.0) if power else Sigmoid(0.3)
    if position == target:
        with pytest.raises(ModelError, match="no order"):
            limit_price(form, 10.0, position, target, 60)
        return
    step = 1 if target > position else -1
    prices, held = [], position
    while held != target:
        held += step
        prices.append(10.0 - float(form.divergence(held / 60)))
    found = limit_price(form, 10.0, position, target, 60)
    assert found == pytest.approx(math.fsum(prices) / len(prices), rel=1e-12)
    mirrored = 20.0 - limit_price(form, 10.0, -position, -target, 60)
    assert found == pytest.approx(mirrored, rel=1e-12)


def test_a_power_holds_everything_beyond_one():
    assert Power(3.0).size(np.array([-7.0, -1.0, 0.5, 1.0, 7.0])).tolist() == [-1, -1, 0.125, 1, 1]


def test_all_of_a_sigmoid_is_held_at_no_finite_price():
    assert limit_price(Sigmoid(1.0), 10.0, 9, 10, 10) == -math.inf


@pytest.mark.parametrize("form", [Sigmoid, Power])
def test_forms_out_of_range_are_refused(form):
    for width in (0.0, -1.0, math.inf, math.nan):
        with pytest.raises(ModelError, match="width"):
            form(width)
    for divergence, size in ((0.0, 0.5), (0.5, 1.0), (0.5, 0.0), (-1.0, 0.5)):
        with pytest.raises(ModelError, match="divergence"):
            form.calibrated(divergence, size)
    with pytest.raises(ModelError, match="between -1 and 1"):
        form(1.0).divergence(1.5)
    with pytest.raises(ModelError, match="largest is 10"):
        limit_price(form(1.0), 0.0, 0, 11, 10)
    with pytest.raises(ModelError, match="at least 1"):
        target_position(form(1.0), 0.0, 0.0, 0)


def test_a_power_cannot_be_calibrated_from_one_on():
    with pytest.raises(ModelError, match="power"):
        Power.calibrated(1.0, 0.5)


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 10_000), count=st.integers(1, 40))
def test_budgets_are_those_of_every_open_bet(seed, count):
    start, t1, size = bets(seed, count)
    side = np.round(size)
    times, long, short = open_bets(start, t1, side)
    inside = [(start <= time) & (time < t1) for time in times]
    assert long.tolist() == [int((mine & (side > 0)).sum()) for mine in inside]
    assert short.tolist() == [int((mine & (side < 0)).sum()) for mine in inside]
    known = budget_size(start, t1, side, 3, 2)
    assert known[1] == pytest.approx([min(a / 3, 1) - min(b / 2, 1) for a, b in zip(long, short, strict=True)])
    running = budget_size(start, t1, side)[1]
    for k in range(len(times)):
        most_long, most_short = max(long[: k + 1].max(), 1), max(short[: k + 1].max(), 1)
        assert running[k] == pytest.approx(long[k] / most_long - short[k] / most_short)


def test_with_the_future_s_most_it_is_the_published_budget():
    start, t1, size = bets(1, 40)
    _, long, short = open_bets(start, t1, size)
    found = budget_size(start, t1, size, int(long.max()), int(short.max()))[1]
    assert found == pytest.approx(long / long.max() - short / short.max())


def test_bets_and_budgets_that_do_not_fit_are_refused():
    with pytest.raises(ModelError, match="most_short is 0"):
        budget_size(np.array([0]), np.array([1]), np.array([1.0]), most_short=0)
    with pytest.raises(ModelError, match="none of them NaN"):
        open_bets(np.array([0]), np.array([1]), np.array([np.nan]))


MIXTURE = Mixture(0.3, (-4.0, 2.0), (1.5, 0.8))


def test_the_reserve_is_the_published_share_of_the_distribution():
    def cumulative(x):
        return 0.3 * NormalDist(-4, 1.5).cdf(x) + 0.7 * NormalDist(2, 0.8).cdf(x)

    net, zero = np.linspace(-9, 6, 31), cumulative(0.0)
    expected = [(cumulative(c) - zero) / (1 - zero if c >= 0 else zero) for c in net]
    found = reserve_size(net, MIXTURE)
    assert found == pytest.approx(expected, abs=1e-12)
    assert (np.diff(found) > 0).all()
    assert -1 < found[0] < -0.99
    assert 0.99 < found[-1] < 1


def test_a_fit_finds_the_mixture_again_and_is_repeatable():
    random = np.random.default_rng(3)
    net = np.concatenate([random.normal(-4, 1.5, 30_000), random.normal(2, 0.8, 70_000)])
    found = fit_mixture(net, seed=1)
    assert found.weight == pytest.approx(0.3, abs=0.01)
    assert found.means == pytest.approx((-4, 2), abs=0.05)
    assert found.deviations == pytest.approx((1.5, 0.8), abs=0.05)
    assert fit_mixture(net, seed=1) == found


def test_a_mixture_that_is_none_is_refused():
    for wrong in ((1.0, (0.0, 1.0), (1.0, 1.0)), (0.5, (0.0, 1.0), (0.0, 1.0))):
        with pytest.raises(ModelError, match="no mixture"):
            Mixture(*wrong)
    with pytest.raises(ModelError, match="four different"):
        fit_mixture(np.array([1.0, 2.0, 3.0, 3.0]), seed=0)
