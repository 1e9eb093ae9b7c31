"""All members, the pool, the calibration and the prediction sets as one graph: one ``run`` per bar.

Inputs ``features`` float64 (1, f), shared by every member, and each member's recurrent state as ``<member>.<state>``.
Outputs ``members`` float64 (m,), ``probability`` float64 (1,), ``next_<member>.<state>``, and, where there is a
threshold for prediction sets, ``prediction_set`` bool (2,): whether falling and rising are in the ensemble's. Of a
second stage also ``right``, and if it sizes the bet, ``ensemble``: ``probability`` is then its own. The same parts give
the same bytes.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np
import onnx
from onnx import helper

from models.bundle.combination import Calibration, Conformal, Meta, Pool
from models.graph.ensemble import PREDICTION_SET, add_ensemble, add_prediction_set
from models.graph.errors import GraphError
from models.graph.meta import ENSEMBLE, RIGHT, add_meta
from models.graph.operators import IR_VERSION, ML_DOMAIN, ML_OPSET, OPSET, GraphBuilder, tensor
from models.graph.part import FEATURES, PROBABILITY, GraphPart

MEMBERS = "members"
"""Output of the members' probabilities; and the key of their names, comma-separated, in the model's metadata."""


def compose(
    parts: Sequence[GraphPart],
    pool: Pool | None = None,
    calibration: Calibration | None = None,
    conformal: Conformal | None = None,
    meta: Meta | None = None,
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
    conformal
        The threshold of prediction sets, which the second stage sees, too; without it the graph has no
        ``prediction_set``.
    meta
        The second stage, if there is one.

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
    written: dict[bytes, str] = {}
    for part in parts:
        _add_part(builder, part, written)
    row = builder.add("Concat", *(f"{part.name}/{PROBABILITY}" for part in parts), axis=1)
    members = builder.add("Reshape", row, builder.constant(np.array([len(parts)]), "int64"), output=MEMBERS)
    width, stages = features.pop(), [] if meta is None else [RIGHT, *([ENSEMBLE] if meta.sizing else [])]
    ensemble = ENSEMBLE if ENSEMBLE in stages else PROBABILITY
    add_ensemble(builder, members, len(parts), pool, calibration, ensemble)
    if conformal is not None:
        add_prediction_set(builder, ensemble, conformal)
    if meta is not None:
        add_meta(builder, members, ensemble, len(parts), width, conformal, meta)

    states = [(f"{part.name}.{spec.name}", spec) for part in parts for spec in part.state]
    inputs = [tensor(FEATURES, (1, width)), *(tensor(name, spec.shape, spec.dtype) for name, spec in states)]
    outputs = [tensor(MEMBERS, (len(parts),)), tensor(PROBABILITY, (1,)), *(tensor(name, (1,)) for name in stages)]
    outputs += [tensor(f"next_{name}", spec.shape, spec.dtype) for name, spec in states]
    outputs += [] if conformal is None else [tensor(PREDICTION_SET, (2,), "bool")]
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


def _add_part(builder: GraphBuilder, part: GraphPart, written: dict[bytes, str]) -> None:
    """Copy a part's nodes and constants, every name prefixed but the shared row's and the state's.

    ``written``: the names of what stands already, by its content. Of two nodes that compute the same from the same, and
    of two equal constants, the first is taken: members with one scaler share its nodes.
    """
    names = {FEATURES: FEATURES, "": ""}
    for spec in part.state:
        names[spec.name], names[f"next_{spec.name}"] = f"{part.name}.{spec.name}", f"next_{part.name}.{spec.name}"
    kept = {PROBABILITY, *names}

    for constant in part.model.graph.initializer:
        moved = onnx.TensorProto()
        moved.CopyFrom(constant)
        moved.name = ""
        content = moved.SerializeToString(deterministic=True)
        moved.name = names[constant.name] = written.setdefault(content, f"{part.name}/{constant.name}")
        if moved.name == f"{part.name}/{constant.name}":
            builder.constants.append(moved)
    for node in part.model.graph.node:
        if any(attribute.HasField("g") or attribute.graphs for attribute in node.attribute):
            raise GraphError(f"{part.name}: {node.op_type} has a subgraph, which is not supported")
        copy = onnx.NodeProto()
        copy.CopyFrom(node)
        copy.name, copy.input[:], copy.output[:] = "", [names[name] for name in node.input], []
        content = copy.SerializeToString(deterministic=True)
        if content in written and len(node.output) == 1 and node.output[0] not in kept:
            names[node.output[0]] = written[content]
            continue
        for name in node.output:
            names.setdefault(name, f"{part.name}/{name}")
        copy.name = f"{part.name}/{node.name}" if node.name else ""
        copy.output[:] = [names[name] for name in node.output]
        written.setdefault(content, copy.output[0])
        builder.nodes.append(copy)
