"""SHAP of boosters against Shapley values by definition: every coalition of features, walked through the trees."""

from __future__ import annotations

import json
from itertools import combinations
from math import factorial

import lightgbm
import numpy as np
import pytest
import xgboost
from sklearn.ensemble import RandomForestClassifier

from models.errors import ModelError
from models.importance import shap
from models.importance.groups import by_hand
from models.importance.planted import planted_features
from models.importance.shap import contributions, joined, mean_absolute_shap

PROBLEM = planted_features(seed=1, rows=400, informative=2, redundant=1, noise=1)


def light(trees=8, **options):
    options = {
        "objective": "binary",
        "num_leaves": 9,
        "min_data_in_leaf": 5,
        "verbosity": -1,
        "num_threads": 1,
        "boost_from_average": False,
    } | options
    return lightgbm.train(options, lightgbm.Dataset(PROBLEM.features, PROBLEM.label), trees)


def xg(trees=8, **options):
    options = {"objective": "binary:logistic", "max_depth": 3, "nthread": 1, "base_score": 0.5} | options
    return xgboost.train(options, xgboost.DMatrix(PROBLEM.features, PROBLEM.label), trees)


def light_expectation(node, row, known):
    """The mean of a LightGBM tree where only some features are known: unknown splits are averaged by counts."""
    if "leaf_value" in node:
        return node["leaf_value"]
    sides = [node["left_child"], node["right_child"]]
    if node["split_feature"] in known:
        side = sides[0] if row[node["split_feature"]] <= node["threshold"] else sides[1]
        return light_expectation(side, row, known)
    counts = [side.get("internal_count", side.get("leaf_count")) for side in sides]
    return np.average([light_expectation(side, row, known) for side in sides], weights=counts)


def xg_expectation(node, row, known):
    """As `light_expectation`, averaged by sums of second derivatives."""
    if "leaf" in node:
        return node["leaf"]
    sides = {child["nodeid"]: child for child in node["children"]}
    column = int(node["split"][1:])
    if column in known:
        yes = np.float32(row[column]) < np.float32(node["split_condition"])
        return xg_expectation(sides[node["yes"] if yes else node["no"]], row, known)
    return np.average(
        [xg_expectation(side, row, known) for side in sides.values()],
        weights=[side["cover"] for side in sides.values()],
    )


def shapley(worth, features):
    """Shapley values by their definition, and the worth of nothing."""
    values = np.zeros(features)
    for feature in range(features):
        others = [one for one in range(features) if one != feature]
        for size in range(features):
            share = factorial(size) * factorial(features - size - 1) / factorial(features)
            for coalition in combinations(others, size):
                values[feature] += share * (worth({*coalition, feature}) - worth(set(coalition)))
    return values, worth(set())


def test_lightgbm_gives_shapley_values():
    booster = light()
    trees = [tree["tree_structure"] for tree in booster.dump_model()["tree_info"]]
    rows = PROBLEM.features[:15]
    found = contributions(booster, rows, PROBLEM.names)
    for place, row in enumerate(rows):
        expected, nothing = shapley(
            lambda known, row=row: sum(light_expectation(tree, row, known) for tree in trees), 4
        )
        np.testing.assert_allclose(found.values[place], expected, atol=1e-12)
        assert found.bias[place] == pytest.approx(nothing, abs=1e-12)
    assert (np.abs(found.values).max(axis=0) > 0.001).sum() >= 3


def test_xgboost_gives_shapley_values():
    booster = xg()
    trees = [json.loads(tree) for tree in booster.get_dump(dump_format="json", with_stats=True)]
    rows = PROBLEM.features[:15]
    found = contributions(booster, rows, PROBLEM.names)
    for place, row in enumerate(rows):
        expected, nothing = shapley(lambda known, row=row: sum(xg_expectation(tree, row, known) for tree in trees), 4)
        np.testing.assert_allclose(found.values[place], expected, atol=2e-6)
        assert found.bias[place] == pytest.approx(nothing, abs=2e-6)
    assert (np.abs(found.values).max(axis=0) > 0.001).sum() >= 3


@pytest.mark.parametrize("booster", [light(60, num_leaves=31), xg(60, max_depth=5)])
def test_contributions_add_up_to_what_the_booster_says(booster):
    found = contributions(booster, PROBLEM.features, PROBLEM.names)
    kind = type(booster).__module__.split(".")[0]
    said = booster.predict(PROBLEM.features if kind == "lightgbm" else xgboost.DMatrix(PROBLEM.features))
    np.testing.assert_allclose(1 / (1 + np.exp(-(found.values.sum(axis=1) + found.bias))), said, atol=1e-5)
    assert 0 < found.gap < shap.TOLERANCE[kind]


