"""Single kernels against extended precision, where the catalogue's values alone would not show an error."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from features.kernels.logarithm import logarithm
from features.kernels.microstructure import half_tanh
from features.kernels.price import cycle, log_ratio
from market.time import DAY

LONG = np.longdouble
COMPILED = settings(deadline=None)  # the first call compiles


@COMPILED
@given(st.floats(1e-300, 1e300))
def test_the_logarithm_is_good_to_a_few_bits(x):
    exact = np.log(LONG(x))
    assert abs(LONG(logarithm(x)) - exact) <= 1e-15 * max(abs(exact), 1)


@pytest.mark.parametrize("x", [math.nan, math.inf])
def test_what_is_no_number_has_no_logarithm(x):
    assert math.isnan(logarithm(x))


@COMPILED
@given(st.integers(0, 127), st.integers(-3, 3), st.integers(-40, 40))
def test_the_logarithm_joins_at_the_table_s_edges_and_powers_of_two(place, steps, power):
    x = (1.0 + place / 128.0) * 2.0**power
    x += steps * np.spacing(x)
    exact = np.log(LONG(x))
    assert abs(LONG(logarithm(x)) - exact) <= 1e-15 * max(abs(exact), 1)


@COMPILED
@given(st.floats(1e-18, 1e18), st.floats(1e-18, 1e18))
def test_log_ratios_of_any_two_prices(x, y):
    exact = np.log(LONG(x) / LONG(y))
    assert abs(LONG(log_ratio(x, y)) - exact) <= 4e-15 * abs(exact)


@COMPILED
@given(st.floats(1e-18, 1e18), st.floats(-0.08, 0.08), st.integers(-4, 4))
def test_log_ratios_of_near_prices_are_good_relatively(y, move, steps):
    x = y * (1.0 + move)
    x += steps * np.spacing(x)
    exact = 2 * np.arctanh((LONG(x) - LONG(y)) / (LONG(x) + LONG(y)))
    assert abs(LONG(log_ratio(x, y)) - exact) <= 4e-15 * abs(exact)
    assert log_ratio(y, x) == pytest.approx(-log_ratio(x, y), rel=4e-15)


@COMPILED
@given(st.floats(-40, 40))
def test_half_tanh_is_the_hyperbolic_tangent_of_the_half(alpha):
    exact = np.tanh(LONG(alpha) / 2)
    assert abs(LONG(half_tanh(alpha)) - exact) <= 5e-16 * abs(exact) + 5e-324  # half of the least number is none


@COMPILED
@given(st.integers(0, 2**62), st.integers(0, 7 * DAY), st.sampled_from((DAY, 7 * DAY, 7)))
def test_clocks_are_good_to_the_last_bits(end, origin, period):
    sine, cosine = cycle(end, origin, period)
    angle = 2 * np.arctan2(LONG(0), LONG(-1)) * LONG((end - origin) % period) / period
    assert abs(sine - np.sin(angle)) < 4e-16
    assert abs(cosine - np.cos(angle)) < 4e-16
    assert math.hypot(sine, cosine) == pytest.approx(1.0, abs=4e-16)


@pytest.mark.parametrize("quarter", range(4))
def test_quarters_of_a_turn_are_exact(quarter):
    assert cycle(quarter * DAY // 4, 0, DAY) == ((0.0, 1.0, 0.0, -1.0)[quarter], (1.0, 0.0, -1.0, 0.0)[quarter])
