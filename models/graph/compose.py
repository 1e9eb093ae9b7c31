"""All members, the stacker and the calibration as one graph: one ``run`` per bar.

Inputs ``features`` float64 (1, f), shared by every member, and each member's recurrent state as ``<member>.<state>``.
Outputs ``members`` float64 (m,), ``probability`` float64 (1,), and ``next_<member>.<state>``. The same parts give
the same bytes.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Protocol

import numpy as np
import onnx
from numpy.typing import ArrayLike, NDArray
from onnx import helper

from models.graph.errors import GraphError
from models.graph.operators import IR_VERSION, ML_DOMAIN, ML_OPSET, OPSET, GraphBuilder, tensor
from models.graph.part import FEATURES, PROBABILITY, GraphPart

MEMBERS = "members"
"""Output of the members' probabilities; and the key of their names, comma-separated, in the model's metadata."""


class StackerWeights(Protocol):
    """Combines members: ``logit = weights · logit(clip(p, clip, 1 - clip)) + intercept``."""

    @property
    def weights(self) -> ArrayLike:
        """One per member, in the members' order, shape (m,)."""

    @property
    def intercept(self) -> float:
        """In logits."""

    @property
    def clip(self) -> float:
        """Probabilities are cut to [clip, 1 - clip] before their logit is taken."""


class PlattScaling(Protocol):
    """Calibrates: ``p = clip(logistic(slope · logit + intercept), clip, 1 - clip)``."""

    @property
    def slope(self) -> float:
        """Per logit."""

    @property
    def intercept(self) -> float:
        """In logits."""

    @property
    def clip(self) -> float:
        """Calibrated probabilities are cut to [clip, 1 - clip]."""


def compose(
    parts: Sequence[GraphPart], stacker: StackerWeights | None = None, calibration: PlattScaling | None = None
) -> onnx.ModelProto:
    """One graph of some members.

    Parameters
    ----------
    parts
        At least one; their order is the order of the ``members`` output.
    stacker
        Without it the ensemble is the members' mean.
    calibration
        Acts on the stacker's logit, or on the logit of the clipped mean.

    Returns
    -------
    onnx.ModelProto
        Checked; default and ``ai.onnx.ml`` domains only, no external data.

    Raises
    ------
    GraphError
        If parts do not fit together: names, feature counts, versions, inputs and outputs, number of weights.
    """
    _check_names(parts)
    features = {_check_part(part) for part in parts}
    if len(features) != 1:
        raise GraphError(f"members take {sorted(features)} features; all must take the same")

    builder = GraphBuilder()
    for part in parts:
        _add_part(builder, part)
    members = builder.add("Concat", *(f"{part.name}/{PROBABILITY}" for part in parts), output=MEMBERS, axis=0)
    _add_ensemble(builder, members, len(parts), stacker, calibration)

    states = [(f"{part.name}.{spec.name}", spec) for part in parts for spec in part.state]
    inputs = [tensor(FEATURES, (1, features.pop())), *(tensor(name, spec.shape, spec.dtype) for name, spec in states)]
    outputs = [tensor(MEMBERS, (len(parts),)), tensor(PROBABILITY, (1,))]
    outputs += [tensor(f"next_{name}", spec.shape, spec.dtype) for name, spec in states]
    model = builder.model("bot4", inputs, outputs)
    helper.set_model_props(model, {MEMBERS: ",".join(part.name for part in parts)})
    onnx.checker.check_model(model, full_check=True)
    return model


def _check_names(parts: Sequence[GraphPart]) -> None:
    names = [part.name for part in parts]
    if not names or len(set(names)) != len(names):
        raise GraphError(f"member names {names} must be distinct, and at least one")
    for name in names:
        if not re.fullmatch(r"[a-z][a-z0-9_]*", name):
            raise GraphError(f"member name {name!r} must be lower-case letters, digits and underscores")


