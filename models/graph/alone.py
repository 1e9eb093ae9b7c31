"""One member without state, taken out of the one graph to answer many rows in one call.

Rows go through its nodes one after another (``Scan``) and not as a batch: kernels that vectorise over rows, such as the
exponential, have other last bits.
"""

from __future__ import annotations

import numpy as np
import onnx
from onnx import helper, numpy_helper

from models.graph.errors import GraphError
from models.graph.operators import TYPES, finished, tensor
from models.graph.part import FEATURES, PROBABILITY


def alone(model: onnx.ModelProto, name: str) -> onnx.ModelProto:
    """The nodes of a composed graph that a member's probability comes from, over any number of rows.

    Parameters
    ----------
    model
        From `models.graph.compose.compose`.
    name
        A member without state.

    Returns
    -------
    onnx.ModelProto
        Input ``rows`` float64 (n, f), output ``probability`` float64 (n, 1, 1).

    Raises
    ------
    GraphError
        If the graph has no such member, or it has state.
    """
    output = f"{name}/{PROBABILITY}"
    wanted, nodes = {output}, []
    for node in reversed(model.graph.node):
        if wanted.intersection(node.output):
            nodes.append(node)
            wanted.update(node.input)
    inputs = wanted & {value.name for value in model.graph.input}
    if inputs != {FEATURES}:
        raise GraphError(
            f"{name} is computed from {sorted(inputs) or 'nothing'}; only what reads {FEATURES!r} alone is"
        )
    row = next(value for value in model.graph.input if value.name == FEATURES)
    width = row.type.tensor_type.shape.dim[1].dim_value
    one = helper.make_node("Unsqueeze", ["row", "first"], [FEATURES])
    first = numpy_helper.from_array(np.zeros(1, np.int64), "first")
    constants = [first, *(constant for constant in model.graph.initializer if constant.name in wanted)]
    body = helper.make_graph([one, *nodes[::-1]], name, [tensor("row", (width,))], [tensor(output, (1, 1))], constants)
    scan = helper.make_node("Scan", ["rows"], [PROBABILITY], num_scan_inputs=1, body=body)
    double = TYPES["float64"]
    return finished(
        helper.make_graph(
            [scan],
            name,
            [helper.make_tensor_value_info("rows", double, ["n", width])],
            [helper.make_tensor_value_info(PROBABILITY, double, ["n", 1, 1])],
        )
    )
