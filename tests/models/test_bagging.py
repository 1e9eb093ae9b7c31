"""Bagging by uniqueness: scikit-learn's own checks, what each learner is fitted on, and metadata routing."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn import config_context
from sklearn.base import clone
from sklearn.linear_model import LinearRegression, LogisticRegression, RidgeClassifier
from sklearn.model_selection import GridSearchCV, KFold, cross_validate
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.tree import DecisionTreeClassifier
from sklearn.utils.estimator_checks import parametrize_with_checks

from models.bagging import UniquenessBaggingClassifier, UniquenessBaggingRegressor
from models.errors import ModelError
from models.weights import average_uniqueness, sequential_bootstrap_times

RANDOM_ROWS = "a row of weight two and two equal rows are drawn by different random numbers, so the samples differ"
EXPECTED = {
    "check_sample_weight_equivalence_on_dense_data": RANDOM_ROWS,
}


@parametrize_with_checks(
    [
        UniquenessBaggingClassifier(random_state=0),
        UniquenessBaggingRegressor(random_state=0),
        UniquenessBaggingClassifier(LogisticRegression(), sampling="uniform", n_estimators=3),
    ],
    expected_failed_checks=lambda estimator: EXPECTED,
)
def test_scikit_learn_s_checks(estimator, check):
    check(estimator)


def made(count=300, held=15, seed=0):
    random = np.random.default_rng(seed)
    X = random.normal(size=(count, 4))
    t0 = np.sort(random.integers(0, count, count))
    return X, (X[:, 0] + random.normal(0, 0.5, count) > 0).astype(int), t0, t0 + random.integers(1, held, count)


class Recorder(DecisionTreeClassifier):
    """A tree that remembers what it was fitted on."""

    def fit(self, X, y, sample_weight=None):
        self.seen_ = X.copy(), np.asarray(y).copy(), None if sample_weight is None else sample_weight.copy()
        return super().fit(X, y, sample_weight)


def test_every_learner_is_fitted_on_its_own_sequential_bootstrap():
    X, y, t0, t1 = made()
    weight = np.random.default_rng(1).uniform(0.5, 2, len(X))
    bagging = UniquenessBaggingClassifier(Recorder(), n_estimators=4, random_state=3)
    bagging.fit(X, y, sample_weight=weight, t0=t0, t1=t1)
    random, size = np.random.RandomState(3), round(average_uniqueness(t0, t1).sum())
    for learner, index in zip(bagging.estimators_, bagging.estimators_samples_, strict=True):
        assert index.tolist() == sequential_bootstrap_times(t0, t1, random.random_sample(size)).tolist()
        seen_X, seen_y, seen_weight = learner.seen_
        assert (seen_X == X[index]).all()
        assert (seen_y == y[index]).all()
        assert (seen_weight == weight[index]).all()
    assert len({tuple(index) for index in bagging.estimators_samples_}) == 4
    assert len({learner.random_state for learner in bagging.estimators_}) == 4
    assert bagging.uniqueness_.tolist() == average_uniqueness(t0, t1).tolist()


@pytest.mark.parametrize(("max_samples", "size"), [(0.5, 150), (1.0, 300), (40, 40), (1, 1), (1_000, 1_000)])
def test_the_size_of_a_sample(max_samples, size):
    X, y, t0, t1 = made()
    bagging = UniquenessBaggingClassifier(sampling="uniform", max_samples=max_samples, n_estimators=2, random_state=0)
    samples = bagging.fit(X, y, t0=t0, t1=t1).estimators_samples_
    assert [len(index) for index in samples] == [size, size]
    assert all(index.min() >= 0 and index.max() < len(X) for index in samples)


def test_uniform_draws_are_uniform():
    X, y, t0, t1 = made(count=20)
    bagging = UniquenessBaggingClassifier(sampling="uniform", max_samples=100_000, n_estimators=1, random_state=0)
    counts = np.bincount(bagging.fit(X, y, t0=t0, t1=t1).estimators_samples_[0], minlength=20)
    assert abs(counts - 5_000).max() < 350  # five standard deviations


def test_probabilities_are_the_mean_of_the_learners_aligned_by_class():
    X, _, t0, t1 = made()
    y = np.array(["a", "b", "c"])[np.random.default_rng(0).choice(3, len(X), p=[0.01, 0.09, 0.9])]
    y[:3] = ["a", "b", "c"]
    bagging = UniquenessBaggingClassifier(n_estimators=8, max_samples=30, random_state=0).fit(X, y, t0=t0, t1=t1)
    assert any(len(learner.classes_) < 3 for learner in bagging.estimators_)
    expected = np.zeros((len(X), 3))
    for learner in bagging.estimators_:
        for column, code in enumerate(learner.classes_):
            expected[:, code] += learner.predict_proba(X)[:, column] / 8
    assert bagging.predict_proba(X) == pytest.approx(expected)
    assert bagging.predict(X).tolist() == np.array(["a", "b", "c"])[expected.argmax(axis=1)].tolist()


def test_learners_without_probabilities_vote():
    X, y, t0, t1 = made()
    bagging = UniquenessBaggingClassifier(RidgeClassifier(), n_estimators=5, random_state=0).fit(X, y, t0=t0, t1=t1)
    votes = np.mean([learner.predict(X) for learner in bagging.estimators_], axis=0)
    assert bagging.predict_proba(X)[:, 1] == pytest.approx(votes)


def test_a_regressor_predicts_the_mean():
    X, _, t0, t1 = made()
    bagging = UniquenessBaggingRegressor(LinearRegression(), random_state=0).fit(X, X[:, 0], t0=t0, t1=t1)
    assert bagging.predict(X) == pytest.approx(np.mean([one.predict(X) for one in bagging.estimators_], axis=0))
    assert bagging.predict(X) == pytest.approx(X[:, 0])


def test_the_same_seed_gives_the_same_learners_on_any_number_of_processes():
    X, y, t0, t1 = made()
    one, two = (
        UniquenessBaggingClassifier(random_state=5, n_jobs=jobs).fit(X, y, t0=t0, t1=t1).predict_proba(X)
        for jobs in (None, 2)
    )
    assert one.tobytes() == two.tobytes()
    other = UniquenessBaggingClassifier(random_state=6).fit(X, y, t0=t0, t1=t1).predict_proba(X)
    assert one.tobytes() != other.tobytes()


def test_seeds_reach_into_pipelines():
    X, y, t0, t1 = made()
    learner = make_pipeline(StandardScaler(), DecisionTreeClassifier())
    bagging = UniquenessBaggingClassifier(learner, n_estimators=2, random_state=0).fit(X, y, t0=t0, t1=t1)
    seeds = [fitted.named_steps["decisiontreeclassifier"].random_state for fitted in bagging.estimators_]
    assert None not in seeds
    assert seeds[0] != seeds[1]


def test_times_may_be_datetimes():
    X, y, t0, t1 = made()
    bagging = UniquenessBaggingClassifier(random_state=0)
    plain = clone(bagging).fit(X, y, t0=t0 * 10**9, t1=t1 * 10**9).predict_proba(X)
    dates = clone(bagging).fit(X, y, t0=t0.astype("datetime64[s]"), t1=t1.astype("datetime64[s]")).predict_proba(X)
    assert plain.tobytes() == dates.tobytes()


class Intervals(UniquenessBaggingClassifier):
    """Remembers the uniqueness it should have had."""

    def fit(self, X, y, sample_weight=None, t0=None, t1=None):
        self.expected_ = average_uniqueness(t0, t1)
        return super().fit(X, y, sample_weight, t0, t1)


@pytest.mark.parametrize("routing", [False, True])
def test_cross_validation_hands_each_fold_its_intervals(routing):
    X, y, t0, t1 = made()
    with config_context(enable_metadata_routing=routing):
        bagging = UniquenessBaggingClassifier(n_estimators=2, random_state=0)
        if routing:
            bagging.set_fit_request(t0=True, t1=True)
        done = cross_validate(bagging, X, y, cv=KFold(3), params={"t0": t0, "t1": t1}, return_estimator=True)
    for fitted, (train, _) in zip(done["estimator"], KFold(3).split(X), strict=True):
        assert fitted.uniqueness_.tolist() == average_uniqueness(t0[train], t1[train]).tolist()


def test_a_grid_search_reaches_the_learner_inside():
    X, y, t0, t1 = made()
    search = GridSearchCV(
        UniquenessBaggingClassifier(DecisionTreeClassifier(), n_estimators=3, random_state=0),
        {"estimator__max_depth": [1, 3], "sampling": ["sequential", "uniform"]},
        cv=KFold(2),
    )
    assert search.fit(X, y, t0=t0, t1=t1).best_score_ > 0.6


def test_missing_values_are_allowed_where_the_learner_allows_them():
    X, y, t0, t1 = made()
    X[0, 0] = np.nan
    UniquenessBaggingClassifier(random_state=0).fit(X, y, t0=t0, t1=t1).predict(X)
    with pytest.raises(ValueError, match="NaN"):
        UniquenessBaggingClassifier(LogisticRegression()).fit(X, y, t0=t0, t1=t1)


@pytest.mark.parametrize(
    ("parameters", "fit", "named"),
    [
        ({"sampling": "random"}, {}, "sampling is 'random'"),
        ({"max_samples": 1.5}, {}, "max_samples is 1.5"),
        ({"max_samples": 0}, {}, "max_samples is 0"),
        ({"n_estimators": 0}, {}, "n_estimators is 0"),
        ({}, {"t0": np.arange(300)}, "belong together"),
        ({}, {"t0": np.arange(3), "t1": np.arange(3)}, "X has 300 rows"),
        ({}, {"t0": np.zeros(300), "t1": np.ones(300)}, "float64"),
        ({}, {"t0": np.arange(300), "t1": np.arange(300)}, "must end after its start"),
        ({"estimator": KNeighborsClassifier()}, {"sample_weight": np.ones(300)}, "does not take it"),
    ],
)
def test_what_does_not_fit_is_refused(parameters, fit, named):
    X, y, _, _ = made()
    with pytest.raises(ModelError, match=named):
        UniquenessBaggingClassifier(**parameters).fit(X, y, **fit)
