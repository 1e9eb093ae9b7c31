"""All members, the pool and the calibration as one graph: one ``run`` per bar.

Inputs ``features`` float64 (1, f), shared by every member, and each member's recurrent state as ``<member>.<state>``.
Outputs ``members`` float64 (m,), ``probability`` float64 (1,), and ``next_<member>.<state>``. The same parts give
the same bytes.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

import onnx
from onnx import helper

from models.bundle.combination import Calibration, Pool
from models.graph.ensemble import add_ensemble
from models.graph.errors import GraphError
from models.graph.operators import IR_VERSION, ML_DOMAIN, ML_OPSET, OPSET, GraphBuilder, tensor
from models.graph.part import FEATURES, PROBABILITY, GraphPart

MEMBERS = "members"
"""Output of the members' probabilities; and the key of their names, comma-separated, in the model's metadata."""


def compose(
    parts: Sequence[GraphPart], pool: Pool | None = None, calibration: Calibration | None = None
) -> onnx.ModelProto:
    """One graph of some members.

    Parameters
    ----------
    parts
        At least one; their order is the order of the ``members`` output.
    pool
        Without it the ensemble is the members' mean.
    calibration
        Acts on the pool's logit, or on the logit of the clipped mean.

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
    add_ensemble(builder, members, len(parts), pool, calibration)

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
