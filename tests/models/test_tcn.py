"""The TCN: its stream is the paper's causal convolution, its graph steps as torch does, it sees as far as it says."""

from __future__ import annotations

import msgspec
import numpy as np
import onnxruntime
import pytest
import torch
from torch.nn.functional import pad

from models.graph.tcn import tcn_part
from models.members.conformance import fit, predict
from models.members.protocol import FitRecord
from models.members.scaling import Scaler
from models.members.sequence import FittedSequence
from models.members.sequence_training import seeded
from models.members.tcn import TcnConfig, TcnMember
from models.members.tcn_network import TcnNetwork
from tests.models.test_lstm import remembering

FEATURES = 6


def random_network(hidden=16, layers=5, kernel=3, features=FEATURES, seed=0):
    """Every weight random, the head's too."""
    generator = np.random.default_rng(seed)
    scaler = Scaler(generator.normal(0, 50, features), generator.uniform(0.1, 9, features), 5.0)
    network = seeded(lambda: TcnNetwork(scaler, hidden, layers, kernel, 0.1, 0.5), seed)
    torch.nn.init.normal_(network.head.weight, std=0.5, generator=torch.Generator().manual_seed(seed))
    return network.eval()


def rows_of(count, seed=1, features=FEATURES):
    return np.random.default_rng(seed).normal(0, 60, (count, features))


def whole_sequence(network, rows):
    """The network as it is drawn: every layer's input padded with zeros on the left, all bars at once."""
    with torch.inference_mode():
        x = network.project(network.scaled(torch.from_numpy(rows)))[None]
        for layer, block in enumerate(network.blocks):
            padded = pad(block.norm(x).transpose(1, 2), ((network.kernel - 1) * 2**layer, 0))
            x = x + torch.relu(block.mix(block.moments(padded).transpose(1, 2)))
        return network.head(network.norm(x))[0, :, 0].numpy()


def streamed(network, rows, pieces):
    """Logits of the rows, a piece after another with the state carried."""
    state, said = network.zero_state(1), []
    with torch.inference_mode():
        for part in np.split(rows, pieces):
            if len(part):
                logits, state = network(network.scaled(torch.from_numpy(part))[None], state)
                said.append(logits[0].numpy())
    return np.concatenate(said)


@pytest.mark.parametrize(("layers", "kernel"), [(1, 2), (3, 2), (5, 3), (2, 7)])
def test_a_stream_is_the_causal_convolution_of_the_whole(layers, kernel):
    network, rows = random_network(layers=layers, kernel=kernel), rows_of(300)
    whole = whole_sequence(network, rows)
    for pieces in ([], [1, 2, 3, 150], list(range(1, 300))):
        assert np.abs(streamed(network, rows, pieces) - whole).max() < 2e-5


@pytest.mark.parametrize(("layers", "kernel"), [(1, 2), (4, 2), (5, 3)])
def test_it_sees_as_far_back_as_it_says_and_not_a_bar_ahead(layers, kernel):
    network, rows = random_network(layers=layers, kernel=kernel), rows_of(200)
    base, place = streamed(network, rows, []), 90
    changed = rows.copy()
    changed[place] = -changed[place]
    moved = np.flatnonzero(streamed(network, changed, []) != base)
    assert moved.min() == place
    assert moved.max() == place + network.reach - 1
    assert network.reach == 1 + (kernel - 1) * (2**layers - 1)


@pytest.mark.parametrize(("layers", "kernel"), [(1, 2), (5, 3), (2, 7)])
def test_the_graph_steps_as_torch_does(layers, kernel):
    network, rows = random_network(hidden=32, layers=layers, kernel=kernel), rows_of(2_500)
    part = tcn_part("tcn", network)
    session = onnxruntime.InferenceSession(part.model.SerializeToString(), providers=["CPUExecutionProvider"])
    (spec,) = part.state
    state, said = np.zeros(spec.shape, spec.dtype), []
    for row in rows:
        probability, state = session.run(["probability", "next_past"], {"features": row[None], "past": state})
        said.append(probability.item())
    native = 1.0 / (1.0 + np.exp(-streamed(network, rows, []).astype(np.float64)))
    assert np.abs(np.array(said) - native).max() < 2e-6
    assert {node.domain for node in part.model.graph.node} == {""}
    with torch.inference_mode():
        after = network(network.scaled(torch.from_numpy(rows))[None], network.zero_state(1))[1][0].numpy()
    assert np.abs(state - after).max() < 1e-5


def test_it_remembers_what_trees_cannot_see():
    problem = remembering()
    fitted = fit(lambda: TcnMember(TcnConfig(epochs=20, patience=6)), problem)
    assert problem.gain(predict(fitted, problem, problem.test), problem.test) > 0.5 * problem.best_gain


def test_a_hole_starts_it_anew():
    network, rows = random_network(), rows_of(200)
    rows[100] = np.nan
    series = predicted(network, rows)
    assert np.isnan(series[100])
    assert series[101:].tobytes() == predicted(network, rows[101:]).tobytes()


def predicted(network, rows):
    from market.bars import empty_bars
    from models.dataset import Panel, Samples, Series

    none, nothing = np.empty(0, np.int64), np.empty(0)
    samples = Samples(none, none, none, none, none, none, nothing, nothing)
    series = Series("S", empty_bars(len(rows)), rows, np.ones(len(rows)))
    panel = Panel((series,), tuple(f"x_{n}" for n in range(FEATURES)), 1, samples)
    return FittedSequence("tcn", FitRecord(), network).predict(panel, 0, np.arange(len(rows)))


@pytest.mark.parametrize(
    ("table", "message"), [({"kernel": 1}, "looks at 2 to 16"), ({"layers": 13}, "would look 4,096 bars back")]
)
def test_shapes_that_make_no_sense_are_refused(table, message):
    with pytest.raises(msgspec.ValidationError, match=message):
        msgspec.convert(table, TcnConfig)
