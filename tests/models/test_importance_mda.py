"""Permutation and single-feature importance: known features, substitution, purging, weights, seeds, brute force."""

from __future__ import annotations

from itertools import permutations

import numpy as np
import pytest
from sklearn.dummy import DummyClassifier
from sklearn.ensemble import RandomForestClassifier
from sklearn.inspection import permutation_importance
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import KFold, cross_val_score
from sklearn.naive_bayes import GaussianNB
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import LinearSVC
from sklearn.tree import DecisionTreeClassifier
from threadpoolctl import threadpool_limits

from models.errors import ModelError
from models.importance.folds import ScoredFold
from models.importance.groups import by_hand, each_alone
from models.importance.mda import mda, permutation
from models.importance.planted import planted_features
from models.importance.score import relative_loss, weighted_score
from models.importance.sfi import sfi

FOREST = RandomForestClassifier(40, max_depth=5, max_features=1, random_state=1)
STUMP = DecisionTreeClassifier(max_leaf_nodes=6, min_samples_leaf=20, random_state=1)


@pytest.fixture(autouse=True)
def one_thread():
    with threadpool_limits(1):
        yield


def purged_splits(t1, folds, embargo=0):
    """Contiguous folds without the training rows whose label from i to t1 touches a test label, or that follow soon."""
    rows = np.arange(len(t1))
    splits = []
    for test in np.array_split(rows, folds):
        before, after = t1 < test[0], rows > t1[test].max() + embargo
        splits.append((rows[before | after], test))
    return splits


@pytest.mark.parametrize("score", ["log_loss", "accuracy"])
def test_informative_features_lead_and_noise_is_last_by_permutation(score):
    problem = planted_features(seed=1, redundant=0, strength=3.0)
    for estimator in (LogisticRegression(), FOREST):
        found = mda(estimator, problem.features, problem.label, KFold(5), names=problem.names, score=score, seed=3)
        assert found.mean[problem.columns("I")].min() > found.mean[problem.columns("N")].max() + 0.01
        assert (found.interval()[0][problem.columns("I")] > 0).all()


@pytest.mark.parametrize("score", ["log_loss", "accuracy"])
def test_informative_and_redundant_features_lead_alone(score):
    problem = planted_features(seed=2, strength=3.0, rows=1500)
    found = sfi(STUMP, problem.features, problem.label, KFold(5), names=problem.names, score=score)
    useful = np.concatenate([problem.columns("I"), problem.columns("R")])
    assert found.mean[useful].min() > found.mean[problem.columns("N")].max() + 0.01
    assert found.mean[problem.columns("N")].max() < 0.02


def test_the_interval_of_noise_holds_zero_about_as_often_as_it_says():
    inside = []
    for seed in range(20):
        problem = planted_features(seed, rows=400, redundant=0)
        found = mda(LogisticRegression(), problem.features, problem.label, KFold(5), repeats=2, seed=seed)
        low, high = found.interval(0.95)
        noise = problem.columns("N")
        inside += ((low[noise] <= 0) & (high[noise] >= 0)).tolist()
        informative = problem.columns("I")
        assert ((low[informative] > 0) | (high[informative] < 0)).mean() >= 0.5
    assert 0.85 <= np.mean(inside) < 1.0


def test_copies_hide_a_feature_and_its_cluster_brings_it_back():
    problem = planted_features(seed=4, informative=2, redundant=0, noise=3)
    copies = np.repeat(problem.features[:, :1], 2, axis=1)
    X = np.column_stack([problem.features, copies])
    names = [*problem.names, "copy", "other copy"]
    options = {"names": names, "seed": 1}
    alone = mda(LogisticRegression(), problem.features, problem.label, KFold(5), seed=1).mean[0]
    plain = mda(LogisticRegression(), X, problem.label, KFold(5), **options)
    clusters = by_hand(names, {"cause": ["I_0", "copy", "other copy"]})
    together = mda(LogisticRegression(), X, problem.label, KFold(5), clusters=clusters, **options)
    hidden = plain.mean[[0, 5, 6]]
    assert (hidden < 0.15 * alone).all()
    assert together.names[0] == "cause"
    assert together.mean[0] == pytest.approx(alone, rel=0.15)
    assert together.interval()[0][0] > 0


def test_overlapping_labels_make_noise_look_useful_unless_purged():
    """A slow random walk is unrelated to the labels, but tells neighbours, whose labels overlap, from all others."""
    random = np.random.default_rng(5)
    rows, horizon = 900, 30
    moves = random.standard_normal(rows + horizon)
    label = (np.convolve(moves, np.ones(horizon), "valid")[1:] > 0).astype(int)
    X = np.column_stack([np.cumsum(random.standard_normal(rows)), random.standard_normal(rows)])
    forest = RandomForestClassifier(40, min_samples_leaf=5, max_features=1, random_state=1)
    splits = purged_splits(np.arange(rows) + horizon, 6)
    leaky = mda(forest, X, label, KFold(6, shuffle=True, random_state=1), names=["walk", "noise"], repeats=2)
    honest = mda(forest, X, label, splits, names=["walk", "noise"], repeats=2)
    assert leaky.interval()[0][0] > 0.1
    assert honest.interval()[0][0] < 0
    assert honest.mean[0] < leaky.mean[0] / 3


