"""LightGBM as a graph: the raw score, and the probability, bit for bit.

How LightGBM decides at a numerical split (its ``tree.h``, ``NumericalDecision``), and what stands for it here:

- a value with ``|x| <= 1e-35`` (a float32 constant) is read as zero: only thresholds that close to zero can tell, and
  they are moved to the edge of that band, which decides the same;
- missing type *none*: NaN is read as zero, so it goes where zero goes;
- missing type *NaN*: NaN goes to the default side;
- missing type *zero* (``zero_as_missing``): NaN and zero go to the default side: the graph turns zero into NaN;
- otherwise left if ``x <= threshold``, in float64.

Leaves are added in float64, tree after tree (their negatives, whose sum is the negative score); the probability is
``1 / (1 + exp(-sigmoid * score))``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.graph.errors import GraphError
from models.graph.operators import GraphBuilder, tensor
from models.graph.part import FEATURES, PROBABILITY, GraphPart
from models.graph.trees import Comparison, Tree, add_trees, both_signs, negated

ZERO = float(np.float32(1e-35))
"""LightGBM's ``kZeroThreshold``."""
CATEGORICAL, DEFAULT_LEFT = 1, 2
MISSING_NONE, MISSING_ZERO = 0, 1


def lightgbm_part(name: str, booster: Any, features: int) -> GraphPart:
    """A binary LightGBM booster as a graph fragment.

    Parameters
    ----------
    name
        The member's name.
    booster
        A ``lightgbm.Booster``; where early stopping found a best iteration, the trees up to it are taken, as
        ``booster.predict`` does.
    features
        The number of feature columns, f.

    Raises
    ------
    GraphError
        If the booster is not binary with float64 splits: categorical splits, linear trees, averaged (random forest)
        output, several classes, another objective; or has another number of features.

    Notes
    -----
    The source is the library's own text format, whose numbers have 17 digits and so are read back exactly.
    """
    header, blocks = _sections(booster.model_to_string())
    scale = _sigmoid(name, header, features)
    names = header["feature_names"].split(" ")
    tables = [_table(name, block, names) for block in blocks]
    zero_is_missing = _zero_is_missing(name, tables, names)

    builder = GraphBuilder()
    row = _with_zeros_missing(builder, zero_is_missing) if zero_is_missing.any() else FEATURES
    trees = [_tree(table) for table in tables]
    against = [negated(tree) for tree in trees]
    exponent = add_trees(builder, against, Comparison.AT_MOST, both_signs(builder, row), features)
    if scale != 1.0:
        exponent = builder.add("Mul", exponent, builder.constant(scale))
    decay = builder.add("Exp", exponent)
    one = builder.constant(np.ones(1))
    builder.add("Div", one, builder.add("Add", one, decay), output=PROBABILITY)
    return GraphPart(name, builder.model(name, [tensor(FEATURES, (1, features))], [tensor(PROBABILITY, (1, 1))]))


def _with_zeros_missing(builder: GraphBuilder, zero_is_missing: NDArray[np.bool_]) -> str:
    """The row with NaN for what is read as zero, in the columns where zero means missing."""
    reach = np.where(zero_is_missing, ZERO, -1.0).reshape(1, -1)
    small = builder.add("LessOrEqual", builder.add("Abs", FEATURES), builder.constant(reach))
    return builder.add("Where", small, builder.constant(np.full((1, 1), np.nan)), FEATURES)


def _sections(text: str) -> tuple[dict[str, str], list[dict[str, str]]]:
    """The header and one mapping per tree of LightGBM's text format."""
    body = text.split("\nend of trees", 1)[0]
    head, *trees = body.split("\nTree=")
    return _pairs(head), [_pairs(tree) for tree in trees]


def _pairs(text: str) -> dict[str, str]:
    found: dict[str, str] = {}
    for line in text.splitlines():
        key, _, value = line.partition("=")
        found[key] = value
    return found


