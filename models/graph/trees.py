"""Decision trees as one ``ai.onnx.ml`` 5 ``TreeEnsemble``, whose thresholds keep the library's own precision.

The usual converters write float32 thresholds rounded to nearest, so that rows on a threshold fall on the wrong
side. This operator takes thresholds, leaves and input of one type, float32 or float64, and onnxruntime adds the
leaves of a single row tree by tree in that type, starting from zero, as both libraries do: nothing is rounded anew.

Every split of an ensemble is the same branch of the same loop to the processor, which guesses it right more often the
more it falls to one side. So each split is written with the side that fewer training rows took as the branch that is
taken. That turns a comparison around, and since all splits must compare alike, a turned split reads the negative of its
feature: the operator's row is the features followed by their negatives, which is exact. 500 trees of depth 6 take two
thirds of the time.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import IntEnum
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import helper, numpy_helper

from models.graph.operators import ML_DOMAIN, GraphBuilder
from models.graph.part import FEATURES


class Comparison(IntEnum):
    """When a row goes left (``nodes_modes`` of the operator)."""

    AT_MOST = 0
    BELOW = 1


@dataclass(frozen=True, slots=True, eq=False)
class Tree:
    """One tree: ``k`` splits and ``k + 1`` leaves (``k`` may be zero).

    ``left`` and ``right`` hold the number of a split, or ``~leaf`` (negative) for a leaf, as LightGBM writes them.
    ``missing_left`` tells where a NaN goes, ``mostly_left`` whether most training rows went left. Split 0 is the root.
    """

    feature: NDArray[np.int64]
    threshold: NDArray[Any]
    missing_left: NDArray[np.bool_]
    mostly_left: NDArray[np.bool_]
    left: NDArray[np.int64]
    right: NDArray[np.int64]
    leaves: NDArray[Any]


def single_leaf(value: float, dtype: str) -> Tree:
    """A tree without a split: a constant, added in its turn."""
    none, no = np.empty(0, np.int64), np.empty(0, np.bool_)
    return Tree(none, np.empty(0, dtype), no, no, none, none, np.array([value], dtype))


def negated(tree: Tree) -> Tree:
    """A tree with the negatives of the leaves. Rounding is symmetric: what such trees add up to is the exact negative.

    The logistic function asks for it, and so it needs no node of its own.
    """
    return replace(tree, leaves=-tree.leaves)


def both_signs(builder: GraphBuilder, row: str) -> str:
    """A row (1, f) followed by its negative: (1, 2 f)."""
    return builder.add("Concat", row, builder.add("Neg", row), axis=1)


def add_trees(
    builder: GraphBuilder, trees: Sequence[Tree], comparison: Comparison, row: str, features: int, missing: bool = True
) -> str:
    """The sum of the trees' leaves for one row, shape (1, 1), in the type of the trees; returns its name.

    Parameters
    ----------
    trees
        In the order in which leaves are added; all of one dtype.
    row
        Name of the input tensor, shape (1, 2 f), of the same dtype: from `both_signs`.
    features
        f.
    missing
        Whether the row can hold a NaN; looking for one at every split takes time.
    """
    columns = [_columns(tree, comparison, features) for tree in trees]
    splits = np.cumsum([0, *(len(column["feature"]) for column in columns)])
    leaves = np.cumsum([0, *(len(tree.leaves) for tree in trees)])
    merged = {key: np.concatenate([column[key] for column in columns]) for key in columns[0]}
    for side in ("true", "false"):
        offset = [np.where(c[f"{side}leaf"], leaves[i], splits[i]) for i, c in enumerate(columns)]
        merged[f"{side}id"] = merged[f"{side}id"] + np.concatenate(offset)
    if not missing:
        merged["missing"][:] = False
    return builder.add("TreeEnsemble", row, domain=ML_DOMAIN, **_attributes(merged, splits[:-1], trees, comparison))


def split_points(model: onnx.ModelProto) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """The distinct (feature, threshold) pairs of every tree in a graph, sorted.

    Returns
    -------
    feature, threshold
        Shapes (k,); thresholds of float32 trees are widened exactly.
    """
    row = next(value for value in model.graph.input if value.name == FEATURES)
    features = row.type.tensor_type.shape.dim[1].dim_value
    pairs: set[tuple[int, float]] = set()
    for node in model.graph.node:
        if node.op_type == "TreeEnsemble":
            values = {attribute.name: helper.get_attribute_value(attribute) for attribute in node.attribute}
            feature, threshold = np.array(values["nodes_featureids"]), numpy_helper.to_array(values["nodes_splits"])
            comparison = Comparison(int(numpy_helper.to_array(values["nodes_modes"])[0]))
            given = np.where(feature < features, threshold, _turned(threshold, comparison)).astype(np.float64)
            pairs.update(zip((feature % features).tolist(), given.tolist(), strict=True))
    ordered = sorted(pairs)
    return np.array([pair[0] for pair in ordered], np.int64), np.array([pair[1] for pair in ordered])


def _columns(tree: Tree, comparison: Comparison, features: int) -> dict[str, NDArray[Any]]:
    if len(tree.feature) == 0:
        # The operator has no tree without a split: one split whose branches are the same leaf stands for it.
        zero, no = np.zeros(1, np.int64), np.zeros(1, np.bool_)
        tree = Tree(zero, np.zeros(1, tree.leaves.dtype), no, no, ~zero, ~zero, tree.leaves)
    turned = tree.mostly_left & np.isfinite(tree.threshold)
    taken, other = np.where(turned, (tree.right, tree.left), (tree.left, tree.right))
    return {
        "feature": np.where(turned, tree.feature + features, tree.feature),
        "threshold": np.where(turned, _turned(tree.threshold, comparison), tree.threshold),
        "missing": tree.missing_left ^ turned,
        "trueid": np.where(taken < 0, ~taken, taken),
        "trueleaf": taken < 0,
        "falseid": np.where(other < 0, ~other, other),
        "falseleaf": other < 0,
    }


def _turned(threshold: NDArray[Any], comparison: Comparison) -> NDArray[Any]:
    """The threshold for ``-x`` that is passed where ``x`` does not pass ``threshold``; its own inverse.

    ``x > t`` is ``-x <= s`` with s the number next below ``-t``, and ``x >= t`` is ``-x < s`` with s the one above.
    """
    side = -np.inf if comparison is Comparison.AT_MOST else np.inf
    with np.errstate(over="ignore"):  # the number next to the largest is infinite
        turned: NDArray[Any] = np.nextafter(-threshold, threshold.dtype.type(side))
    return turned


def _attributes(
    merged: dict[str, NDArray[Any]], roots: NDArray[np.int64], trees: Sequence[Tree], comparison: Comparison
) -> dict[str, Any]:
    weights = np.concatenate([tree.leaves for tree in trees])
    modes = np.full(len(merged["feature"]), comparison.value, np.uint8)
    attributes = {
        "n_targets": 1,
        "aggregate_function": 1,
        "post_transform": 0,
        "tree_roots": roots.tolist(),
        "nodes_featureids": merged["feature"].tolist(),
        "nodes_splits": numpy_helper.from_array(merged["threshold"], "splits"),
        "nodes_modes": numpy_helper.from_array(modes, "modes"),
        "nodes_truenodeids": merged["trueid"].tolist(),
        "nodes_trueleafs": merged["trueleaf"].astype(int).tolist(),
        "nodes_falsenodeids": merged["falseid"].tolist(),
        "nodes_falseleafs": merged["falseleaf"].astype(int).tolist(),
        "leaf_targetids": [0] * len(weights),
        "leaf_weights": numpy_helper.from_array(weights, "weights"),
    }
    if merged["missing"].any():
        attributes["nodes_missing_value_tracks_true"] = merged["missing"].astype(int).tolist()
    return attributes
