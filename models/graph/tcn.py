"""The TCN as a graph fragment: one step, from a row and the layers' pasts to a probability and the next pasts.

A layer looks at K moments. What the earlier ones give is known when the bar comes, so it is gathered and weighted for
all layers at once; it goes in as the shift of a layer's normalisation, whose gain holds the weights of the present.
What is the same at every bar goes through the mixing weights into the mixing bias. What the layers have to remember,
their inputs normalised without those weights, is computed for all at once behind them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from onnx import helper

from models.graph.operators import GraphBuilder
from models.graph.part import GraphPart, StateSpec
from models.graph.sequence import EPSILON, Weights, head, part_of, projected, weights_of

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
        With state ``past``, float32 (P, H): the layers' earlier inputs one behind the other, P of them together.
    """
    weights, builder, pasts = weights_of(network), GraphBuilder(), np.array(network.pasts)
    gain, shift, moments, bias = _columns(weights, len(pasts))
    earlier, constant = _earlier(builder, pasts, moments[:, :-1]), shift * moments[:, -1] + bias
    x, inputs = projected(builder, weights, network.clip), []
    for layer, found in enumerate(earlier):
        inputs.append(x)
        present = builder.constant(gain[layer] * moments[layer, -1], "float32")
        looked = builder.add("LayerNormalization", x, present, found, axis=-1, epsilon=EPSILON)
        mix, offset = (weights[f"blocks.{layer}.mix.{part}"] for part in ("weight", "bias"))
        offset = mix.astype(np.float64) @ constant[layer] + offset
        mixed = builder.add(
            "Gemm", looked, builder.constant(mix, "float32"), builder.constant(offset, "float32"), transB=1
        )
        x = builder.add("Add", x, builder.add("Relu", mixed))
    _remember(builder, pasts, inputs, gain, shift)
    head(builder, weights, x)
    return part_of(name, builder, len(weights["mean"]), [StateSpec(PAST, (int(pasts.sum()), network.hidden))])


def _columns(weights: Weights, layers: int) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any], NDArray[Any]]:
    """Of all layers, float64: gain and shift (L, H), the moments' weights (L, K, H), oldest first, and bias (L, H)."""

    def stacked(key: str) -> NDArray[np.float64]:
        return np.stack([weights[f"blocks.{layer}.{key}"] for layer in range(layers)]).astype(np.float64)

    moments = stacked("moments.weight")[:, :, 0].transpose(0, 2, 1)  # (L, H, 1, K) → (L, K, H)
    return stacked("norm.weight"), stacked("norm.bias"), moments, stacked("moments.bias")


def _earlier(builder: GraphBuilder, pasts: NDArray[np.int64], moments: NDArray[np.float64]) -> list[str]:
    """What the earlier moments give each layer: (1, H) each."""
    before = moments.shape[1]
    taps = _starts(pasts)[:-1, np.newaxis] + np.arange(before) * (pasts[:, np.newaxis] // before)
    found = builder.add("Gather", PAST, builder.constant(taps, "int64"), axis=0)  # (L, K - 1, H)
    weighted = builder.add("Mul", found, builder.constant(moments, "float32"))
    total = builder.add("ReduceSum", weighted, builder.constant(np.array([1]), "int64"), keepdims=0)  # (L, H)
    pieces = [f"earlier_{layer}" for layer in range(len(pasts))]
    builder.nodes.append(helper.make_node("Split", [total], pieces, axis=0, num_outputs=len(pieces)))
    return pieces


def _remember(
    builder: GraphBuilder, pasts: NDArray[np.int64], inputs: list[str], gain: NDArray[Any], shift: NDArray[Any]
) -> None:
    """The next pasts: each layer's without its oldest input, with its newest."""
    newest = builder.add("Concat", *inputs, axis=0)  # (L, H)
    factors = (builder.constant(one, "float32") for one in (gain, shift))
    normed = builder.add("LayerNormalization", newest, *factors, axis=-1, epsilon=EPSILON)
    seen = builder.add("Concat", PAST, normed, axis=0)  # (P + L, H)
    starts = _starts(pasts)
    kept = [[*range(starts[layer] + 1, starts[layer + 1]), starts[-1] + layer] for layer in range(len(pasts))]
    builder.add("Gather", seen, builder.constant(np.concatenate(kept), "int64"), output=f"next_{PAST}", axis=0)


def _starts(pasts: NDArray[np.int64]) -> NDArray[np.int64]:
    """Where each layer's past begins, and where the last one ends."""
    return np.concatenate([[0], np.cumsum(pasts)])
