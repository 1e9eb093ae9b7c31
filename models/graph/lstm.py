"""The LSTM as a graph fragment: one step, from a row and a state to a probability and the next state.

Written node by node instead of traced: the nodes are few, their names and bytes do not change with torch's exporter,
and nothing of it is left to constant folding. Scaling is in float64, the network in float32, the logistic of the
logit in float64 again, as in `models.members.lstm`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from onnx import helper

from models.graph.operators import TYPES, GraphBuilder, tensor
from models.graph.part import FEATURES, PROBABILITY, GraphPart, StateSpec

if TYPE_CHECKING:
    from models.members.lstm_network import LstmNetwork

Weights = Mapping[str, NDArray[Any]]
EPSILON = 1e-5
"""Of layer normalisation: torch's default."""


def lstm_part(name: str, network: LstmNetwork) -> GraphPart:
    """One step of a trained network as an ONNX model.

    Parameters
    ----------
    name
        The member's name.
    network
        Trained; its buffers hold the scaling.

    Returns
    -------
    GraphPart
        With state ``hidden`` and ``cell``, float32 (layers, 1, H) each, H hidden units.
    """
    weights = {key: np.asarray(value.detach().cpu()) for key, value in network.state_dict().items()}
    state = tuple(StateSpec(part, (network.layers, 1, network.hidden)) for part in ("hidden", "cell"))
    builder = GraphBuilder()
    x = _projected(builder, weights, network.clip)
    x = _layers(builder, weights, network.layers, network.hidden, x)
    _head(builder, weights, x)
    inputs = [tensor(FEATURES, (1, len(weights["mean"])))]
    outputs = [tensor(PROBABILITY, (1,))]
    for spec in state:
        inputs.append(tensor(spec.name, spec.shape, spec.dtype))
        outputs.append(tensor(f"next_{spec.name}", spec.shape, spec.dtype))
    return GraphPart(name, builder.model(name, inputs, outputs), state)


def _projected(builder: GraphBuilder, weights: Weights, clip: float) -> str:
    """Scale and clip in float64, then project in float32: (1, F) → (1, 1, H)."""
    centred = builder.add("Sub", FEATURES, builder.constant(weights["mean"]))
    scaled = builder.add("Div", centred, builder.constant(weights["scale"]))
    clipped = builder.add("Clip", scaled, builder.constant(-clip), builder.constant(clip))
    row = builder.add("Cast", clipped, to=TYPES["float32"])
    matrix, bias = (builder.constant(weights[f"project.{part}"], "float32") for part in ("weight", "bias"))
    flat = builder.add("Gemm", row, matrix, bias, transB=1)
    return builder.add("Unsqueeze", flat, builder.constant(np.array([0]), "int64"))


def _layers(builder: GraphBuilder, weights: Weights, layers: int, hidden: int, x: str) -> str:
    """The residual layers, (1, 1, H) → (1, 1, H), and the next state."""
    for part in ("hidden", "cell"):
        pieces = [f"{part}_{layer}" for layer in range(layers)]
        builder.nodes.append(helper.make_node("Split", [part], pieces, axis=0, num_outputs=layers))
    for layer in range(layers):
        normed = _norm(builder, weights, f"blocks.{layer}.norm", x)
        _lstm(builder, weights, layer, hidden, normed)
        x = builder.add("Add", x, f"next_hidden_{layer}")
    for part in ("hidden", "cell"):
        builder.add("Concat", *(f"next_{part}_{layer}" for layer in range(layers)), output=f"next_{part}", axis=0)
    return x


def _lstm(builder: GraphBuilder, weights: Weights, layer: int, hidden: int, x: str) -> None:
    """One layer's step: reads ``hidden_0``, ``cell_0`` and writes ``next_hidden_0``, ``next_cell_0`` (for layer 0).

    Torch orders the gates input, forget, cell, output; ONNX input, output, forget, cell. Shapes: W and R (1, 4H, H),
    B (1, 8H).
    """

    def reordered(key: str) -> NDArray[Any]:
        i, f, c, o = np.split(weights[f"blocks.{layer}.lstm.{key}_l0"], 4)
        return np.concatenate([i, o, f, c])[np.newaxis]

    bias = np.concatenate([reordered("bias_ih"), reordered("bias_hh")], axis=1)
    matrices = [builder.constant(part, "float32") for part in (reordered("weight_ih"), reordered("weight_hh"), bias)]
    # The empty names: no sequence lengths (one bar), and no output of every bar (the last is the only one).
    inputs = [x, *matrices, "", f"hidden_{layer}", f"cell_{layer}"]
    outputs = ["", f"next_hidden_{layer}", f"next_cell_{layer}"]
    builder.nodes.append(helper.make_node("LSTM", inputs, outputs, hidden_size=hidden))


def _head(builder: GraphBuilder, weights: Weights, x: str) -> None:
    """(1, 1, H) → probability (1,)."""
    normed = _norm(builder, weights, "norm", x)
    product = builder.add("MatMul", normed, builder.constant(weights["head.weight"].T, "float32"))
    logit = builder.add("Add", product, builder.constant(weights["head.bias"], "float32"))
    flat = builder.add("Reshape", logit, builder.constant(np.array([1]), "int64"))
    builder.add("Sigmoid", builder.add("Cast", flat, to=TYPES["float64"]), output=PROBABILITY)


def _norm(builder: GraphBuilder, weights: Weights, key: str, x: str) -> str:
    gain, shift = (builder.constant(weights[f"{key}.{part}"], "float32") for part in ("weight", "bias"))
    return builder.add("LayerNormalization", x, gain, shift, axis=-1, epsilon=EPSILON)