def test_weights_count_in_the_fit_and_in_the_score():
    """Half of the labels are reversed without weight: whoever counts them anywhere finds nothing."""
    problem = planted_features(seed=6, rows=800, informative=1, redundant=0, noise=1, strength=3.0)
    wrong = np.random.default_rng(6).random(800) < 0.5
    label = np.where(wrong, 1 - problem.label, problem.label)
    weight = np.where(wrong, 0.0, 1.0)
    for method in (mda, sfi):
        clean = method(LogisticRegression(), problem.features, problem.label, KFold(4)).mean[0]
        weighed = method(LogisticRegression(), problem.features, label, KFold(4), sample_weight=weight).mean[0]
        blind = method(LogisticRegression(), problem.features, label, KFold(4)).mean[0]
        assert weighed == pytest.approx(clean, rel=0.25)
        assert abs(blind) < 0.05 * clean


def test_rows_without_weight_might_as_well_not_be_there():
    problem = planted_features(seed=7, rows=300)
    weight = np.random.default_rng(7).integers(0, 3, 300).astype(float)
    kept = np.flatnonzero(weight > 0)
    splits = list(KFold(3).split(problem.features))
    inner = [tuple(np.flatnonzero(np.isin(kept, part)) for part in split) for split in splits]
    everything = sfi(LogisticRegression(tol=1e-8), problem.features, problem.label, splits, sample_weight=weight)
    without = sfi(
        LogisticRegression(tol=1e-8), problem.features[kept], problem.label[kept], inner, sample_weight=weight[kept]
    )
    np.testing.assert_allclose(everything.values, without.values, atol=1e-6)
    equal = sfi(LogisticRegression(tol=1e-8), problem.features[kept], problem.label[kept], inner)
    assert np.abs(equal.values - without.values).max() > 1e-3


def test_a_pipeline_hands_weights_to_its_last_step():
    problem = planted_features(seed=8, rows=300)
    weight = np.random.default_rng(8).uniform(0.1, 2.0, 300)
    scaled = make_pipeline(StandardScaler(), GaussianNB())
    found = sfi(scaled, problem.features, problem.label, KFold(3), sample_weight=weight)
    plain = sfi(GaussianNB(), problem.features, problem.label, KFold(3), sample_weight=weight)
    np.testing.assert_allclose(found.values, plain.values, atol=1e-6)


def test_single_features_score_as_scikit_learn_scores_them():
    problem = planted_features(seed=9, rows=300)
    for score, name in (("log_loss", "neg_log_loss"), ("accuracy", "accuracy")):
        found = sfi(LogisticRegression(), problem.features, problem.label, KFold(4), score=score)
        base = cross_val_score(
            DummyClassifier(strategy="prior"), problem.features, problem.label, cv=KFold(4), scoring=name
        )
        for column in range(problem.features.shape[1]):
            alone = problem.features[:, [column]]
            expected = cross_val_score(LogisticRegression(), alone, problem.label, cv=KFold(4), scoring=name)
            np.testing.assert_allclose(found.values[:, column], expected - base, atol=1e-12)


def test_a_cluster_alone_is_fitted_on_all_its_columns():
    problem = planted_features(seed=10, redundant=0, noise=1)
    clusters = by_hand(problem.names, {"all": problem.names})
    found = sfi(LogisticRegression(), problem.features, problem.label, KFold(4), names=problem.names, clusters=clusters)
    singles = sfi(LogisticRegression(), problem.features, problem.label, KFold(4), names=problem.names)
    assert found.names == ("all",)
    assert found.mean[0] > 2 * singles.mean.max()


def test_permuting_agrees_with_every_permutation_there_is():
    """Five test rows have 120 permutations: the mean over many draws approaches the mean over all."""
    random = np.random.default_rng(11)
    X, label, weight = random.standard_normal((5, 2)), np.array([0, 1, 1, 0, 1]), random.uniform(0.5, 2.0, 5)

    def predict(rows):
        chance = 1 / (1 + np.exp(-(2 * rows[:, 0] - rows[:, 1])))
        return np.column_stack([1 - chance, chance])

    fold = ScoredFold(X, predict, label, weight, np.zeros(5, np.int64), np.array([0.4, 0.6]))
    before = weighted_score("log_loss", label, predict(X), weight)
    losses = []
    for order in permutations(range(5)):
        rows = X.copy()
        rows[:, 0] = X[list(order), 0]
        losses.append(before - weighted_score("log_loss", label, predict(rows), weight))
    found = permutation([fold], each_alone(["a", "b"]), repeats=3000, seed=2)
    assert found.values[0, 0] == pytest.approx(np.mean(losses), abs=5 * np.std(losses) / np.sqrt(3000))
    assert np.std(losses) > 0.1


