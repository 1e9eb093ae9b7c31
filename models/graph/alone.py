"""One member, taken out of the one graph to answer many rows in one call.

Rows go through its nodes one after another (``Scan``) and not as a batch: kernels that vectorise over rows, such as the
exponential, have other last bits, and a state is carried from row to row.
"""

from __future__ import annotations

import numpy as np
import onnx
from onnx import helper, numpy_helper

from models.graph.ensemble import PREDICTION_SET
from models.graph.errors import GraphError
from models.graph.meta import ENSEMBLE
from models.graph.operators import TYPES, finished, tensor
from models.graph.part import FEATURES, PROBABILITY


def sets_alone(model: onnx.ModelProto) -> onnx.ModelProto:
    """The nodes of a composed graph that make a prediction set of the ensemble's probability.

    Returns
    -------
    onnx.ModelProto
        Input ``probability`` float64 (1,), output ``prediction_set`` bool (2,).

    Raises
    ------
    GraphError
        If the graph has no prediction sets, or they depend on something else.
    """
    outputs = {value.name for value in model.graph.output}
    ensemble = ENSEMBLE if ENSEMBLE in outputs else PROBABILITY
    wanted, nodes = {PREDICTION_SET}, []
    for node in reversed(model.graph.node):
        if wanted.intersection(node.output) and ensemble not in node.output:
            nodes.append(node)
            wanted.update(node.input)
    constants = [constant for constant in model.graph.initializer if constant.name in wanted]
    made = {PREDICTION_SET, *(name for node in nodes for name in node.output), *(one.name for one in constants)}
    if not nodes or wanted - made != {ensemble}:
        raise GraphError(
            f"prediction sets are computed from {sorted(wanted - made) or 'nothing'}; only what reads {ensemble!r} "
            "alone is one"
        )
    renamed = helper.make_node("Identity", [PROBABILITY], [ensemble]) if ensemble != PROBABILITY else None
    chain = [*([] if renamed is None else [renamed]), *nodes[::-1]]
    said = [tensor(PREDICTION_SET, (2,), "bool")]
    return finished(helper.make_graph(chain, PREDICTION_SET, [tensor(PROBABILITY, (1,))], said, constants))


def alone(model: onnx.ModelProto, name: str) -> onnx.ModelProto:
    """The nodes of a composed graph that a member's probability comes from, over any number of rows.

    Parameters
    ----------
    model
        From `models.graph.compose.compose`.
    name
        A member. Its state, if it has one, is zero before the first row and carried to the last.

    Returns
    -------
    onnx.ModelProto
        Input ``rows`` float64 (n, f), output ``probability`` float64 (n, 1, 1).

    Raises
    ------
    GraphError
        If the graph has no such member, or it reads something else than features and a state of its own.
    """
    output = f"{name}/{PROBABILITY}"
    values = {value.name: value for value in (*model.graph.input, *model.graph.output)}
    states = [value.name for value in model.graph.input if value.name.startswith(f"{name}.")]
    following = [f"next_{state}" for state in states]
    wanted, nodes = {output, *following}, []
    for node in reversed(model.graph.node):
        if wanted.intersection(node.output):
            nodes.append(node)
            wanted.update(node.input)
    inputs = wanted & {value.name for value in model.graph.input}
    if inputs != {FEATURES, *states}:
        raise GraphError(
            f"{name} is computed from {sorted(inputs) or 'nothing'}; only what reads {FEATURES!r} and its own state is"
        )
    width = values[FEATURES].type.tensor_type.shape.dim[1].dim_value
    one = helper.make_node("Unsqueeze", ["row", "first"], [FEATURES])
    first = numpy_helper.from_array(np.zeros(1, np.int64), "first")
    constants = [first, *(constant for constant in model.graph.initializer if constant.name in wanted)]
    body = helper.make_graph(
        [one, *nodes[::-1]],
        name,
        [*(values[state] for state in states), tensor("row", (width,))],
        [*(values[state] for state in following), tensor(output, (1, 1))],
        constants,
    )
    zeros = [_zero(values[state]) for state in states]
    scan = helper.make_node(
        "Scan",
        [*(zero.name for zero in zeros), "rows"],
        [*(f"last_{state}" for state in states), PROBABILITY],
        num_scan_inputs=1,
        body=body,
    )
    double = TYPES["float64"]
    return finished(
        helper.make_graph(
            [scan],
            name,
            [helper.make_tensor_value_info("rows", double, ["n", width])],
            [helper.make_tensor_value_info(PROBABILITY, double, ["n", 1, 1])],
            zeros,
        )
    )


def _zero(state: onnx.ValueInfoProto) -> onnx.TensorProto:
    """The zero state of an input."""
    kind = state.type.tensor_type
    shape = [one.dim_value for one in kind.shape.dim]
    return numpy_helper.from_array(
        np.zeros(shape, helper.tensor_dtype_to_np_dtype(kind.elem_type)), f"zero_{state.name}"
    )
