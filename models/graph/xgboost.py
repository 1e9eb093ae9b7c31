"""XGBoost as a graph: float32 throughout, as the library computes.

XGBoost casts the row to float32, goes left where ``x < threshold`` (NaN: to the default side), and adds leaves in
float32 to the base score's logit, tree after tree. Here the base score is a tree without a split that comes first,
so that the additions are the same. The probability is ``1 / (1 + exp(-margin))`` in float32; the exponential is
taken in float64 and rounded once, which is what a good C library's ``expf`` returns but for rare last bits. (XGBoost
also cuts the exponent at 88.7, where the probability is 3e-39; here it goes on to zero.)
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.graph.errors import GraphError
from models.graph.operators import TYPES, GraphBuilder, tensor
from models.graph.part import FEATURES, PROBABILITY, GraphPart
from models.graph.trees import Comparison, Tree, add_trees, both_signs, negated, single_leaf


def xgboost_part(name: str, booster: Any, features: int) -> GraphPart:
    """A binary XGBoost booster as a graph fragment.

    Parameters
    ----------
    name
        The member's name.
    booster
        An ``xgboost.Booster``; where early stopping recorded a best iteration, the trees up to it are taken (a
        booster's own ``predict`` takes them all unless it is sliced, ``booster[: best_iteration + 1]``).
    features
        The number of feature columns, f.

    Raises
    ------
    GraphError
        If the booster is not ``binary:logistic`` with ``gbtree``, has categorical splits, or another number of
        features.
    """
    learner = json.loads(bytes(booster.save_raw("json")))["learner"]
    _check(name, learner, features)
    documents = _best_trees(learner)
    trees = [single_leaf(_base_margin(learner), "float32"), *(_tree(name, document) for document in documents)]

    builder = GraphBuilder()
    row = builder.add("Cast", both_signs(builder, FEATURES), to=TYPES["float32"])
    stand_in = _missing_stand_in(trees, features)
    if stand_in is not None:
        infinities = builder.constant(np.concatenate([stand_in, -stand_in])[np.newaxis], "float32")
        row = builder.add("Where", builder.add("IsNaN", row), infinities, row)
    against = [negated(tree) for tree in trees]
    _add_probability(builder, add_trees(builder, against, Comparison.BELOW, row, features, missing=stand_in is None))
    return GraphPart(name, builder.model(name, [tensor(FEATURES, (1, features))], [tensor(PROBABILITY, (1, 1))]))


def _missing_stand_in(trees: Sequence[Tree], features: int) -> NDArray[np.float64] | None:
    """By feature, the infinity that goes where a NaN goes; None where one feature's splits send it to both sides.

    Splits that saw no missing value in training all send it to the right.
    """
    feature, threshold, left = (
        np.concatenate([getattr(tree, column) for tree in trees]) for column in ("feature", "threshold", "missing_left")
    )
    to_left, to_right = (np.bincount(feature[side], minlength=features) > 0 for side in (left, ~left))
    if (to_left & to_right).any() or not np.isfinite(threshold).all():
        return None
    return np.where(to_left, -np.inf, np.inf)


def _add_probability(builder: GraphBuilder, exponent: str) -> None:
    wide = builder.add("Exp", builder.add("Cast", exponent, to=TYPES["float64"]))
    one = builder.constant(np.ones(1), "float32")
    denominator = builder.add("Add", builder.add("Cast", wide, to=TYPES["float32"]), one)
    builder.add("Cast", builder.add("Div", one, denominator), to=TYPES["float64"], output=PROBABILITY)


def _check(name: str, learner: Mapping[str, Any], features: int) -> None:
    objective, kind = learner["objective"]["name"], learner["gradient_booster"]["name"]
    if objective != "binary:logistic" or kind != "gbtree":
        raise GraphError(f"{name}: {kind} with {objective} is not supported; use gbtree with 'binary:logistic'")
    found = int(learner["learner_model_param"]["num_feature"])
    if found != features:
        raise GraphError(f"{name}: the booster was trained on {found} features, the feature set has {features}")


def _base_margin(learner: Mapping[str, Any]) -> float:
    """The base score, written as a probability such as ``[5E-1]``, as a logit in float32 as XGBoost computes it."""
    score = np.float32(learner["learner_model_param"]["base_score"].strip("[]"))
    one = np.float32(1.0)
    # In float64 and rounded once, as C's logf does: NumPy's own float32 logarithm is off by a few last bits.
    return float(np.float32(-math.log(float(one / score - one))))


def _best_trees(learner: Mapping[str, Any]) -> Sequence[Mapping[str, Any]]:
    model = learner["gradient_booster"]["model"]
    best = learner["attributes"].get("best_iteration")
    if best is None:
        return list(model["trees"])
    return list(model["trees"][: model["iteration_indptr"][int(best) + 1]])


def _tree(name: str, document: Mapping[str, Any]) -> Tree:
    """Splits and leaves, which XGBoost numbers together, numbered apart."""
    if any(document["split_type"]):
        column = document["split_indices"][int(np.argmax(document["split_type"]))]
        raise GraphError(f"{name}: categorical split on feature {column}; pass it as a number instead of a category")
    left, right = (np.array(document[f"{side}_children"], np.int64) for side in ("left", "right"))
    value = np.array(document["split_conditions"], np.float32)
    leaf = left < 0
    number = np.where(leaf, ~(np.cumsum(leaf) - 1), np.cumsum(~leaf) - 1)
    split = np.flatnonzero(~leaf)
    feature = np.array(document["split_indices"], np.int64)[split]
    missing_left = np.array(document["default_left"], np.bool_)[split]
    weight = np.array(document["sum_hessian"], np.float64)  # of the training rows at a node
    mostly_left = weight[left[split]] > weight[right[split]]
    return Tree(
        feature, value[split], missing_left, mostly_left, number[left[split]], number[right[split]], value[leaf]
    )
