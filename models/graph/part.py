"""A fragment of the one graph: a member as an ONNX model with named inputs, outputs and recurrent state."""

from __future__ import annotations

from dataclasses import dataclass

import onnx

FEATURES = "features"
PROBABILITY = "probability"


@dataclass(frozen=True, slots=True)
class StateSpec:
    """One recurrent tensor: the graph reads ``name`` and writes ``next_`` + ``name``. Starts as zeros."""

    name: str
    shape: tuple[int, ...]
    dtype: str = "float32"


@dataclass(frozen=True, slots=True)
class GraphPart:
    """A member's graph: input ``features`` float64 (1, f) and its state; output ``probability`` float64 (1, 1).

    Default opset 21 and ``ai.onnx.ml`` 5 only; no external data.
    """

    name: str
    model: onnx.ModelProto
    state: tuple[StateSpec, ...] = ()