def test_permuting_agrees_with_scikit_learn():
    problem = planted_features(seed=12, rows=400)
    split = [(np.arange(200), np.arange(200, 400))]
    model = LogisticRegression().fit(problem.features[:200], problem.label[:200])
    theirs = permutation_importance(
        model, problem.features[200:], problem.label[200:], scoring="neg_log_loss", n_repeats=60, random_state=1
    )
    ours = mda(LogisticRegression(), problem.features, problem.label, split, repeats=60, seed=1)
    error = theirs.importances.std(axis=1) * np.sqrt(2 / 60)
    assert (np.abs(ours.values[0] - theirs.importances_mean) < 5 * error + 1e-12).all()
    assert theirs.importances_mean.max() > 10 * error.max()


def test_the_same_seed_gives_the_same_bytes_and_another_does_not():
    problem = planted_features(seed=13, rows=200)
    first, second, other = (
        mda(FOREST.set_params(n_estimators=5), problem.features, problem.label, KFold(3), seed=seed, repeats=2)
        for seed in (1, 1, 2)
    )
    assert first.values.tobytes() == second.values.tobytes()
    assert first.values.tobytes() != other.values.tobytes()


def test_rows_stay_in_their_block():
    """Where a feature only names the block, shuffling within blocks changes nothing and shuffling all destroys."""
    random = np.random.default_rng(14)
    block = random.integers(0, 4, 400)
    label = (random.random(400) < np.array([0.1, 0.3, 0.7, 0.9])[block]).astype(int)
    X = np.column_stack([block, random.standard_normal(400)])
    everywhere = mda(LogisticRegression(), X, label, KFold(4))
    inside = mda(LogisticRegression(), X, label, KFold(4), blocks=block)
    assert everywhere.mean[0] > 0.1
    assert np.abs(inside.values[:, 0]).max() == 0.0
    assert np.abs(inside.values[:, 1]).max() > 0.0


def test_relative_losses_are_the_books():
    problem = planted_features(seed=15, rows=300)
    splits = list(KFold(2).split(problem.features))
    options = {"repeats": 1, "seed": 3}
    plain = mda(LogisticRegression(), problem.features, problem.label, splits, **options)
    relative = mda(LogisticRegression(), problem.features, problem.label, splits, relative=True, **options)
    for row, (train, test) in enumerate(splits):
        model = LogisticRegression().fit(problem.features[train], problem.label[train])
        happened = model.predict_proba(problem.features[test])[np.arange(len(test)), problem.label[test]]
        before = np.log(happened).mean()
        after = before - plain.values[row]
        np.testing.assert_allclose(relative.values[row], (before - after) / -after, rtol=1e-9)


def test_of_equally_probable_classes_the_last_is_chosen():
    half = np.full((2, 2), 0.5)
    assert weighted_score("accuracy", np.array([1, 0]), half, np.array([3.0, 1.0])) == 0.75
    assert relative_loss("accuracy", 0.8, 1.0) == 0.0


def test_three_classes_of_any_kind():
    random = np.random.default_rng(16)
    X = random.standard_normal((600, 3))
    label = np.array(["down", "flat", "up"])[np.digitize(X[:, 0], [-0.5, 0.5])]
    for score in ("log_loss", "accuracy"):
        assert mda(LogisticRegression(), X, label, KFold(4), score=score).sorted().names[0] == "x_0"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"sample_weight": np.ones(100), "estimator": KNeighborsClassifier()}, "KNeighborsClassifier.fit takes no"),
        ({"estimator": LinearSVC()}, "LinearSVC gives no probabilities"),
        ({"repeats": 0}, "repeats is 0"),
        ({"names": ["a"]}, "1 names"),
        ({"sample_weight": np.ones(99)}, "weights have shape"),
        ({"sample_weight": -np.ones(100)}, "non-negative"),
        ({"splitter": [(np.arange(50), np.arange(0))]}, "trains on 50 rows and tests 0"),
        ({"splitter": []}, "no splits"),
        ({"score": "profit"}, "no score 'profit'"),
        ({"y": np.r_[np.zeros(40), np.ones(35), np.full(25, 2)]}, "tests label 2.0, which none"),
        ({"sample_weight": np.r_[np.ones(75), np.zeros(25)]}, "no weight"),
    ],
)
def test_what_cannot_be_judged_is_refused(options, message):
    problem = planted_features(seed=17, rows=100)
    given = {"estimator": LogisticRegression(), "X": problem.features, "y": problem.label, "splitter": KFold(4)}
    with pytest.raises(ModelError, match=message):
        mda(**{**given, **options})