def _check_part(part: GraphPart) -> int:
    """Refuse a part that cannot be merged; return its number of features."""
    model, graph = part.model, part.model.graph
    versions = {opset.domain or "default": opset.version for opset in model.opset_import}
    known = {"default": OPSET, ML_DOMAIN: ML_OPSET}
    if model.ir_version != IR_VERSION or any(known.get(domain) != version for domain, version in versions.items()):
        raise GraphError(
            f"{part.name}: IR {model.ir_version}, opsets {versions}; the house has IR {IR_VERSION}, {known}"
        )
    inputs, outputs = {value.name for value in graph.input}, {value.name for value in graph.output}
    if inputs != {FEATURES} | {spec.name for spec in part.state}:
        raise GraphError(f"{part.name}: inputs {sorted(inputs)} are not {FEATURES!r} and the declared state")
    if outputs != {PROBABILITY} | {f"next_{spec.name}" for spec in part.state}:
        raise GraphError(f"{part.name}: outputs {sorted(outputs)} are not {PROBABILITY!r} and the next state")
    if any(constant.external_data for constant in graph.initializer) or graph.sparse_initializer or model.functions:
        raise GraphError(f"{part.name}: external data, sparse constants and functions are not supported")
    row = next(value for value in graph.input if value.name == FEATURES)
    return int(row.type.tensor_type.shape.dim[1].dim_value)


def _add_part(builder: GraphBuilder, part: GraphPart) -> None:
    """Copy a part's nodes and constants, every name prefixed but the shared row's and the state's."""
    names = {FEATURES: FEATURES, "": ""}
    for spec in part.state:
        names[spec.name], names[f"next_{spec.name}"] = f"{part.name}.{spec.name}", f"next_{part.name}.{spec.name}"

    def renamed(tensors: Sequence[str]) -> Iterator[str]:
        return (names.get(name, f"{part.name}/{name}") for name in tensors)

    for node in part.model.graph.node:
        if any(attribute.HasField("g") or attribute.graphs for attribute in node.attribute):
            raise GraphError(f"{part.name}: {node.op_type} has a subgraph, which is not supported")
        copy = onnx.NodeProto()
        copy.CopyFrom(node)
        copy.name = f"{part.name}/{node.name}" if node.name else ""
        copy.input[:], copy.output[:] = renamed(node.input), renamed(node.output)
        builder.nodes.append(copy)
    for constant in part.model.graph.initializer:
        moved = onnx.TensorProto()
        moved.CopyFrom(constant)
        moved.name = f"{part.name}/{constant.name}"
        builder.constants.append(moved)


def _add_ensemble(
    builder: GraphBuilder,
    members: str,
    count: int,
    stacker: StackerWeights | None,
    calibration: PlattScaling | None,
) -> None:
    if stacker is None and calibration is None:
        builder.add("ReduceMean", members, output=PROBABILITY, keepdims=1)
        return
    if stacker is None:
        logits = _logit(builder, builder.add("ReduceMean", members, keepdims=1), _clip_of("calibration", calibration))
        weights = np.array([1.0, 0.0])
    else:
        logits = _logit(builder, members, _clip_of("stacker", stacker))
        weights = _finite("stacker", np.append(np.asarray(stacker.weights, np.float64), stacker.intercept))
        if len(weights) != count + 1:
            raise GraphError(f"the stacker has {len(weights) - 1} weights for {count} members; one for each is needed")
    if calibration is not None:
        # Platt's line of the stacker's line is a line: one product and one sum instead of two.
        weights = _finite("calibration", weights * calibration.slope)
        weights[-1] += calibration.intercept
    weighted = builder.add("MatMul", logits, builder.constant(weights[:-1].reshape(-1, 1)))
    logit = builder.add("Add", weighted, builder.constant(weights[-1:]))
    if calibration is None:
        builder.add("Sigmoid", logit, output=PROBABILITY)
        return
    _add_clip(builder, builder.add("Sigmoid", logit), _clip_of("calibration", calibration), output=PROBABILITY)


def _logit(builder: GraphBuilder, probability: str, clip: float) -> str:
    """``log(p / (1 - p))`` of probabilities cut to [clip, 1 - clip]."""
    inside = _add_clip(builder, probability, clip)
    other = builder.add("Sub", builder.constant(np.ones(1)), inside)
    return builder.add("Log", builder.add("Div", inside, other))


def _add_clip(builder: GraphBuilder, probability: str, clip: float, output: str | None = None) -> str:
    return builder.add("Clip", probability, builder.constant(clip), builder.constant(1.0 - clip), output=output)


def _clip_of(what: str, values: StackerWeights | PlattScaling | None) -> float:
    clip = float("nan") if values is None else float(values.clip)
    if not 0.0 < clip < 0.5:
        raise GraphError(f"{what}: probabilities are cut to [clip, 1 - clip]; clip {clip} is not between 0 and 0.5")
    return clip


def _finite(what: str, numbers: NDArray[np.float64]) -> NDArray[np.float64]:
    if not np.isfinite(numbers).all():
        raise GraphError(f"{what}: {numbers.tolist()} has a number that is not finite")
    return numbers
