"""Logistic regression on scaled, clipped features as a graph, in float64."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from models.graph.errors import GraphError
from models.graph.operators import GraphBuilder, tensor
from models.graph.part import FEATURES, PROBABILITY, GraphPart
from models.graph.scaling import scaled


def linear_part(
    name: str, mean: ArrayLike, scale: ArrayLike, clip: float, coefficients: ArrayLike, intercept: float
) -> GraphPart:
    """``logistic(clip((x - mean) / scale, -clip, clip) · coefficients + intercept)``.

    Parameters
    ----------
    name
        The member's name.
    mean, scale, coefficients
        Shape (f,); ``scale`` positive.
    clip
        In scaled units; positive.
    intercept
        In logits.

    Raises
    ------
    GraphError
        If lengths differ, a number is not finite, or ``scale`` or ``clip`` is not positive.

    Examples
    --------
    >>> part = linear_part("one", mean=[0.0], scale=[2.0], clip=5.0, coefficients=[1.0], intercept=0.0)
    >>> [node.op_type for node in part.model.graph.node]
    ['Sub', 'Div', 'Clip', 'Gemm', 'Sigmoid']
    """
    given = [np.asarray(column, np.float64).reshape(-1) for column in (mean, scale, coefficients)]
    if len({len(column) for column in given}) != 1:
        raise GraphError(f"{name}: mean, scale and coefficients have lengths {[len(column) for column in given]}")
    columns = np.stack(given)
    if not np.isfinite(columns).all() or not np.isfinite([clip, intercept]).all():
        raise GraphError(f"{name}: mean, scale, coefficients, clip and intercept must be finite")
    if not (columns[1] > 0.0).all() or not clip > 0.0:
        raise GraphError(f"{name}: the smallest scale is {columns[1].min()} and clip {clip}; both must be positive")

    builder = GraphBuilder()
    row = scaled(builder, columns[0], columns[1], clip)
    weights, constant = builder.constant(columns[2].reshape(-1, 1)), builder.constant(np.array([intercept]))
    builder.add("Sigmoid", builder.add("Gemm", row, weights, constant), output=PROBABILITY)
    inputs, outputs = [tensor(FEATURES, (1, columns.shape[1]))], [tensor(PROBABILITY, (1, 1))]
    return GraphPart(name, builder.model(name, inputs, outputs))
