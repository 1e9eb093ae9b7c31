"""XGBoost's graph against the library: the margin bit for bit, the probability to the last float32 bit."""

import numpy as np
import pytest
import xgboost
from graph_samples import FEATURE_COUNT, finite, output_of, part_outputs, problem, xgboost_booster

from models.graph.errors import GraphError
from models.graph.xgboost import xgboost_part
from models.members import MEMBERS
from models.probes import extreme_rows, threshold_rows

VARIANTS = {
    "plain": {},
    "base score": {"base_score": 0.137},
    "rare label": {"scale_pos_weight": 9.0, "base_score": 0.93},
    "forest": {"num_parallel_tree": 3, "subsample": 0.5},
    "exact": {"tree_method": "exact"},
    "leaf-wise": {"grow_policy": "lossguide", "max_leaves": 20, "max_depth": 0},
}


def check_parity(booster, x, seed, count):
    part = xgboost_part("xgboost", booster, x.shape[1])
    generator = np.random.default_rng(seed)
    rows = np.concatenate(
        [threshold_rows(part.model, x, seed, count, count), extreme_rows(x, seed, count), x[:count], -x[:count]]
    )
    holes = rows.copy()
    holes[generator.random(rows.shape) < 0.3] = np.nan
    rows = np.concatenate([rows, holes, np.full((1, x.shape[1]), np.nan)])
    probability, exponent = part_outputs(part, rows, "probability", output_of(part, "TreeEnsemble"))
    native = booster.inplace_predict(rows).astype(float)
    assert np.array_equal(-exponent, booster.inplace_predict(rows, predict_type="margin"))
    assert np.abs(probability - native).max() <= MEMBERS.facts("xgboost").bound
    assert (probability == native).mean() > 0.999
    assert len(np.unique(exponent)) > 2


@pytest.mark.parametrize("variant", VARIANTS)
def test_margin_is_exact(variant):
    x, y = problem(seed=1)
    check_parity(xgboost_booster(x, y, **VARIANTS[variant]), x, seed=2, count=2_000)


def operators(part):
    return [node.op_type for node in part.model.graph.node]


def tracks(part):
    """Whether splits say where a NaN goes."""
    (trees,) = (node for node in part.model.graph.node if node.op_type == "TreeEnsemble")
    return any(attribute.name == "nodes_missing_value_tracks_true" for attribute in trees.attribute)


@pytest.mark.parametrize("variant", VARIANTS)
def test_margin_is_exact_where_an_infinity_stands_for_a_missing_value(variant):
    """Training without holes sends every NaN to one side: the graph looks for it once and not at every split."""
    x, y = problem(seed=8)
    booster = xgboost_booster(finite(x), y, **VARIANTS[variant])
    part = xgboost_part("xgboost", booster, FEATURE_COUNT)
    assert "IsNaN" in operators(part)
    assert not tracks(part)
    check_parity(booster, finite(x), seed=9, count=1_000)


def test_splits_say_where_a_missing_value_goes_if_a_feature_sends_it_to_both_sides():
    part = xgboost_part("xgboost", xgboost_booster(*problem(seed=1)), FEATURE_COUNT)
    assert "IsNaN" not in operators(part)
    assert tracks(part)


def test_every_base_score_is_the_logit_that_the_library_takes():
    """A hundred of them, with one small tree, so that nothing hides the last bit of the base."""
    x, y = problem(seed=7, rows=60)
    for score in np.random.default_rng(0).uniform(0.01, 0.99, 100):
        booster = xgboost_booster(x, y, rounds=1, max_depth=1, eta=1e-6, base_score=score)
        part = xgboost_part("xgboost", booster, FEATURE_COUNT)
        exponent = part_outputs(part, x[:3], output_of(part, "TreeEnsemble"))[0]
        assert np.array_equal(-exponent, booster.inplace_predict(x[:3], predict_type="margin"))


@pytest.mark.long
@pytest.mark.parametrize("seed", range(2))
@pytest.mark.parametrize("variant", VARIANTS)
def test_margin_is_exact_on_a_hundred_thousand_rows(variant, seed):
    x, y = problem(seed=seed, rows=20_000, features=30)
    check_parity(xgboost_booster(x, y, rounds=500, **VARIANTS[variant]), x, seed, count=8_000)


def test_early_stopping_takes_the_best_trees():
    x, y = problem(seed=3)
    booster = xgboost.train(
        {"objective": "binary:logistic", "eta": 0.5, "nthread": 1},
        xgboost.DMatrix(x[:700], y[:700]),
        200,
        evals=[(xgboost.DMatrix(x[700:], y[700:]), "validation")],
        early_stopping_rounds=5,
        verbose_eval=False,
    )
    best = booster.best_iteration + 1
    assert best < booster.num_boosted_rounds()
    part = xgboost_part("xgboost", booster, FEATURE_COUNT)
    native = booster.inplace_predict(x, iteration_range=(0, best))
    assert np.abs(part_outputs(part, x) - native).max() <= MEMBERS.facts("xgboost").bound
    assert xgboost_part("xgboost", booster[:best], FEATURE_COUNT).model == part.model


def test_the_largest_margins_do_not_overflow():
    x = np.linspace(-1, 1, 400).reshape(-1, 1)
    booster = xgboost_booster(x, x[:, 0] > 0, rounds=30, eta=50.0, reg_lambda=0.0, min_child_weight=0.0)
    part = xgboost_part("xgboost", booster, 1)
    margin = booster.inplace_predict(x, predict_type="margin")
    assert np.abs(margin).max() > 89.0
    assert np.abs(part_outputs(part, x) - booster.inplace_predict(x)).max() <= 1e-37


@pytest.mark.parametrize(
    ("parameters", "names"),
    [
        ({"objective": "reg:squarederror"}, "reg:squarederror"),
        ({"booster": "dart"}, "dart"),
        ({"booster": "gblinear"}, "gblinear"),
        ({"objective": "multi:softprob", "num_class": 2}, "multi:softprob"),
    ],
)
def test_what_has_no_exact_graph_is_refused_by_name(parameters, names):
    x, y = problem(seed=4, rows=300)
    with pytest.raises(GraphError, match=names):
        xgboost_part("xgboost", xgboost_booster(x, y, rounds=3, **parameters), FEATURE_COUNT)


def test_categorical_splits_are_refused_with_the_feature():
    generator = np.random.default_rng(5)
    x = np.column_stack([generator.normal(size=900), generator.integers(0, 9, 900)])
    data = xgboost.DMatrix(x, x[:, 1] % 2, feature_types=["float", "c"], enable_categorical=True)
    booster = xgboost.train({"objective": "binary:logistic", "nthread": 1}, data, 3)
    with pytest.raises(GraphError, match="categorical split on feature 1"):
        xgboost_part("xgboost", booster, 2)


def test_another_number_of_features_is_refused():
    x, y = problem(seed=6, rows=300)
    with pytest.raises(GraphError, match=f"trained on {FEATURE_COUNT} features, the feature set has 9"):
        xgboost_part("xgboost", xgboost_booster(x, y, rounds=2), 9)