def test_contributions_that_do_not_add_up_are_refused(monkeypatch):
    monkeypatch.setattr(shap, "margins", lambda model, rows: np.full(len(rows), 3.0))
    with pytest.raises(ModelError, match="miss the margin"):
        contributions(light(), PROBLEM.features)


@pytest.mark.parametrize(
    "estimator",
    [
        lightgbm.LGBMClassifier(n_estimators=10, n_jobs=1, verbosity=-1),
        xgboost.XGBClassifier(n_estimators=10, n_jobs=1),
    ],
)
def test_wrapped_and_native_boosters_say_the_same(estimator):
    model = estimator.fit(PROBLEM.features, PROBLEM.label)
    native = getattr(model, "booster_", None) or model.get_booster()
    one, other = (contributions(each, PROBLEM.features) for each in (model, native))
    assert one.values.tobytes() == other.values.tobytes()


def test_an_early_stopped_wrapper_is_explained_as_it_predicts():
    model = xgboost.XGBClassifier(n_estimators=200, learning_rate=0.5, n_jobs=1, early_stopping_rounds=3)
    model.fit(
        PROBLEM.features[:200],
        PROBLEM.label[:200],
        eval_set=[(PROBLEM.features[200:], PROBLEM.label[200:])],
        verbose=False,
    )
    found = contributions(model, PROBLEM.features[200:])
    said = model.predict(PROBLEM.features[200:], output_margin=True)
    assert model.get_booster().num_boosted_rounds() > model.best_iteration + 1
    np.testing.assert_allclose(found.margin, said, atol=1e-5)


def test_informative_features_lead():
    problem = planted_features(seed=2, redundant=0, strength=3.0)
    for estimator in (
        lightgbm.LGBMClassifier(n_estimators=40, num_leaves=7, n_jobs=1, verbosity=-1),
        xgboost.XGBClassifier(n_estimators=40, max_depth=3, n_jobs=1),
    ):
        parts = []
        for half in (slice(0, 500), slice(500, 1000)):
            model = estimator.fit(problem.features[half], problem.label[half])
            parts.append(contributions(model, problem.features, problem.names))
        found = mean_absolute_shap(parts)
        assert found.values.shape == (2, 8)
        assert found.mean[problem.columns("I")].min() > 1.5 * found.mean[problem.columns("N")].max()


def test_weights_count_in_the_mean():
    weight = np.random.default_rng(3).integers(0, 3, 400).astype(float)
    booster = light()
    weighed = contributions(booster, PROBLEM.features, PROBLEM.names, weight).importance()
    repeated = np.repeat(PROBLEM.features, weight.astype(int), axis=0)
    np.testing.assert_allclose(weighed, contributions(booster, repeated, PROBLEM.names).importance(), rtol=1e-12)
    assert np.abs(weighed - contributions(booster, PROBLEM.features).importance()).max() > 1e-4


def test_a_clusters_contribution_is_the_sum_of_its_features():
    found = contributions(light(), PROBLEM.features, PROBLEM.names)
    groups = by_hand(PROBLEM.names, {"pair": ["I_1", "N_0"]})
    table = mean_absolute_shap([found], groups)
    assert table.names == ("pair", "I_0", "R_0")
    expected = np.abs(found.values[:, 1] + found.values[:, 3]).mean()
    assert table.values[0, 0] == pytest.approx(expected)


def test_folds_are_joined_in_order():
    booster = light()
    whole = contributions(booster, PROBLEM.features)
    parts = joined([contributions(booster, PROBLEM.features[:100]), contributions(booster, PROBLEM.features[100:])])
    assert parts.values.tobytes() == whole.values.tobytes()
    assert parts.margin.tobytes() == whole.margin.tobytes()


def test_what_has_no_contributions_is_refused():
    with pytest.raises(ModelError, match="RandomForestClassifier holds no LightGBM or XGBoost"):
        contributions(RandomForestClassifier(), PROBLEM.features)
    with pytest.raises(ModelError, match="shape"):
        contributions(light(), PROBLEM.features[:0])
    with pytest.raises(ModelError, match="no contributions"):
        mean_absolute_shap([])
    three = np.digitize(PROBLEM.features[:, 0], [-0.5, 0.5])
    for model in (lightgbm.LGBMClassifier(n_estimators=2, verbosity=-1), xgboost.XGBClassifier(n_estimators=2)):
        with pytest.raises(ModelError, match=r"binary|one output"):
            contributions(model.fit(PROBLEM.features, three), PROBLEM.features)
