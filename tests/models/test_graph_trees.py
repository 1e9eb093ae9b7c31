"""Splits written so that the branch that is taken is the rarer one, and what stands for a comparison turned around."""

import numpy as np
import onnx
import pytest
from graph_samples import FEATURE_COUNT, finite, lightgbm_booster, problem, xgboost_booster
from hypothesis import given
from hypothesis import strategies as st
from onnx import helper, numpy_helper

from models.graph.lightgbm import lightgbm_part
from models.graph.trees import Comparison, _turned, split_points
from models.graph.xgboost import xgboost_part

PASSES = {Comparison.AT_MOST: np.less_equal, Comparison.BELOW: np.less}
NUMBERS = st.floats(allow_nan=False)


@given(NUMBERS, st.floats(allow_nan=False, allow_infinity=False), st.integers(-2, 2), st.sampled_from(Comparison))
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_the_negative_passes_the_turned_threshold_where_the_number_does_not_pass_its_own(dtype, x, t, steps, kind):
    with np.errstate(over="ignore"):
        threshold = np.clip(np.array([t], dtype), np.finfo(dtype).min, np.finfo(dtype).max)
        near = threshold.copy()
        for _ in range(abs(steps)):
            near = np.nextafter(near, dtype(np.copysign(np.inf, steps)))
        values = np.concatenate([np.array([x], dtype), near, [dtype(np.inf), dtype(-np.inf)]])
    turned = _turned(threshold, kind)
    assert np.array_equal(PASSES[kind](-values, turned), ~PASSES[kind](values, threshold))
    if np.isfinite(turned).all():
        assert _turned(turned, kind) == threshold


def ensemble(part):
    """The operator's columns, and how a row passes a split."""
    (node,) = (node for node in part.model.graph.node if node.op_type == "TreeEnsemble")
    found = {one.name.removeprefix("nodes_"): helper.get_attribute_value(one) for one in node.attribute}
    return {
        key: numpy_helper.to_array(value) if isinstance(value, onnx.TensorProto) else np.array(value)
        for key, value in found.items()
    }


def taken_and_not(table, rows):
    """How often the branch was taken at each split, and how often not, shape (splits,) each."""
    passes = PASSES[Comparison(int(table["modes"][0]))]
    counts = np.zeros((2, len(table["featureids"])), np.int64)
    both = np.concatenate([rows, -rows], axis=1).astype(table["splits"].dtype)
    for root in table["tree_roots"]:
        place, leaf = np.full(len(rows), root), np.zeros(len(rows), bool)
        while not leaf.all():
            now, on = place[~leaf], both[~leaf]
            taken = passes(on[np.arange(len(now)), table["featureids"][now]], table["splits"][now])
            np.add.at(counts, ((~taken).astype(int), now), 1)
            place[~leaf] = np.where(taken, table["truenodeids"][now], table["falsenodeids"][now])
            leaf[~leaf] = np.where(taken, table["trueleafs"][now], table["falseleafs"][now]).astype(bool)
    return counts


def samples():
    x, y = problem(seed=3, rows=900)
    x = finite(x)
    light, extreme = lightgbm_booster(x, y), xgboost_booster(x, y, max_depth=3, base_score=0.5)
    return x, {
        "lightgbm": lightgbm_part("lightgbm", light, FEATURE_COUNT),
        "xgboost": xgboost_part("xgboost", extreme, FEATURE_COUNT),
    }


def test_the_branch_that_is_taken_is_the_rarer_one_in_training():
    x, parts = samples()
    taken, not_taken = taken_and_not(ensemble(parts["lightgbm"]), x)
    assert (taken <= not_taken).all()
    assert (taken < not_taken).mean() > 0.8
    # XGBoost keeps no counts but the weight of rows, p (1 - p) each: the whole tells.
    taken, not_taken = taken_and_not(ensemble(parts["xgboost"]), x)
    assert taken.sum() < 0.6 * not_taken.sum()


def test_split_points_are_the_library_s_own_thresholds():
    x, y = problem(seed=3, rows=900)
    booster = lightgbm_booster(finite(x), y)
    table = booster.trees_to_dataframe().dropna(subset=["threshold"])
    named, given = table["split_feature"].str.removeprefix("Column_").astype(int), table["threshold"]
    feature, threshold = split_points(lightgbm_part("lightgbm", booster, FEATURE_COUNT).model)
    ours, theirs = (
        {
            (one, value)
            for one, value in zip(features.tolist(), thresholds.tolist(), strict=True)
            if abs(value) > 1.1e-35
        }
        for features, thresholds in ((feature, threshold), (named, given))
    )
    assert ours == theirs
    assert len(ours) > 100
