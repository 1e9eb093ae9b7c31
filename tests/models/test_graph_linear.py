"""The linear member's graph against exact rational arithmetic's neighbour, NumPy in extended precision."""

import numpy as np
import pytest
from graph_samples import part_outputs
from hypothesis import given, settings
from hypothesis import strategies as st

from models.graph.errors import GraphError
from models.graph.linear import linear_part


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 2**32), st.integers(1, 40), st.floats(0.5, 20.0))
def test_probability_is_that_of_the_formula(seed, features, clip):
    generator = np.random.default_rng(seed)
    mean, coefficients = generator.normal(size=(2, features)) * 10.0 ** generator.integers(-3, 4, features)
    coefficients /= np.abs(coefficients).max()
    scale, intercept = np.exp(3.0 * generator.normal(size=features)), generator.normal()
    rows = mean + scale * generator.standard_t(2, size=(20, features))
    part = linear_part("linear", mean, scale, clip, coefficients, intercept)
    wide = np.clip((rows.astype(np.longdouble) - mean) / scale, -clip, clip)
    expected = 1.0 / (1.0 + np.exp(-(wide @ coefficients.astype(np.longdouble) + intercept)))
    assert np.abs(part_outputs(part, rows) - expected).max() <= 1e-12


@pytest.mark.parametrize(
    "change",
    [{"scale": [1.0, 0.0]}, {"scale": [1.0, -1.0]}, {"clip": 0.0}, {"mean": [np.nan, 0.0]}, {"intercept": np.inf}],
)
def test_numbers_without_meaning_are_refused(change):
    good = {"mean": [0.0, 0.0], "scale": [1.0, 1.0], "clip": 5.0, "coefficients": [1.0, 2.0], "intercept": 0.0}
    with pytest.raises(GraphError, match="linear"):
        linear_part("linear", **(good | change))
