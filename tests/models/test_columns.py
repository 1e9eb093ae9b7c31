"""Columns in numbers: SciPy's moments, NumPy's quantiles, and cases by hand."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.stats import iqr, kurtosis, norm, skew

from models.errors import ModelError
from models.statistics.columns import NORMAL_QUARTILES, OUTLYING, describe_columns


@pytest.fixture(scope="module")
def rows():
    random = np.random.default_rng(5)
    found = np.column_stack([random.normal(3, 2, 4000), random.standard_t(3, 4000), random.exponential(1, 4000)])
    found[random.random(found.shape) < 0.1] = np.nan
    return found


def test_moments_are_scipys_and_quantiles_numpys_over_the_values_that_are_there(rows):
    found = describe_columns(rows)
    for place, column in enumerate(rows.T):
        known = column[~np.isnan(column)]
        assert found.count[place] == len(known)
        assert found.mean[place] == pytest.approx(known.mean(), rel=1e-12)
        assert found.deviation[place] == pytest.approx(known.std(), rel=1e-12)
        assert found.skewness[place] == pytest.approx(skew(known), rel=1e-9)
        assert found.excess_kurtosis[place] == pytest.approx(kurtosis(known), rel=1e-9)
        quantiles = [found.low[place], found.median[place], found.high[place]]
        np.testing.assert_allclose(quantiles, np.quantile(known, [0.01, 0.5, 0.99]), rtol=1e-12)


def test_outliers_are_counted_in_robust_deviations(rows):
    found = describe_columns(rows)
    assert pytest.approx(norm.ppf(0.75) - norm.ppf(0.25), rel=1e-12) == NORMAL_QUARTILES
    for place, column in enumerate(rows.T):
        known = column[~np.isnan(column)]
        away = np.abs(known - np.median(known)) / iqr(known, scale="normal")
        assert found.farthest[place] == pytest.approx(away.max(), rel=1e-9)
        assert found.outlying[place] == (away > OUTLYING).mean()
    assert found.outlying[1] > 0 == found.outlying[0]


def test_histograms_count_what_lies_between_their_edges(rows):
    found = describe_columns(rows, bins=7)
    for place, column in enumerate(rows.T):
        known = column[~np.isnan(column)]
        low, high = found.edges[place]
        np.testing.assert_allclose([low, high], np.quantile(known, [0.005, 0.995]))
        inside = known[(known >= low) & (known <= high)]
        assert found.histogram[place].tolist() == np.histogram(inside, 7, (low, high))[0].tolist()
        assert found.histogram[place].sum() == pytest.approx(0.99 * len(known), abs=3)


def test_a_column_that_stands_still_has_no_spread_and_no_shape():
    found = describe_columns(np.full((3_000, 1), 0.1))
    assert (found.mean[0], found.deviation[0], found.commonest[0]) == (0.1, 0.0, 1.0)
    assert np.isnan([found.skewness[0], found.excess_kurtosis[0], found.outlying[0], found.farthest[0]]).all()
    assert found.histogram[0].sum() == 3_000


def test_the_commonest_value_is_that_which_occurs_most():
    found = describe_columns(np.array([[3.0, 0.0], [1.0, 0.0], [3.0, 1.0], [np.nan, 2.0]]))
    assert found.commonest.tolist() == [2 / 3, 1 / 2]


def test_a_column_without_values_is_undefined_and_infinities_are_refused():
    found = describe_columns(np.full((5, 1), np.nan))
    assert found.count[0] == 0 == found.histogram.sum()
    assert np.isnan([found.mean[0], found.median[0], found.commonest[0], found.edges[0, 0]]).all()
    with pytest.raises(ModelError, match="without infinite values"):
        describe_columns(np.array([[np.inf]]))


@given(arrays(np.float64, (12, 2), elements=st.floats(-1e6, 1e6)))
def test_the_order_of_rows_means_nothing(rows):
    one, other = describe_columns(rows), describe_columns(rows[::-1])
    for name in ("mean", "deviation", "skewness", "farthest", "histogram", "commonest"):
        np.testing.assert_array_equal(getattr(one, name), getattr(other, name))
