"""Impurity importance: the book's snippets word for word as twins, boosters, clusters, and the bias it has."""

from __future__ import annotations

import lightgbm
import numpy as np
import pandas as pd
import pytest
import xgboost
from sklearn.ensemble import BaggingClassifier, RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import KFold
from sklearn.tree import DecisionTreeClassifier

from models.errors import ModelError
from models.importance.boosters import gain_shares
from models.importance.groups import by_hand
from models.importance.mdi import fits_mdi, forest_mdi, mdi, tree_shares
from models.importance.planted import planted_features

FOREST = RandomForestClassifier(30, max_depth=4, max_features=1, random_state=2)
LIGHT = lightgbm.LGBMClassifier(n_estimators=30, num_leaves=8, n_jobs=1, verbosity=-1, random_state=1)
XG = xgboost.XGBClassifier(n_estimators=30, max_depth=3, n_jobs=1, random_state=1)


def snippet_8_2(forest, names):
    """López de Prado 2018, snippet 8.2."""
    frame = pd.DataFrame.from_dict(
        {i: tree.feature_importances_ for i, tree in enumerate(forest.estimators_)}, orient="index"
    )
    frame.columns = names
    frame = frame.replace(0, np.nan)
    mean = frame.mean()
    return mean / mean.sum(), frame.std() / mean.sum(), frame.count()


def snippet_6_4(forest, names, clusters):
    """López de Prado 2020, snippet 6.4, the means."""
    frame = pd.DataFrame.from_dict(
        {i: tree.feature_importances_ for i, tree in enumerate(forest.estimators_)}, orient="index"
    )
    frame.columns = names
    frame = frame.replace(0, np.nan)
    mean = pd.Series({title: frame[list(members)].sum(axis=1).mean() for title, members in clusters.items()})
    return mean / mean.sum()


@pytest.mark.parametrize("estimator", [FOREST, LIGHT, XG])
def test_informative_features_gain_more_than_noise(estimator):
    problem = planted_features(seed=1, redundant=0, strength=3.0)
    splitter = KFold(3)
    found = mdi(estimator, problem.features, problem.label, splitter, names=problem.names)
    assert found.values.shape == (3, 8)
    np.testing.assert_allclose(found.mean.sum(), 1.0)
    assert found.interval()[0][problem.columns("I")].min() > found.mean[problem.columns("N")].max()


def test_trees_are_averaged_as_in_the_book():
    problem = planted_features(seed=2, rows=200)
    forest = FOREST.fit(problem.features, problem.label)
    found = forest_mdi(forest, problem.names)
    mean, deviation, count = snippet_8_2(forest, problem.names)
    assert count.min() < 30
    np.testing.assert_allclose(found.mean, mean, rtol=1e-12)
    np.testing.assert_allclose(found.error, deviation / np.sqrt(count), rtol=1e-12)
    assert found.count.tolist() == count.tolist()


def test_clusters_are_summed_as_in_the_book():
    problem = planted_features(seed=3, rows=200)
    forest = FOREST.fit(problem.features, problem.label)
    clusters = {"useful": problem.names[:6], "noise": problem.names[6:]}
    found = forest_mdi(forest, problem.names, by_hand(problem.names, clusters))
    np.testing.assert_allclose(found.mean, snippet_6_4(forest, problem.names, clusters), rtol=1e-12)
    assert found.names == ("useful", "noise")


def test_copies_divide_a_features_share_and_its_cluster_has_all_of_it():
    problem = planted_features(seed=4, informative=2, redundant=0, noise=2)
    X = np.column_stack([problem.features, problem.features[:, 0], problem.features[:, 0]])
    names = [*problem.names, "copy", "other copy"]
    plain = mdi(FOREST, X, problem.label, names=names)
    together = mdi(
        FOREST, X, problem.label, names=names, clusters=by_hand(names, {"cause": ["I_0", "copy", "other copy"]})
    )
    assert plain.mean[[0, 4, 5]].max() < plain.mean[1]
    assert together.names[0] == "cause"
    assert together.mean[0] > 1.5 * together.mean[together.names.index("I_1")]


