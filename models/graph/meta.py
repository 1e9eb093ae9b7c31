"""The second stage as nodes: what `models.meta` computes in NumPy."""

from __future__ import annotations

import numpy as np

from models.bundle.combination import Conformal, Meta
from models.graph.errors import GraphError
from models.graph.operators import GraphBuilder
from models.graph.part import FEATURES, PROBABILITY

ENSEMBLE = "ensemble"
"""Output of the ensemble's probability, where the graph's own is that of the second stage."""
RIGHT = "right"
"""Output of the second stage: how probably the ensemble's side is right."""


def add_meta(
    builder: GraphBuilder, members: str, ensemble: str, count: int, width: int, conformal: Conformal | None, meta: Meta
) -> None:
    """The output `RIGHT`, float64 (1,), and if the second stage sizes the bet, `PROBABILITY`.

    Parameters
    ----------
    members, ensemble
        Tensors of the members' probabilities (count,) and the ensemble's (1,).
    count, width
        How many members and features there are.
    conformal
        The prediction sets; without, every set has both sides.
    meta
        The numbers.

    Raises
    ------
    GraphError
        If the numbers do not fit the members or the features, or are not finite.
    """
    _check(count, width, meta)
    zero, one, half = (builder.constant(np.array([value])) for value in (0.0, 1.0, 0.5))
    up = builder.add("GreaterOrEqual", ensemble, half)
    side = builder.add("Where", up, one, builder.constant(np.array([-1.0])))
    confidence = builder.add("Abs", _logit(builder, ensemble, one, meta.clip))
    logits = _logit(builder, members, one, meta.clip)
    agreement = builder.add("Mul", logits, side)
    apart = builder.add("Sub", logits, builder.add("ReduceMean", logits, keepdims=1))
    spread = builder.add("Sqrt", builder.add("ReduceMean", builder.add("Mul", apart, apart), keepdims=1))
    inputs = [confidence, agreement, spread, _one_side(builder, ensemble, zero, one, conformal)]
    if meta.columns:
        row = builder.add("Gather", FEATURES, builder.constant(np.array(meta.columns), "int64"), axis=1)
        inputs.append(builder.add("Reshape", row, builder.constant(np.array([len(meta.columns)]), "int64")))
    seen = builder.add("Concat", *inputs, axis=0)
    inside = builder.add("Max", seen, builder.constant(np.array(meta.low)))
    inside = builder.add("Min", inside, builder.constant(np.array(meta.high)))
    score = builder.add("MatMul", inside, builder.constant(np.array(meta.weights).reshape(-1, 1)))
    right = builder.add("Sigmoid", builder.add("Add", score, builder.constant(np.array([meta.intercept]))))
    builder.add("Identity", right, output=RIGHT)
    if meta.sizing:
        bet = builder.add("Sub", builder.add("Max", right, half), half)
        builder.add("Add", builder.add("Mul", bet, side), half, output=PROBABILITY)


def _logit(builder: GraphBuilder, probability: str, one: str, clip: float) -> str:
    inside = builder.add("Clip", probability, builder.constant(clip), builder.constant(1.0 - clip))
    return builder.add("Log", builder.add("Div", inside, builder.add("Sub", one, inside)))


def _one_side(builder: GraphBuilder, ensemble: str, zero: str, one: str, conformal: Conformal | None) -> str:
    """1 if the prediction set is one side, else 0."""
    if conformal is None:
        return zero
    least = builder.constant(np.array([conformal.least]))
    up = builder.add("GreaterOrEqual", ensemble, least)
    down = builder.add("GreaterOrEqual", builder.add("Sub", one, ensemble), least)
    return builder.add("Where", builder.add("Xor", up, down), one, zero)


def _check(count: int, width: int, meta: Meta) -> None:
    wanted = count + 3 + len(meta.columns)
    sizes = {name: len(getattr(meta, name)) for name in ("inputs", "weights", "low", "high")}
    if set(sizes.values()) != {wanted}:
        raise GraphError(
            f"second stage: {count} members and {len(meta.columns)} features make {wanted} inputs: {sizes}"
        )
    if any(not 0 <= one < width for one in meta.columns):
        raise GraphError(f"second stage: columns {list(meta.columns)} of a row with {width} features")
    numbers = np.array([*meta.weights, meta.intercept, *meta.low, *meta.high])
    if not np.isfinite(numbers).all() or not 0.0 < meta.clip < 0.5:
        raise GraphError(f"second stage: numbers must be finite, and clip between 0 and 0.5; it has {meta}")
