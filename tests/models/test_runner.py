"""The runner: the rule of resets and burn-in, buffers that never alias, state that moves between processes."""

import subprocess
import sys

import numpy as np
import onnxruntime
import pytest
from graph_samples import (
    FEATURE_COUNT,
    MemoryTwin,
    finite,
    lightgbm_booster,
    linear_sample,
    memory_part,
    problem,
    small_graph,
)
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule
from test_lstm_graph import Network

from models.bundle.errors import BundleError, StateError
from models.bundle.runner import GraphRunner, session_options
from models.graph.compose import compose
from models.graph.lightgbm import lightgbm_part
from models.graph.lstm import lstm_part
from models.scoring import score_rows


@pytest.fixture(scope="module")
def full_graph():
    x, y = problem(seed=0)
    trees = lightgbm_part("lightgbm", lightgbm_booster(x, y), FEATURE_COUNT)
    lstm = lstm_part("lstm", Network(FEATURE_COUNT, hidden=16, layers=5, seed=0))
    return compose([trees, lstm, memory_part(), linear_sample()]).SerializeToString()


@pytest.fixture(scope="module")
def rows():
    return finite(problem(seed=1, rows=700)[0])


def fresh_runs(graph, rows):
    """Plain ``session.run``, every array new, state fed back by hand."""
    session = onnxruntime.InferenceSession(graph, session_options())
    outputs = [value.name for value in session.get_outputs()]
    state = {v.name: np.zeros(v.shape, np.float32) for v in session.get_inputs() if v.name != "features"}
    members, probability = [], []
    for row in rows:
        found = dict(zip(outputs, session.run(outputs, {"features": row[np.newaxis], **state}), strict=True))
        state = {name: found[f"next_{name}"] for name in state}
        members.append(found["members"])
        probability.append(found["probability"][0])
    return np.array(members), np.array(probability)


def test_bound_buffers_give_the_bits_of_fresh_runs(full_graph, rows):
    members, probability = GraphRunner(full_graph).run_rows(rows)
    expected = fresh_runs(full_graph, rows)
    assert np.array_equal(members, expected[0])
    assert np.array_equal(probability, expected[1])
    assert all(len(np.unique(column)) > 50 for column in members.T)


def test_step_in_a_loop_is_run_rows_and_predictions_stay(full_graph, rows):
    runner = GraphRunner(full_graph, burn_in=5)
    predictions = [runner.step(row) for row in rows]
    members, probability = GraphRunner(full_graph, burn_in=5).run_rows(rows)
    assert np.array_equal(np.array([p.members for p in predictions]), members, equal_nan=True)
    assert np.array_equal(np.array([p.probability for p in predictions]), probability, equal_nan=True)


def test_input_rows_are_left_alone(full_graph, rows):
    before = rows.copy()
    GraphRunner(full_graph).run_rows(rows)
    assert np.array_equal(before, rows)


def test_the_rule_of_burn_in_and_holes():
    rows = np.zeros((12, FEATURE_COUNT))
    rows[6, 3] = np.nan
    _, probability = GraphRunner(small_graph(), burn_in=2).run_rows(rows)
    assert np.isnan(probability).tolist() == [True, True, *[False] * 4, True, True, True, *[False] * 3]


def test_a_hole_is_a_new_beginning(full_graph, rows):
    holed = rows[:100].copy()
    holed[40, 0] = np.nan
    runner = GraphRunner(full_graph, burn_in=10)
    members, probability = runner.run_rows(holed)
    runner.reset()
    again = runner.run_rows(rows[41:100])
    assert np.array_equal(members[41:], again[0], equal_nan=True)
    assert np.array_equal(probability[41:], again[1], equal_nan=True)


@pytest.mark.filterwarnings("ignore:invalid value")
def test_infinities_are_numbers():
    """Infinities of both signs must not look like a NaN: only the trees and the clips decide about them."""
    rows = np.zeros((3, FEATURE_COUNT))
    rows[0, :2] = np.inf, -np.inf
    rows[1, :] = 1e200
    rows[2, :] = np.finfo(float).max
    assert np.isfinite(GraphRunner(small_graph()).run_rows(rows)[1]).all()


