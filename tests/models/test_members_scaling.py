"""Robust scaling against plain quantiles of repeated rows."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from models.members.scaling import NORMAL_QUARTILES, fit_scaler

VALUES = st.floats(-1e6, 1e6, allow_subnormal=False)


@given(arrays(np.float64, (17, 2), elements=VALUES), arrays(np.int64, 17, elements=st.integers(0, 5)))
def test_a_weight_of_k_is_k_rows(rows, counts):
    counts[0] += 1
    repeated = np.repeat(rows, counts, axis=0)
    weighted, plain = (
        fit_scaler(rows, counts.astype(np.float64), 5.0),
        fit_scaler(repeated, np.ones(len(repeated)), 5.0),
    )
    np.testing.assert_array_equal(weighted.mean, plain.mean)
    varied = rows.max(axis=0) != rows.min(axis=0)
    quartiles = np.quantile(repeated, [0.25, 0.75], axis=0, method="inverted_cdf")
    expected = (quartiles[1] - quartiles[0]) / NORMAL_QUARTILES
    use = varied & (expected > 0)
    np.testing.assert_allclose(weighted.scale[use], expected[use], rtol=1e-15)


def test_normal_rows_come_out_standard_and_crashes_are_cut():
    rows = np.random.default_rng(0).normal(100.0, 7.0, (40_000, 1))
    rows[:20] = 1e9
    scaler = fit_scaler(rows, np.ones(len(rows)), 4.0)
    scaled = scaler.transform(rows)
    assert abs(scaler.mean[0] - 100.0) < 0.2
    assert abs(scaler.scale[0] - 7.0) < 0.2
    assert np.abs(scaled).max() == 4.0
    assert np.all(scaled[:20] == 4.0)


def test_no_scale_is_zero():
    rows = np.zeros((100, 3))
    rows[:, 1] = 0.1
    rows[::10, 2] = 1.0
    scaler = fit_scaler(rows, np.full(100, 0.3), 5.0)
    np.testing.assert_allclose(scaler.scale, [1.0, 1.0, 0.3])
    assert np.isnan(scaler.transform(np.full((1, 3), np.nan))).all()
