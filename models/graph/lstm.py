"""The LSTM as a graph fragment: one step, from a row and a state to a probability and the next state."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from onnx import helper

from models.graph.operators import GraphBuilder
from models.graph.part import GraphPart, StateSpec
from models.graph.sequence import Weights, head, norm, part_of, projected, weights_of

if TYPE_CHECKING:
    from models.members.lstm_network import LstmNetwork


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
        With state ``h_0`` and ``c_0`` (for layer 0), float32 (1, 1, H) each, H hidden units. A tensor for each layer:
        it is read and written where it lies, where one for all would be split and put together at every bar. Names are
        short: onnxruntime copies and looks up all of them at every bar, up to 15 letters without allocating.
    """
    weights, builder = weights_of(network), GraphBuilder()
    x = projected(builder, weights, network.clip)
    x = builder.add("Unsqueeze", x, builder.constant(np.array([0]), "int64"))  # (1, H) → (1, 1, H)
    for layer in range(network.layers):
        _lstm(builder, weights, layer, network.hidden, norm(builder, weights, f"blocks.{layer}.norm", x))
        x = builder.add("Add", x, f"next_h_{layer}")
    head(builder, weights, builder.add("Reshape", x, builder.constant(np.array([1, network.hidden]), "int64")))
    shape = (1, 1, network.hidden)
    state = [StateSpec(f"{part}_{layer}", shape) for part in ("h", "c") for layer in range(network.layers)]
    return part_of(name, builder, len(weights["mean"]), state)


def _lstm(builder: GraphBuilder, weights: Weights, layer: int, hidden: int, x: str) -> None:
    """One layer's step: reads ``h_0``, ``c_0`` and writes ``next_h_0``, ``next_c_0`` (for layer 0)."""
    # The empty names: no sequence lengths (one bar), and no output of every bar (the last is the only one).
    inputs = [x, *lstm_weights(builder, weights, layer), "", f"h_{layer}", f"c_{layer}"]
    outputs = ["", f"next_h_{layer}", f"next_c_{layer}"]
    builder.nodes.append(helper.make_node("LSTM", inputs, outputs, hidden_size=hidden))


def lstm_weights(builder: GraphBuilder, weights: Weights, layer: int) -> list[str]:
    """One layer's weights as constants of an LSTM operator: W and R (1, 4H, H), B (1, 8H).

    Torch orders the gates input, forget, cell, output; ONNX input, output, forget, cell.
    """

    def reordered(key: str) -> NDArray[Any]:
        i, f, c, o = np.split(weights[f"blocks.{layer}.lstm.{key}_l0"], 4)
        return np.concatenate([i, o, f, c])[np.newaxis]

    bias = np.concatenate([reordered("bias_ih"), reordered("bias_hh")], axis=1)
    return [builder.constant(part, "float32") for part in (reordered("weight_ih"), reordered("weight_hh"), bias)]
