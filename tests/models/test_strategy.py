"""What a strategy does: bets, holding, concentration, risk, capacity; against AFML's numbers and versions by hand."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binomtest

from models.errors import ModelError
from models.statistics.bootstrap import Interval
from models.statistics.capacity import ImpactModel, capacity, expected_profit
from models.statistics.strategy import (
    average_holding,
    bet_ends,
    bet_frequency,
    concentration,
    concentrations,
    hit_ratio,
    over_bets,
    share_interval,
    turnover,
)
from models.statistics.strategy_risk import implied_frequency, implied_precision, sharpe_of_bets, strategy_risk


@pytest.mark.parametrize(("hits", "count"), [(0, 10), (1, 10), (55, 100), (100, 100), (1, 1)])
@pytest.mark.parametrize("level", [0.8, 0.95])
def test_the_interval_of_a_share_is_scipy_s_wilson(hits, count, level):
    found = share_interval(hits, count, level)
    theirs = binomtest(hits, count).proportion_ci(level, "wilson")
    assert (found.low, found.high) == pytest.approx((theirs.low, theirs.high), abs=1e-12)
    assert found.low <= found.value <= found.high


def test_a_share_of_nothing_is_refused():
    with pytest.raises(ModelError, match="no share"):
        share_interval(0, 0)


def test_a_bet_that_earned_nothing_is_no_miss():
    assert hit_ratio(np.array([1.0, 0.0, -1.0, 0.0])).value == 0.5


def test_concentration_of_afml_14_5_1():
    """(Σ w² − 1 / n) / (1 − 1 / n): 0 for equal weights, 1 for a single one."""
    weights = np.array([1.0, 2.0, 3.0])
    by_hand = ((1 + 4 + 9) / 36 - 1 / 3) / (2 / 3)
    assert concentration(weights) == pytest.approx(by_hand, rel=1e-12)
    assert concentration(-weights) == pytest.approx(by_hand, rel=1e-12)
    assert np.isnan(concentration(weights[:2]))


@settings(deadline=None)
@given(st.lists(st.floats(0.01, 100), min_size=3, max_size=20), st.floats(0.1, 10))
def test_concentration_is_between_0_and_1_and_has_no_unit(weights, unit):
    given_weights = np.array(weights)
    assert 0 <= concentration(given_weights) <= 1
    assert concentration(unit * given_weights) == pytest.approx(concentration(given_weights), abs=1e-9)


def test_concentrations_look_at_gains_losses_and_months():
    random = np.random.default_rng(1)
    returns = np.r_[np.full(50, 1.0), -(random.exponential(1, 50) ** 3)]
    ends = np.r_[np.arange(50), np.full(50, 90)]
    found = concentrations(returns, ends, 10, random, draws=200)
    assert (found.gains.low, found.gains.value, found.gains.high) == pytest.approx((0, 0, 0), abs=1e-12)
    assert 0 < found.losses.low < found.losses.high
    assert found.bets == pytest.approx(concentration(np.array([10, 10, 10, 10, 10, 0, 0, 0, 0, 50.0])))
    assert np.isnan(over_bets(concentration, returns[:2], random).value)


POSITION = st.lists(st.integers(-2, 2), min_size=2, max_size=30)


def bets_by_hand(position):
    found, side = [], 0
    for row, held in enumerate(position):
        if side and np.sign(held) != side:
            found.append(row)
        side = np.sign(held)
    if side and (not found or found[-1] != len(position) - 1):
        found.append(len(position) - 1)
    return found


@settings(deadline=None)
@given(POSITION)
def test_bets_end_where_the_position_is_flat_or_turns(position):
    assert bet_ends(np.array(position, float)).tolist() == bets_by_hand(position)


def holding_by_snippet(position, time):
    """AFML snippet 14.2, row by row; a bet that opens enters at its row's time."""
    entry, pieces, before = 0.0, [], 0.0
    for now, held in zip(time, position, strict=True):
        change = held - before
        if change * before >= 0:
            if held != 0:
                entry = (entry * before + now * change) / held
        elif held * before < 0:
            pieces.append((now - entry, abs(before)))
            entry = now
        else:
            pieces.append((now - entry, abs(change)))
        before = held
    total = sum(weight for _, weight in pieces)
    return sum(age * weight for age, weight in pieces) / total if total else np.nan


@settings(deadline=None)
@given(POSITION, st.integers(0, 1000))
def test_average_holding_is_afml_snippet_14_2(position, seed):
    time = np.cumsum(np.random.default_rng(seed).integers(1, 9, len(position)))
    found = average_holding(np.array(position, float), time)
    assert found == pytest.approx(holding_by_snippet(position, time - time[0]), rel=1e-9, nan_ok=True)


def test_a_year_has_its_bets():
    year = int(365.25 * 86_400e9)
    assert bet_frequency(np.array([1.0, 0.0, 1.0, 0.0]), np.array([0, 1, 2, 2 * year])) == pytest.approx(1.0)


