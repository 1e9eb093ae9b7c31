"""The one graph: what it computes, how it is written, and what it refuses."""

import numpy as np
import onnx
import pytest
from graph_samples import (
    FEATURE_COUNT,
    finite,
    lightgbm_booster,
    linear_sample,
    memory_part,
    opset_changed,
    part_outputs,
    problem,
    xgboost_booster,
)
from hypothesis import given, settings
from hypothesis import strategies as st

from models.bundle.combination import Isotonic, Platt, Pool
from models.bundle.runner import GraphRunner
from models.certificate import combine
from models.ensemble.logits import logistic
from models.graph.compose import compose
from models.graph.errors import GraphError
from models.graph.lightgbm import lightgbm_part
from models.graph.xgboost import xgboost_part

STACKER = Pool((0.7, -0.2, 0.4), 0.1, 1e-3)
MIXTURE = Pool((0.5, 0.0, 0.5), 0.0, 1e-3, linear=True)
PLATT = Platt(1.3, -0.05, 0.02)
POINTS = Isotonic((-2.0, -0.5, 0.25, 3.0), (0.01, 0.4, 0.4, 0.97), 0.02)


@pytest.fixture(scope="module")
def parts():
    x, y = problem(seed=0)
    trees = [lightgbm_part("lightgbm", lightgbm_booster(x, y), FEATURE_COUNT)]
    return [*trees, xgboost_part("xgboost", xgboost_booster(x, y), FEATURE_COUNT), linear_sample()]


@pytest.mark.parametrize("stacker", [None, STACKER, MIXTURE])
@pytest.mark.parametrize("calibration", [None, PLATT, POINTS])
def test_members_are_unchanged_and_the_ensemble_is_their_combination(parts, stacker, calibration):
    rows = finite(problem(seed=1, rows=200)[0])
    members, probability = GraphRunner(compose(parts, stacker, calibration).SerializeToString()).run_rows(rows)
    for number, part in enumerate(parts):
        assert np.array_equal(members[:, number], part_outputs(part, rows))
    assert np.abs(probability - combine(members, stacker, calibration)).max() <= 1e-14
    assert len(np.unique(probability)) > (100 if calibration is not POINTS else 50)


@settings(max_examples=20, deadline=None)
@given(
    st.lists(st.floats(-3, 3), min_size=2, max_size=2),
    st.floats(-3, 3),
    st.floats(1e-9, 0.4),
    st.floats(-3, 3),
    st.floats(1e-9, 0.4),
)
def test_any_stacker_and_calibration(weights, intercept, clip, slope, last_clip):
    stacker, platt = Pool(tuple(weights), intercept, clip), Platt(slope, -intercept, last_clip)
    rows = 30.0 * np.random.default_rng(0).normal(size=(20, FEATURE_COUNT))
    graph = compose([linear_sample("one", seed=1), linear_sample("two", seed=2)], stacker, platt)
    members, probability = GraphRunner(graph.SerializeToString()).run_rows(rows)
    assert np.abs(probability - combine(members, stacker, platt)).max() <= 1e-12


def test_the_combination_by_hand():
    """Two members at 0.8 and 0.4, weights 1 and 2: logit = ln 4 + 2 ln(2/3) = ln(16/9), so p = 16/25."""
    stacker = Pool((1.0, 2.0), 0.0, 1e-6)
    assert combine(np.array([[0.8, 0.4]]), stacker, None)[0] == pytest.approx(16 / 25, abs=1e-15)
    half = Platt(0.5, np.log(3.0), 1e-6)
    assert combine(np.array([[0.8, 0.4]]), stacker, half)[0] == pytest.approx(4 / 5, abs=1e-15)
    assert combine(np.array([[0.8, 0.4]]), None, None)[0] == pytest.approx(0.6, abs=1e-15)
    mixture = Pool((0.75, 0.25), 0.0, 1e-6, linear=True)
    assert combine(np.array([[0.8, 0.4]]), mixture, None)[0] == pytest.approx(0.7, abs=1e-15)


