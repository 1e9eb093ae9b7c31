"""How long a series remembers: plain loops, holes, and an autoregression whose half-life is known."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.signal import lfilter

from models.errors import ModelError
from models.statistics.long_run import autocorrelation
from models.statistics.persistence import half_life, lag_ladder, lagged_correlation


def by_loop(column, lag):
    known = column[~np.isnan(column)]
    pairs = [
        (column[row] - known.mean()) * (column[row - lag] - known.mean())
        for row in range(lag, len(column))
        if not np.isnan(column[row]) and not np.isnan(column[row - lag])
    ]
    return np.mean(pairs) / known.var()


def test_it_is_a_loop_over_the_pairs_that_are_whole():
    random = np.random.default_rng(3)
    rows = random.standard_normal((200, 3)).cumsum(axis=0)
    rows[40:70, 1] = np.nan
    rows[:20] = np.nan
    found = lagged_correlation(rows, (1, 5, 60))
    for place, lag in enumerate((1, 5, 60)):
        for column in range(3):
            assert found[place, column] == pytest.approx(by_loop(rows[:, column], lag), rel=1e-9)


def test_without_holes_it_is_the_usual_one_up_to_the_number_of_pairs():
    values = np.random.default_rng(4).standard_normal(500).cumsum()
    found = lagged_correlation(values[:, None], (1, 2, 3)).ravel()
    np.testing.assert_allclose(found * (500 - np.arange(1, 4)) / 500, autocorrelation(values, 3), rtol=1e-9)


@pytest.mark.parametrize("wanted", [3.0, 20.0, 90.0])
def test_the_half_life_of_an_autoregression_is_found(wanted):
    rho = 0.5 ** (1 / wanted)
    values = lfilter([1.0], [1.0, -rho], np.random.default_rng(6).standard_normal(400_000))
    lags = lag_ladder(1_000)
    assert half_life(lagged_correlation(values[:, None], lags), lags)[0] == pytest.approx(wanted, rel=0.05)
    exact = rho ** np.array(lags, float)[:, None]
    assert half_life(exact, lags)[0] == pytest.approx(wanted, rel=1e-9)


def test_noise_forgets_at_once_a_line_never_and_what_stands_still_has_nothing_to_forget():
    noise = np.random.default_rng(7).standard_normal(5_000)
    rows = np.column_stack([noise, np.linspace(0, 1, 5_000), np.full(5_000, 0.1), np.full(5_000, np.nan)])
    lags = lag_ladder(100)
    found = half_life(lagged_correlation(rows, lags), lags)
    assert 0 < found[0] < 1
    assert found[1] == np.inf
    assert np.isnan(found[2:]).all()


def test_what_oscillates_has_the_first_crossing():
    rows = np.cos(2 * np.pi * np.arange(4_800) / 48)[:, None]
    lags = lag_ladder(200)
    assert half_life(lagged_correlation(rows, lags), lags)[0] == pytest.approx(8, abs=0.1)  # cos 60° = 1/2


def test_lags_are_ascending_and_refused_below_one():
    assert lag_ladder(1) == (1,)
    assert list(lag_ladder(500)) == sorted(set(lag_ladder(500)))
    with pytest.raises(ModelError, match="at least one row"):
        lagged_correlation(np.ones((3, 1)), (0,))
