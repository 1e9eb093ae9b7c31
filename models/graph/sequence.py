"""What the graph fragments of networks over streams share: scaling and projection before the blocks, the head behind.

Written node by node instead of traced: the nodes are few, their names and bytes do not change with torch's exporter,
and nothing of it is left to constant folding. Scaling is in float64, the network in float32, the logistic of the
logit in float64 again, as in `models.members.sequence`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from models.graph.operators import TYPES, GraphBuilder, tensor
from models.graph.part import FEATURES, PROBABILITY, GraphPart, StateSpec
from models.graph.scaling import scaled

if TYPE_CHECKING:
    from models.members.sequence_network import SequenceNetwork

Weights = Mapping[str, NDArray[Any]]
EPSILON = 1e-5
"""Of layer normalisation: torch's default."""


def weights_of(network: SequenceNetwork) -> Weights:
    """A network's parameters and buffers by name."""
    return {key: np.asarray(value.detach().cpu()) for key, value in network.state_dict().items()}


def projected(builder: GraphBuilder, weights: Weights, clip: float) -> str:
    """Scale and clip in float64, then project in float32: (1, F) → (1, H)."""
    row = builder.add("Cast", scaled(builder, weights["mean"], weights["scale"], clip), to=TYPES["float32"])
    matrix, bias = (builder.constant(weights[f"project.{part}"], "float32") for part in ("weight", "bias"))
    return builder.add("Gemm", row, matrix, bias, transB=1)


def head(builder: GraphBuilder, weights: Weights, x: str) -> None:
    """(1, H) → probability (1, 1)."""
    matrix, bias = (builder.constant(weights[f"head.{part}"], "float32") for part in ("weight", "bias"))
    logit = builder.add("Gemm", norm(builder, weights, "norm", x), matrix, bias, transB=1)
    builder.add("Sigmoid", builder.add("Cast", logit, to=TYPES["float64"]), output=PROBABILITY)


def norm(builder: GraphBuilder, weights: Weights, key: str, x: str) -> str:
    """Layer normalisation."""
    gain, shift = (builder.constant(weights[f"{key}.{part}"], "float32") for part in ("weight", "bias"))
    return builder.add("LayerNormalization", x, gain, shift, axis=-1, epsilon=EPSILON)


def part_of(name: str, builder: GraphBuilder, features: int, state: Sequence[StateSpec]) -> GraphPart:
    """The fragment that a builder has written, with its state's inputs and outputs declared."""
    inputs, outputs = [tensor(FEATURES, (1, features))], [tensor(PROBABILITY, (1, 1))]
    for spec in state:
        inputs.append(tensor(spec.name, spec.shape, spec.dtype))
        outputs.append(tensor(f"next_{spec.name}", spec.shape, spec.dtype))
    return GraphPart(name, builder.model(name, inputs, outputs), tuple(state))
