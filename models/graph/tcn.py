"""The TCN as a graph fragment: one step, from a row and the layers' pasts to a probability and the next pasts.

A step looks at K moments of a layer, not at all that lies between them: a gather, a weighted sum, a matrix product.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from onnx import helper

from models.graph.operators import GraphBuilder
from models.graph.part import GraphPart, StateSpec
from models.graph.sequence import Weights, head, norm, part_of, projected, weights_of

if TYPE_CHECKING:
    from models.members.tcn_network import TcnNetwork

PAST = "past"


def tcn_part(name: str, network: TcnNetwork) -> GraphPart:
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
        With state ``past``, float32 (1, P, H): the layers' earlier inputs one behind the other, P of them together.
    """
    weights, builder = weights_of(network), GraphBuilder()
    x = projected(builder, weights, network.clip)
    sizes = builder.constant(np.array(network.pasts), "int64")
    pieces = [f"{PAST}_{layer}" for layer in range(len(network.pasts))]
    builder.nodes.append(helper.make_node("Split", [PAST, sizes], pieces, axis=1))
    for layer, past in enumerate(network.pasts):
        x = _layer(builder, weights, layer, past, network.kernel, x)
    builder.add("Concat", *(f"next_{piece}" for piece in pieces), output=f"next_{PAST}", axis=1)
    head(builder, weights, x)
    state = [StateSpec(PAST, (1, sum(network.pasts), network.hidden))]
    return part_of(name, builder, len(weights["mean"]), state)


def _layer(builder: GraphBuilder, weights: Weights, layer: int, past: int, kernel: int, x: str) -> str:
    """One layer, (1, 1, H) → (1, 1, H): reads ``past_0`` and writes ``next_past_0`` (for layer 0)."""
    one, two = (builder.constant(np.array([number]), "int64") for number in (1, past + 1))
    seen = builder.add("Concat", f"{PAST}_{layer}", norm(builder, weights, f"blocks.{layer}.norm", x), axis=1)
    builder.add("Slice", seen, one, two, one, output=f"next_{PAST}_{layer}")
    taps = builder.constant(np.arange(kernel) * (past // (kernel - 1)), "int64")
    depthwise = weights[f"blocks.{layer}.moments.weight"]  # (H, 1, K)
    each = builder.constant(np.ascontiguousarray(depthwise.transpose(1, 2, 0)), "float32")  # (1, K, H), oldest first
    weighted = builder.add("Mul", builder.add("Gather", seen, taps, axis=1), each)
    total = builder.add("ReduceSum", weighted, one, keepdims=0)  # (1, H)
    bias, matrix, shift = (
        builder.constant(weights[f"blocks.{layer}.{key}"], "float32")
        for key in ("moments.bias", "mix.weight", "mix.bias")
    )
    mixed = builder.add("Gemm", builder.add("Add", total, bias), matrix, shift, transB=1)
    return builder.add(
        "Add", x, builder.add("Unsqueeze", builder.add("Relu", mixed), builder.constant(np.array([0]), "int64"))
    )
