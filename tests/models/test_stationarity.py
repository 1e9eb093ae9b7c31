"""Dickey–Fuller statistics against statsmodels and against least squares on every window."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.errors import ModelError
from models.statistics.stationarity import adf, sadf

STATSMODELS = [
    (1, 0, False, -1.4958560796591454),
    (1, 0, True, -4.108784259119404),
    (1, 1, False, -1.5149614779764455),
    (1, 1, True, -3.975058976977961),
    (1, 3, False, -1.178815619510507),
    (1, 3, True, -3.606492876213135),
    (2, 0, False, -2.9279061694669775),
    (2, 0, True, -3.191362805728169),
    (2, 1, False, -2.847077915701662),
    (2, 1, True, -3.0776754619744717),
    (2, 3, False, -3.0814014463144845),
    (2, 3, True, -3.111967391470379),
]


@pytest.mark.parametrize(("seed", "lags", "trend", "theirs"), STATSMODELS)
def test_adf_is_statsmodels_0_15_adfuller(seed, lags, trend, theirs):
    walk = np.random.default_rng(seed).normal(size=120).cumsum()
    assert adf(walk, lags, trend) == pytest.approx(theirs, rel=1e-9)


def least_squares(series, begin, end, lags, trend):
    """t of the level over rows begin … end, by QR on the plain regressors."""
    change = np.diff(series, prepend=np.nan)
    rows = np.arange(begin, end + 1)
    columns = [np.ones(len(rows)), *(change[rows - lag] for lag in range(1, lags + 1))]
    columns += [rows.astype(float)] if trend else []
    design = np.stack([*columns, series[rows - 1]], axis=1)
    beta, _, rank, _ = np.linalg.lstsq(design, change[rows])
    if rank < design.shape[1]:
        return np.nan
    residual = change[rows] - design @ beta
    variance = residual @ residual / (len(rows) - design.shape[1])
    return beta[-1] / np.sqrt(variance * np.linalg.inv(design.T @ design)[-1, -1])


def by_hand(series, minimum, lags, trend):
    found = np.full(len(series), np.nan)
    for end in range(lags + minimum, len(series)):
        found[end] = max(least_squares(series, b, end, lags, trend) for b in range(lags + 1, end - minimum + 2))
    return found


@settings(deadline=None, max_examples=12)
@given(st.integers(0, 2**32), st.integers(0, 3), st.booleans(), st.sampled_from([0.0, 5.0, 12.0]))
def test_the_supremum_is_least_squares_on_every_window(seed, lags, trend, level):
    series = level + 0.01 * np.random.default_rng(seed).normal(size=45).cumsum()
    found = sadf(series, 12, lags, trend)
    assert found == pytest.approx(by_hand(series, 12, lags, trend), rel=1e-5, nan_ok=True)


def test_nothing_after_a_row_changes_it():
    series = np.random.default_rng(1).normal(size=80).cumsum()
    assert sadf(series, 15)[:60].tolist() == pytest.approx(sadf(series[:60], 15).tolist(), nan_ok=True, rel=0)


def test_a_shift_or_a_scale_changes_nothing():
    series = np.random.default_rng(2).normal(size=80).cumsum()
    assert sadf(8 + 0.003 * series, 15) == pytest.approx(sadf(series, 15), rel=1e-8, nan_ok=True)


def test_a_bubble_is_seen_while_it_grows_and_not_before():
    random = np.random.default_rng(3)
    walk = random.normal(size=300).cumsum()
    bubble = walk + 0.1 * 1.06 ** np.maximum(np.arange(300) - 200, 0)
    found = sadf(bubble, 40)
    assert np.nanmax(found[:200]) < 1.5
    assert found[299] > 3


def test_sadf_of_random_walks_has_the_critical_value_of_phillips_shi_and_yu():
    """Phillips, Shi and Yu (2015), table 1, GSADF with T = 100, r0 = 0.190: 95 % at 2.00 (zero lags)."""
    random = np.random.default_rng(4)
    largest = [np.nanmax(sadf(random.normal(1 / 100, 1, 101).cumsum(), 19, lags=0)) for _ in range(1500)]
    assert np.quantile(largest, 0.95) == pytest.approx(2.0, abs=0.25)


def test_prices_that_stand_still_have_no_statistic_and_hide_none():
    series = np.r_[np.zeros(40), np.random.default_rng(5).normal(size=40).cumsum()]
    found = sadf(series, 15)
    assert np.isnan(found[:40]).all()
    assert np.isfinite(found[60:]).all()


@pytest.mark.parametrize(
    ("series", "minimum", "lags"),
    [
        (np.arange(50.0), 3, 1),
        (np.arange(50.0), 20, -1),
        (np.r_[np.arange(50.0), np.nan], 20, 1),
        (np.ones((9, 9)), 6, 1),
    ],
)
def test_what_leaves_nothing_to_estimate_is_refused(series, minimum, lags):
    with pytest.raises(ModelError):
        sadf(series, minimum, lags)


def test_too_short_a_series_is_undefined_everywhere():
    assert np.isnan(sadf(np.arange(10.0) ** 2, 20)).all()