def test_scoring_a_stretch_needs_only_the_burn_in_before_it(rows):
    """The memory forgets by half each row: after 200 rows nothing of the older past is left in its bits."""
    runner = GraphRunner(small_graph(), burn_in=200)
    _, whole = runner.run_rows(rows)
    _, part = score_rows(runner, rows, 300, 400)
    assert np.array_equal(whole[300:400], part)
    assert not np.isnan(part).any()


class RunnerRules(RuleBasedStateMachine):
    """Any order of rows, holes, resets, and moves to another runner, against the twin in plain Python."""

    burn_in = 3
    graph = compose([memory_part()]).SerializeToString()

    def __init__(self):
        super().__init__()
        self.runner, self.twin = GraphRunner(self.graph, self.burn_in), MemoryTwin(self.burn_in)
        self.spare = GraphRunner(self.graph, self.burn_in)

    @rule(first=st.floats(-2, 2), others=st.sampled_from([0.0, 5.0, np.inf, np.nan]))
    def row(self, first, others):
        row = np.full(FEATURE_COUNT, others)
        row[0] = first
        found, expected = self.runner.step(row), self.twin.step(row)
        assert np.array_equal([found.probability, *found.members], [expected, expected], equal_nan=True)

    @rule()
    def reset(self):
        self.runner.reset()
        self.twin = MemoryTwin(self.burn_in)

    @rule()
    def move(self):
        self.spare.set_state(self.runner.state())
        self.runner, self.spare = self.spare, self.runner

    @rule()
    def disturb_the_spare(self):
        self.spare.step(np.full(FEATURE_COUNT, 0.7))

    @invariant()
    def state_is_readable(self):
        assert self.runner.state() == self.runner.state()


RunnerRules.TestCase.settings = settings(max_examples=30, stateful_step_count=30, deadline=None)
test_any_order_of_events = RunnerRules.TestCase


def test_state_goes_on_with_the_same_bits_in_another_process(full_graph, rows, tmp_path):
    runner = GraphRunner(full_graph, burn_in=50)
    runner.run_rows(rows[:37])
    np.save(tmp_path / "rows.npy", rows[37:200])
    (tmp_path / "graph").write_bytes(full_graph)
    (tmp_path / "state").write_bytes(runner.state())
    code = (
        "import sys, pathlib, numpy as np; from models.bundle.runner import GraphRunner\n"
        "folder = pathlib.Path(sys.argv[1]); runner = GraphRunner((folder / 'graph').read_bytes(), 50)\n"
        "runner.set_state((folder / 'state').read_bytes())\n"
        "np.save(folder / 'out.npy', np.column_stack(runner.run_rows(np.load(folder / 'rows.npy'))))\n"
    )
    subprocess.run([sys.executable, "-c", code, str(tmp_path)], check=True)
    here = np.column_stack(runner.run_rows(rows[37:200]))
    assert np.load(tmp_path / "out.npy").tobytes() == here.tobytes()
    assert np.isnan(here[:13, -1]).all()
    assert not np.isnan(here[13:]).any()


def test_a_foreign_or_cut_state_is_refused_and_the_own_kept(rows):
    runner, other = GraphRunner(small_graph()), GraphRunner(small_graph(features=9))
    runner.run_rows(rows[:5])
    kept = runner.state()
    for bad, message in [
        (other.state(), "another graph"),
        (kept[:-1], "bytes"),
        (b"", "bytes"),
        (b"x" + kept[1:], "ano"),
    ]:
        with pytest.raises(StateError, match=message):
            runner.set_state(bad)
    assert runner.state() == kept


def test_what_is_not_a_composed_graph_is_refused():
    with pytest.raises(BundleError, match="cannot load the graph"):
        GraphRunner(b"nonsense")
    with pytest.raises(BundleError, match="inputs"):
        GraphRunner(linear_sample().model.SerializeToString())
    with pytest.raises(BundleError, match="burn_in -1"):
        GraphRunner(small_graph(), -1)