def test_points_by_hand():
    """Level outside the knots, and between them a line: three quarters of the way from 0.2 to 0.6 is 0.5."""
    points = Isotonic((0.0, 4.0), (0.2, 0.6), 1e-6)
    said = combine(logistic(np.array([[-1.0], [3.0], [9.0]])), Pool((1.0,), 0.0, 1e-9), points)
    assert said == pytest.approx([0.2, 0.5, 0.6], abs=1e-12)


def test_bytes_are_the_same_every_time(parts):
    def build():
        x, y = problem(seed=0)
        fresh = [lightgbm_part("lightgbm", lightgbm_booster(x, y), FEATURE_COUNT), linear_sample(), memory_part()]
        return compose(fresh, STACKER, PLATT).SerializeToString(deterministic=True)

    assert build() == build()
    assert compose(parts, STACKER).SerializeToString() != compose(parts[::-1], STACKER).SerializeToString()


def test_the_form_of_the_graph(parts):
    model = compose([*parts, memory_part()])
    assert {opset.domain: opset.version for opset in model.opset_import} == {"": 21, "ai.onnx.ml": 5}
    assert {node.domain for node in model.graph.node} <= {"", "ai.onnx.ml"}
    assert not any(constant.external_data for constant in model.graph.initializer)
    assert [value.name for value in model.graph.input] == ["features", "memory.h"]
    assert [value.name for value in model.graph.output] == ["members", "probability", "next_memory.h"]
    assert {item.key: item.value for item in model.metadata_props} == {"members": "lightgbm,xgboost,linear,memory"}


def test_two_members_of_one_kind_keep_their_own_state():
    graph = compose([memory_part("first"), memory_part("second", width=2)]).SerializeToString()
    runner = GraphRunner(graph)
    members, _ = runner.run_rows(finite(problem(seed=2, rows=30)[0]))
    assert np.array_equal(members[:, 0], members[:, 1])
    assert [len(member.state) for member in runner.member_infos()] == [1, 1]


def test_parts_that_do_not_fit_are_refused(parts):
    one = linear_sample()
    cases = [
        ([], "at least one"),
        ([one, one], "distinct"),
        ([linear_sample("Bad/Name")], "Bad/Name"),
        ([one, linear_sample("wide", features=9)], r"\[8, 9\] features"),
        ([opset_changed(one, 20)], "opsets"),
    ]
    for given_parts, message in cases:
        with pytest.raises(GraphError, match=message):
            compose(given_parts)
    with pytest.raises(GraphError, match="3 weights for 1 members"):
        compose([one], STACKER)
    with pytest.raises(GraphError, match="clip"):
        compose(parts, Pool((1.0, 1.0, 1.0), 0.0, 0.5))
    with pytest.raises(GraphError, match="not finite"):
        compose(parts, Pool((1.0, np.nan, 1.0), 0.0, 0.1))
    for weights, intercept in [((0.5, 0.5, 0.5), 0.0), ((1.5, -0.5, 0.0), 0.0), ((0.5, 0.5, 0.0), 0.1)]:
        with pytest.raises(GraphError, match="sum to one"):
            compose(parts, Pool(weights, intercept, 0.1, linear=True))
    for knots, values in [((0.0,), (0.5,)), ((0.0, 1.0), (0.5,)), ((1.0, 1.0), (0.4, 0.5)), ((0.0, 1.0), (0.5, 0.4))]:
        with pytest.raises(GraphError, match="knots"):
            compose(parts, STACKER, Isotonic(knots, values, 0.1))


def test_external_data_is_refused():
    part = linear_sample()
    onnx.external_data_helper.set_external_data(part.model.graph.initializer[0], "weights.bin")
    with pytest.raises(GraphError, match="external data"):
        compose([part])
