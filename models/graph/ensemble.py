"""The pool and the calibration as nodes: what `models.ensemble` computes in NumPy."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from models.bundle.combination import Calibration, Conformal, Isotonic, Platt, Pool
from models.graph.errors import GraphError
from models.graph.operators import GraphBuilder
from models.graph.part import PROBABILITY

Floats = NDArray[np.float64]
PREDICTION_SET = "prediction_set"


def add_ensemble(
    builder: GraphBuilder,
    members: str,
    count: int,
    pool: Pool | None,
    calibration: Calibration | None,
    output: str = PROBABILITY,
) -> None:
    """The ensemble's probability, float64 (1,), of member probabilities (count,), under a name.

    Raises
    ------
    GraphError
        If the numbers do not fit the members, are not finite, or are not what their kind asks for.
    """
    if pool is None and calibration is None:
        builder.add("ReduceMean", members, output=output, keepdims=1)
        return
    if pool is None:
        pool = Pool((1.0 / count,) * count, 0.0, _clip("calibration", calibration), linear=True)
    weights = _weights(pool, count)
    line = np.array([1.0, 0.0]) if not isinstance(calibration, Platt) else _line(calibration)
    if pool.linear:
        logit = _logit(builder, _product(builder, members, weights), _clip("pool", pool))
        logit = _scaled(builder, logit, line)
    else:
        # A line of the pool's line is a line: one product and one sum instead of two.
        logit = _product(builder, _logit(builder, members, _clip("pool", pool)), weights * line[0])
        offset = _finite("pool", np.array([pool.intercept * line[0] + line[1]]))
        logit = builder.add("Add", logit, builder.constant(offset))
    if calibration is None:
        builder.add("Sigmoid", logit, output=output)
        return
    raw = _interpolated(builder, logit, calibration) if isinstance(calibration, Isotonic) else None
    raw = raw or builder.add("Sigmoid", logit)
    _add_clip(builder, raw, _clip("calibration", calibration), output=output)


def add_prediction_set(builder: GraphBuilder, probability: str, conformal: Conformal) -> None:
    """The output `PREDICTION_SET`, bool (2,), of a probability (1,): whether falling and rising are in the set.

    ``|[1, 0] − p|`` is ``1 − p`` and ``p``, each rounded as NumPy rounds it, so that sets are those of
    `models.ensemble.conformal.prediction_sets` where a probability lies on the threshold, too.

    Raises
    ------
    GraphError
        If the threshold is not a number from 0 to 1.
    """
    if not 0.0 <= conformal.least <= 1.0:
        raise GraphError(f"prediction sets: the threshold {conformal.least} is not a probability")
    sides = builder.add("Abs", builder.add("Sub", builder.constant(np.array([1.0, 0.0])), probability))
    builder.add("GreaterOrEqual", sides, builder.constant(conformal.least), output=PREDICTION_SET)


def _weights(pool: Pool, count: int) -> Floats:
    weights = _finite("pool", pool.weights)
    if len(weights) != count:
        raise GraphError(f"the pool has {len(weights)} weights for {count} members; one for each is needed")
    if pool.linear and (pool.intercept != 0.0 or weights.min() < 0.0 or abs(weights.sum() - 1.0) > 1e-9):
        raise GraphError(
            f"a pool of probabilities has no intercept, and weights that are not negative and sum to one; it has "
            f"{weights.tolist()} and the intercept {pool.intercept}"
        )
    return weights


def _line(calibration: Platt) -> Floats:
    return _finite("calibration", [calibration.slope, calibration.intercept])


def _product(builder: GraphBuilder, values: str, weights: Floats) -> str:
    """Values (m,) times weights, shape (1,)."""
    return builder.add("MatMul", values, builder.constant(weights.reshape(-1, 1)))


def _scaled(builder: GraphBuilder, logit: str, line: Floats) -> str:
    if line[0] != 1.0:
        logit = builder.add("Mul", logit, builder.constant(line[:1]))
    if line[1] != 0.0:
        logit = builder.add("Add", logit, builder.constant(line[1:]))
    return logit


def _interpolated(builder: GraphBuilder, logit: str, points: Isotonic) -> str:
    """The line through points: the first value, and of every piece how far along it the logit is, times its slope."""
    knots, values = _finite("calibration", points.knots), _finite("calibration", points.values)
    if len(knots) < 2 or len(knots) != len(values) or (np.diff(knots) <= 0).any() or (np.diff(values) < 0).any():
        raise GraphError(
            f"calibration: {len(knots)} knots and {len(values)} values; at least two of each are needed, knots that "
            "rise and values that do not fall"
        )
    widths = np.diff(knots)
    past = builder.add("Sub", logit, builder.constant(knots[:-1]))
    inside = builder.add("Max", past, builder.constant(np.zeros(1)))
    along = builder.add("Min", inside, builder.constant(widths))
    risen = builder.add("MatMul", along, builder.constant((np.diff(values) / widths).reshape(-1, 1)))
    return builder.add("Add", risen, builder.constant(values[:1]))


def _logit(builder: GraphBuilder, probability: str, clip: float) -> str:
    """``log(p / (1 - p))`` of probabilities cut to [clip, 1 - clip]."""
    inside = _add_clip(builder, probability, clip)
    other = builder.add("Sub", builder.constant(np.ones(1)), inside)
    return builder.add("Log", builder.add("Div", inside, other))


def _add_clip(builder: GraphBuilder, probability: str, clip: float, output: str | None = None) -> str:
    return builder.add("Clip", probability, builder.constant(clip), builder.constant(1.0 - clip), output=output)


def _clip(what: str, values: Pool | Calibration | None) -> float:
    clip = float("nan") if values is None else float(values.clip)
    if not 0.0 < clip < 0.5:
        raise GraphError(f"{what}: probabilities are cut to [clip, 1 - clip]; clip {clip} is not between 0 and 0.5")
    return clip


def _finite(what: str, numbers: ArrayLike) -> Floats:
    found = np.asarray(numbers, np.float64)
    if not np.isfinite(found).all():
        raise GraphError(f"{what}: {found.tolist()} has a number that is not finite")
    return found