def _sigmoid(name: str, header: Mapping[str, str], features: int) -> float:
    """The factor inside the logistic function; refuses what this graph is not."""
    objective = header.get("objective", "none").split(" ")
    if objective[0] != "binary" or header.get("num_class") != "1" or "average_output" in header:
        raise GraphError(
            f"{name}: objective {' '.join(objective)!r} with {header.get('num_class')} class(es)"
            f"{', averaged' if 'average_output' in header else ''} is not supported; train with objective 'binary'"
        )
    found = int(header["max_feature_idx"]) + 1
    if found != features:
        raise GraphError(f"{name}: the booster was trained on {found} features, the feature set has {features}")
    options = dict(option.split(":", 1) for option in objective[1:] if ":" in option)
    return float(options.get("sigmoid", "1"))


def _table(name: str, block: Mapping[str, str], features: Sequence[str]) -> dict[str, NDArray[Any]]:
    """A tree's columns as arrays; refuses categorical splits and linear leaves by name."""
    if block.get("is_linear", "0") != "0":
        raise GraphError(f"{name}: linear trees have no exact graph; train with linear_tree=False")
    splits = int(block["num_leaves"]) - 1
    integers = ("split_feature", "decision_type", "left_child", "right_child", "internal_count", "leaf_count")
    table: dict[str, NDArray[Any]] = {key: np.array(block[key].split() if splits else [], np.int64) for key in integers}
    table["threshold"] = np.array(block["threshold"].split() if splits else [], np.float64)
    table["leaf_value"] = np.array(block["leaf_value"].split(), np.float64)
    categorical = (table["decision_type"] & CATEGORICAL) != 0
    if categorical.any():
        column = features[int(table["split_feature"][categorical][0])]
        raise GraphError(f"{name}: categorical split on {column!r}; pass it as a number instead of a category")
    return table


def _zero_is_missing(
    name: str, tables: Sequence[Mapping[str, NDArray[Any]]], features: Sequence[str]
) -> NDArray[np.bool_]:
    """The features for which zero means missing, shape (f,)."""
    feature = np.concatenate([table["split_feature"] for table in tables])
    zero = (np.concatenate([table["decision_type"] for table in tables]) >> 2) == MISSING_ZERO
    missing = np.bincount(feature[zero], minlength=len(features)) > 0
    mixed = missing & (np.bincount(feature[~zero], minlength=len(features)) > 0)
    if mixed.any():
        column = features[int(np.argmax(mixed))]
        raise GraphError(f"{name}: zero is missing in some splits on {column!r} and a number in others; train anew")
    return missing


def _tree(table: Mapping[str, NDArray[Any]]) -> Tree:
    kind, threshold = table["decision_type"], table["threshold"]
    default_left = (kind & DEFAULT_LEFT) != 0
    # Missing type none reads NaN as zero, which goes left where the threshold is not below zero.
    missing_left = np.where((kind >> 2) == MISSING_NONE, threshold >= 0.0, default_left)
    # What is read as zero, the band |x| <= ZERO, goes left as a whole or not at all.
    edge = np.where(threshold >= 0.0, ZERO, np.nextafter(-ZERO, -np.inf))
    moved = np.where(np.abs(threshold) <= ZERO, edge, threshold)
    left, right, leaves = table["left_child"], table["right_child"], table["leaf_value"]
    return Tree(table["split_feature"], moved, missing_left, _mostly_left(table), left, right, leaves)


def _mostly_left(table: Mapping[str, NDArray[Any]]) -> NDArray[np.bool_]:
    """Whether more training rows went left than right at a split."""
    # A leaf's number is written ~leaf, which, as an index from the end, reads the counts of leaves backwards.
    counts = np.concatenate([table["internal_count"], table["leaf_count"][::-1]])
    mostly: NDArray[np.bool_] = counts[table["left_child"]] > counts[table["right_child"]]
    return mostly
