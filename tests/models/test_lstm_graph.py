"""The hand-written LSTM graph against the textbook's equations in NumPy, in float64."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import onnx
import onnxruntime
import pytest

from models.graph.lstm import lstm_part
from models.graph.operators import IR_VERSION, ML_DOMAIN, ML_OPSET, OPSET


@dataclass
class Array:
    """What `lstm_part` asks of a tensor."""

    value: np.ndarray

    def detach(self):
        return self

    def cpu(self):
        return self

    def __array__(self, dtype=None, copy=None):
        return self.value


class Network:
    """Random weights under torch's names."""

    def __init__(self, features, hidden, layers, seed):
        self.hidden, self.layers, self.clip = hidden, layers, 3.0
        generator = np.random.default_rng(seed)

        def draw(*shape, around=0.0):
            return (around + 0.4 * generator.standard_normal(shape)).astype(np.float32)

        weights = {"mean": 50 * generator.standard_normal(features), "scale": generator.uniform(0.1, 9.0, features)}
        weights |= {"project.weight": draw(hidden, features), "project.bias": draw(hidden)}
        weights |= {"norm.weight": draw(hidden, around=1.0), "norm.bias": draw(hidden)}
        weights |= {"head.weight": draw(1, hidden), "head.bias": draw(1)}
        for layer in range(layers):
            at = f"blocks.{layer}."
            weights |= {at + "norm.weight": draw(hidden, around=1.0), at + "norm.bias": draw(hidden)}
            weights |= {at + f"lstm.weight_{kind}_l0": draw(4 * hidden, hidden) for kind in ("ih", "hh")}
            weights |= {at + f"lstm.bias_{kind}_l0": draw(4 * hidden) for kind in ("ih", "hh")}
        self.weights = weights

    def state_dict(self):
        return {name: Array(value) for name, value in self.weights.items()}


def sigmoid(x):
    return 1.0 / (1.0 + np.exp(-x))


def step(network, row, hidden, cell):
    """One bar by the equations (Hochreiter & Schmidhuber 1997 with forget gates, Gers et al. 2000), in float64."""
    w = {name: value.astype(np.float64) for name, value in network.weights.items()}

    def norm(x, at):
        return (x - x.mean()) / np.sqrt(x.var() + 1e-5) * w[at + "norm.weight"] + w[at + "norm.bias"]

    x = w["project.weight"] @ np.clip((row - w["mean"]) / w["scale"], -3.0, 3.0) + w["project.bias"]
    for layer in range(network.layers):
        at = f"blocks.{layer}."
        gates = w[at + "lstm.weight_ih_l0"] @ norm(x, at) + w[at + "lstm.bias_ih_l0"]
        gates = gates + w[at + "lstm.weight_hh_l0"] @ hidden[layer] + w[at + "lstm.bias_hh_l0"]
        i, f, g, o = np.split(gates, 4)
        cell[layer] = sigmoid(f) * cell[layer] + sigmoid(i) * np.tanh(g)
        hidden[layer] = sigmoid(o) * np.tanh(cell[layer])
        x = x + hidden[layer]
    return sigmoid(w["head.weight"][0] @ norm(x, "") + w["head.bias"][0])


@pytest.mark.parametrize(("features", "hidden", "layers"), [(7, 16, 5), (1, 8, 1), (30, 32, 5)])
def test_the_graph_is_the_textbook_s_lstm(features, hidden, layers):
    network = Network(features, hidden, layers, seed=3)
    part = lstm_part("lstm", network)
    session = onnxruntime.InferenceSession(part.model.SerializeToString(), providers=["CPUExecutionProvider"])
    state = {spec.name: np.zeros(spec.shape, spec.dtype) for spec in part.state}
    h, c = np.zeros((layers, hidden)), np.zeros((layers, hidden))
    names = ["probability", *(f"next_{name}" for name in state)]
    worst = 0.0
    for row in 100 * np.random.default_rng(4).standard_normal((300, features)):
        said, *after = session.run(names, {"features": row[np.newaxis], **state})
        state = dict(zip(state, after, strict=True))
        worst = max(worst, abs(said.item() - step(network, row, h, c)))
    assert said.dtype == np.float64
    assert said.shape == (1, 1)
    assert worst < 5e-6
    carried = [state[f"c_{layer}"].reshape(-1) for layer in range(layers)]
    np.testing.assert_allclose(carried, c, atol=2e-5)


def test_the_graph_is_plain():
    first, second = (lstm_part("lstm", Network(4, 8, 5, seed=1)).model for _ in range(2))
    assert first.SerializeToString() == second.SerializeToString()
    onnx.checker.check_model(first, full_check=True)
    versions = {imported.domain: imported.version for imported in first.opset_import}
    assert versions == {"": OPSET, ML_DOMAIN: ML_OPSET}
    assert first.ir_version == IR_VERSION
    assert not any(onnx.external_data_helper.uses_external_data(constant) for constant in first.graph.initializer)