def test_a_zero_is_missing_only_where_each_split_sees_one_feature():
    problem = planted_features(seed=5, rows=150, noise=12)
    one = tree_shares(FOREST.fit(problem.features, problem.label), 18)
    all_seen = RandomForestClassifier(30, max_depth=2, max_features=None, random_state=2)
    every = tree_shares(all_seen.fit(problem.features, problem.label), 18)
    assert np.isnan(one).any()
    assert not (one == 0).any()
    assert (every == 0).any()
    assert not np.isnan(every).any()


def test_bagged_trees_that_saw_some_columns_are_put_back_in_place():
    problem = planted_features(seed=6, redundant=0, strength=3.0)
    bag = BaggingClassifier(DecisionTreeClassifier(max_depth=3), 40, max_features=0.5, random_state=1)
    noise_first = np.ascontiguousarray(problem.features[:, ::-1])
    found = mdi(bag, noise_first, problem.label, names=problem.names[::-1])
    assert found.mean[problem.columns("I") + 4].min() > found.mean[problem.columns("N") - 4].max()


def test_noise_has_a_share_in_sample_even_where_nothing_can_be_learned():
    """Why impurity is not enough: labels of a coin, and every feature still seems to matter."""
    random = np.random.default_rng(7)
    found = mdi(FOREST, random.standard_normal((300, 4)), random.integers(0, 2, 300))
    assert (found.interval(0.99)[0] > 0.05).all()


@pytest.mark.parametrize("estimator", [LIGHT, XG])
def test_a_boosters_gains_are_found_wherever_it_is_wrapped(estimator):
    problem = planted_features(seed=8, strength=3.0)
    model = estimator.fit(problem.features, problem.label)
    native = model.booster_ if estimator is LIGHT else model.get_booster()
    shares = gain_shares(native, 10)
    assert shares.sum() == pytest.approx(1.0)
    assert shares[:6].sum() > 0.8
    np.testing.assert_array_equal(gain_shares(model, 10), shares)
    np.testing.assert_allclose(fits_mdi([model, native], problem.names).values, [shares, shares])


def test_xgboost_knows_columns_by_its_own_names():
    problem = planted_features(seed=9, rows=300, informative=1, redundant=0, noise=12)
    data = xgboost.DMatrix(problem.features, problem.label, feature_names=list(problem.names))
    booster = xgboost.train({"max_depth": 2, "nthread": 1}, data, 5)
    plain = xgboost.train({"max_depth": 2, "nthread": 1}, xgboost.DMatrix(problem.features, problem.label), 5)
    np.testing.assert_array_equal(gain_shares(booster, 13), gain_shares(plain, 13))
    assert gain_shares(booster, 13).argmax() == 0


def test_weights_count():
    problem = planted_features(seed=10, informative=1, redundant=0, noise=1, strength=3.0)
    wrong = np.random.default_rng(10).random(1000) < 0.5
    label = np.where(wrong, 1 - problem.label, problem.label)
    weighed = mdi(FOREST, problem.features, label, sample_weight=np.where(wrong, 1e-9, 1.0))
    blind = mdi(FOREST, problem.features, label)
    assert weighed.mean[0] > 0.8 > 0.65 > blind.mean[0]


def test_the_same_seed_gives_the_same_bytes():
    problem = planted_features(seed=11, rows=150)
    first, second = (mdi(FOREST, problem.features, problem.label).values.tobytes() for _ in range(2))
    other = mdi(FOREST.set_params(random_state=3), problem.features, problem.label).values.tobytes()
    assert first == second != other


def test_what_has_no_impurity_is_refused():
    problem = planted_features(seed=12, rows=100)
    with pytest.raises(ModelError, match="LogisticRegression holds no fitted trees"):
        mdi(LogisticRegression(), problem.features, problem.label)
    with pytest.raises(ModelError, match="nothing to share out"):
        mdi(FOREST, np.zeros((100, 3)), problem.label)
