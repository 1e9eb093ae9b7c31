"""Prediction sets in the graph: to the last bit those of research, on their threshold and everywhere else."""

import numpy as np
import onnx
import onnxruntime
import pytest
from graph_samples import FEATURE_COUNT, finite, linear_sample, memory_part, problem
from hypothesis import example, given, settings
from hypothesis import strategies as st

from models.bundle.combination import Conformal
from models.bundle.runner import GraphRunner, session_options
from models.ensemble.calibration import fit_calibration
from models.ensemble.config import CALIBRATIONS, METHODS, EnsembleConfig
from models.ensemble.conformal import fit_conformal, prediction_sets
from models.ensemble.pools import fit_pool, pool_logit
from models.graph.alone import sets_alone
from models.graph.compose import compose
from models.graph.errors import GraphError

PARTS = [linear_sample("one", seed=1), linear_sample("two", seed=2), memory_part()]
ROWS = finite(problem(seed=3, rows=1_500)[0])


@pytest.fixture(scope="module")
def said():
    """What the members say of all rows, and labels that they know something about."""
    members = GraphRunner(compose(PARTS).SerializeToString()).run_rows(ROWS)[0]
    chance = np.random.default_rng(4).random(len(ROWS))
    return members, (chance < members.mean(axis=1)).astype(np.int64)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("calibration", CALIBRATIONS)
def test_every_pool_and_calibration_says_the_sets_of_research(said, method, calibration):
    """The threshold is what the graph itself says of some row, or one minus it: that row lies on it."""
    members, label = said
    weight = np.ones(len(label))
    pool = fit_pool(members, label, weight, EnsembleConfig(method=method))
    line = fit_calibration(calibration, pool_logit(pool, members), label, weight, 1e-4, 1.0)
    probability = GraphRunner(compose(PARTS, pool, line).SerializeToString()).run_rows(ROWS)[1]
    fitted = fit_conformal(probability, label, weight, 0.8)
    happened = np.where(label > 0, probability, 1.0 - probability)
    assert (happened == fitted.least).any()
    for conformal in (fitted, Conformal(0.5, float(probability[7])), Conformal(0.5, float(1.0 - probability[7]))):
        runner = GraphRunner(compose(PARTS, pool, line, conformal).SerializeToString())
        said = runner.run_stages(ROWS)
        again, sets = said.probability, said.sets
        assert again.tobytes() == probability.tobytes()
        assert np.array_equal(sets, prediction_sets(conformal, probability))
    assert sets[7, 0]  # its falling side is on the threshold, and in the set


def sets_of(conformal, probabilities):
    """The graph's sets of some probabilities, by its nodes behind the probability."""
    graph = sets_alone(compose(PARTS, conformal=conformal))
    session = onnxruntime.InferenceSession(graph.SerializeToString(), session_options())
    return [tuple(session.run(None, {"probability": np.array([one])})[0].tolist()) for one in probabilities]


@settings(max_examples=60, deadline=None)
@given(st.floats(0.0, 1.0), st.floats(0.0, 1.0))
@example(1e-300, 0.5)
@example(5e-324, 1.0)
@example(0.1, 0.9)
def test_ties_and_their_neighbours_fall_as_in_plain_python(least, other):
    near = [0.0, 1.0, other]
    for centre in (least, 1.0 - least):
        near += [centre, float(np.nextafter(centre, 0.0)), float(np.nextafter(centre, 1.0))]
    expected = [(1.0 - one >= least, one >= least) for one in near]
    assert sets_of(Conformal(0.8, least), near) == expected
    assert [tuple(one) for one in prediction_sets(Conformal(0.8, least), np.array(near)).tolist()] == expected


def test_a_row_without_an_answer_has_no_set():
    conformal = Conformal(0.8, 0.0)
    graph = compose(PARTS, conformal=conformal).SerializeToString()
    rows = ROWS[:6].copy()
    rows[3, 0] = np.nan
    runner = GraphRunner(graph, burn_in=1)
    held = [runner.step(row).prediction_set for row in rows]
    assert [one is None for one in held] == [True, False, False, True, True, False]
    assert all(one.tolist() == [True, True] for one in held if one is not None)
    runner.reset()
    said = runner.run_stages(rows)
    probability, sets = said.probability, said.sets
    assert sets.any(axis=1).tolist() == np.isfinite(probability).tolist() == [one is not None for one in held]


def test_a_set_is_kept_when_the_next_row_is_scored():
    runner = GraphRunner(compose(PARTS, conformal=Conformal(0.8, 0.55)).SerializeToString())
    kept = [runner.step(row).prediction_set for row in ROWS[:200]]
    runner.reset()
    sets = runner.run_stages(ROWS[:200]).sets
    assert np.array_equal(np.array(kept), sets)
    assert len(np.unique(sets, axis=0)) == 3


def test_a_graph_without_a_threshold_says_no_sets():
    model = compose(PARTS)
    runner = GraphRunner(model.SerializeToString())
    assert not runner.has_sets
    assert runner.step(ROWS[0]).prediction_set is None
    assert not runner.run_stages(ROWS[:1]).sets.any()
    with pytest.raises(GraphError, match="from nothing"):
        sets_alone(model)
    assert [one.name for one in model.graph.output] == ["members", "probability", "next_memory.h"]


@pytest.mark.parametrize("least", [-0.1, 1.5, float("nan")])
def test_a_threshold_that_is_no_probability_is_refused(least):
    with pytest.raises(GraphError, match="not a probability"):
        compose(PARTS, conformal=Conformal(0.8, least))


def test_sets_change_nothing_else_in_the_graph():
    with_sets, without = compose(PARTS, conformal=Conformal(0.8, 0.6)), compose(PARTS)
    names = [one.name for one in with_sets.graph.output]
    assert names == ["members", "probability", "next_memory.h", "prediction_set"]
    assert list(with_sets.graph.node)[: len(without.graph.node)] == list(without.graph.node)
    assert {node.domain for node in with_sets.graph.node} <= {"", "ai.onnx.ml"}
    onnx.checker.check_model(with_sets, full_check=True)
    one, other = GraphRunner(with_sets.SerializeToString()), GraphRunner(without.SerializeToString())
    assert one.features == other.features == FEATURE_COUNT
    assert one.member_infos() == other.member_infos()
    assert one.run_rows(ROWS[:50])[0].tobytes() == other.run_rows(ROWS[:50])[0].tobytes()