def test_turnover_counts_both_sides():
    assert turnover(np.array([100.0, -100.0]), np.array([50.0, 150.0]), 2.0) == 1.0


@pytest.mark.parametrize(
    ("precision", "frequency", "take", "stop", "printed", "digits"),
    [(0.55, 396, 1, -1, 2.0, 3), (0.6336, 52, 1, -1, 2.0, 2), (0.7, 260, 0.005, -0.01, 1.173, 3)],
)
def test_the_sharpe_ratios_of_afml_15(precision, frequency, take, stop, printed, digits):
    assert sharpe_of_bets(precision, frequency, take, stop) == pytest.approx(printed, abs=0.5 * 10**-digits)


def test_the_implied_precision_and_frequency_of_afml_15():
    assert implied_precision(2, 52) == pytest.approx(0.6336, abs=5e-5)
    assert implied_precision(2, 260, 0.005, -0.01) == pytest.approx(0.72, abs=5e-3)
    assert implied_precision(0, 260, 0.005, -0.01) == pytest.approx(2 / 3)
    assert implied_frequency(2, 0.55) == pytest.approx(396, abs=1e-9)


@settings(deadline=None)
@given(st.floats(-3, 3), st.floats(1, 1000), st.floats(0.001, 1), st.floats(-1, -0.001))
def test_implied_precision_inverts_the_sharpe_ratio(target, frequency, take, stop):
    found = implied_precision(target, frequency, take, stop)
    assert sharpe_of_bets(found, frequency, take, stop) == pytest.approx(target, abs=1e-4)


@settings(deadline=None)
@given(st.floats(0.01, 3), st.floats(0.55, 0.95), st.floats(0.5, 1), st.floats(-0.5, -0.1))
def test_implied_frequency_inverts_the_sharpe_ratio(target, precision, take, stop):
    found = implied_frequency(target, precision, take, stop)
    assert sharpe_of_bets(precision, found, take, stop) == pytest.approx(target, rel=1e-9)


def test_a_losing_bet_reaches_no_target_however_often():
    assert implied_frequency(1.0, 0.45) == np.inf
    with pytest.raises(ModelError, match="must be less"):
        sharpe_of_bets(0.5, 10, 1.0, 1.0)


def test_bets_simulated_have_the_sharpe_ratio():
    won = np.random.default_rng(2).random((4000, 260)) < 0.7
    year = np.where(won, 0.005, -0.01)
    assert year.sum(axis=1).mean() / (year.std() * 260**0.5) == pytest.approx(1.173, abs=0.05)


def test_strategy_risk_is_the_share_of_years_that_miss():
    found = strategy_risk(150, 250, 1.0, 100, 0.02, -0.02)
    needed = implied_precision(1.0, 100, 0.02, -0.02)
    right = (np.random.default_rng(3).random((40_000, 100)) < 0.6).mean(axis=1)
    assert found.value == pytest.approx((right < needed).mean(), abs=0.008)
    assert found.low < found.value < found.high
    assert strategy_risk(15_000, 25_000, 1.0, 100, 0.02, -0.02).high < found.high


@settings(deadline=None)
@given(st.floats(0.1, 3), st.floats(0.1, 3))
def test_a_higher_target_is_missed_more_often(one, other):
    low, high = sorted((one, other))
    risk = [strategy_risk(60, 100, target, 80, 1.0, -1.0).value for target in (low, high)]
    assert risk[0] <= risk[1]


def test_less_than_one_bet_has_no_risk():
    with pytest.raises(ModelError, match="less than one bet"):
        strategy_risk(5, 10, 1.0, 0.5, 1.0, -1.0)


IMPACT = ImpactModel(fraction=0.2, volatility=0.03, daily_volume=5e8, coefficient=0.8)


def test_profit_is_zero_at_capacity_and_greatest_at_four_ninths_of_it():
    limit = capacity(Interval(0.001, 0.0005, 0.002), IMPACT)
    assert expected_profit(0.001, limit.value, IMPACT) == pytest.approx(0, abs=1e-6 * limit.value * 0.001)
    grid = np.linspace(0.01, 1, 1000) * limit.value
    best = grid[np.argmax([expected_profit(0.001, one, IMPACT) for one in grid])]
    assert best == pytest.approx(4 / 9 * limit.value, rel=0.01)
    assert limit.low == pytest.approx(limit.value / 4) == pytest.approx(limit.high / 16)


def test_impact_is_the_square_root_law():
    assert IMPACT.cost(4e6) == pytest.approx(2 * IMPACT.cost(1e6))
    assert IMPACT.cost(5e8 / 0.2) == pytest.approx(0.8 * 0.03)
    with pytest.raises(ModelError, match="volatility is 0"):
        ImpactModel(0.1, 0, 1e6)
