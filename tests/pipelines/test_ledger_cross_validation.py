"""Real cross-validations leave every configuration in the ledger, whoever asks for the fits."""

import signal
import subprocess
import sys
from functools import partial

import numpy as np
import pytest
from sklearn.dummy import DummyClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, RandomizedSearchCV, cross_validate
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler
from sklearn.tree import DecisionTreeClassifier
from sqlalchemy import URL

from market.bars import empty_bars
from market.time import DAY, HOUR
from models.dataset import Series, build_panel
from models.errors import ModelError
from models.importance.mda import mda
from models.labels import LabelConfig
from models.splitters.kfold import PurgedKFold
from models.splitters.scoring import cross_val_predict, cross_val_score
from pipelines.ledger.cross_validation import cross_validation, panel_stretches
from pipelines.ledger.describe import described, fingerprint
from pipelines.ledger.errors import LedgerError
from pipelines.ledger.guard import summarise
from pipelines.ledger.trial import Stretch
from pipelines.stages.judgement import deflated
from tests.pipelines.ledger_factory import SPAN, daily, finished, local_ledger

T0 = np.arange(120)
RANDOM = np.random.default_rng(5)
X = RANDOM.normal(size=(120, 2))
Y = (X[:, 0] + RANDOM.normal(size=120) > 0).astype(int)
SPLITTER = PurgedKFold(3, T0, T0 + 2)
GRID = {"estimator__max_depth": [1, 2, 3], "estimator__min_samples_leaf": [1, 5]}
KILLED = """
import os, signal, sys
import numpy as np
from sklearn.dummy import DummyClassifier
from sklearn.model_selection import cross_validate
from models.splitters.kfold import PurgedKFold
from pipelines.ledger.cross_validation import cross_validation
from pipelines.ledger.location import parse_url
from pipelines.ledger.store import Ledger
from tests.pipelines.ledger_factory import SPAN

class Deadly(DummyClassifier):
    def fit(self, X, y, sample_weight=None):
        os.kill(os.getpid(), signal.SIGKILL)

t0 = np.arange(40)
X, y, splitter = t0[:, None] * 1.0, t0 % 2, PurgedKFold(4, t0, t0 + 1)
with cross_validation(Ledger(parse_url(sys.argv[1])), "killed", [SPAN], X, y, splitter) as recorded:
    cross_validate(recorded(Deadly()), X, y, cv=splitter)
"""


@pytest.fixture
def ledger(tmp_path):
    return local_ledger(tmp_path)


def block(ledger, X=X, y=Y, splitter=SPLITTER, **details):
    return cross_validation(ledger, "trees", [SPAN], X, y, splitter, code="k", **details)


def tree(depth=2, **parameters):
    return DecisionTreeClassifier(max_depth=depth, random_state=0, **parameters)


def statuses(ledger):
    return [one.status for one in ledger.entries()]


def test_cross_validate_records_one_trial_a_configuration_and_scores_as_without(ledger):
    with block(ledger) as recorded:
        found = [
            cross_validate(recorded(tree(depth)), X, Y, cv=SPLITTER, scoring="neg_log_loss") for depth in (1, 2, 3)
        ]
    plain = [cross_validate(tree(depth), X, Y, cv=SPLITTER, scoring="neg_log_loss") for depth in (1, 2, 3)]
    np.testing.assert_array_equal([one["test_score"] for one in found], [one["test_score"] for one in plain])
    entries = ledger.entries()
    assert [one.trial.parameters["max_depth"] for one in entries] == ["1", "2", "3"]
    assert {(one.status, one.trial.kind, one.trial.name) for one in entries} == {
        ("finished", "cross-validation", "trees")
    }
    assert len({one.trial.identity for one in entries}) == 3
    assert len(ledger.rows()) == 6
    assert ledger.verify().intact


@pytest.mark.parametrize("jobs", [1, 2])
def test_a_grid_search_records_each_candidate_once_and_finds_the_same(ledger, jobs):
    with block(ledger) as recorded:
        search = GridSearchCV(recorded(tree()), GRID, cv=SPLITTER, scoring="neg_log_loss", n_jobs=jobs).fit(X, Y)
    assert statuses(ledger) == ["finished"] * 6
    plain = GridSearchCV(
        tree(), {name.removeprefix("estimator__"): values for name, values in GRID.items()}, cv=SPLITTER,
        scoring="neg_log_loss",
    ).fit(X, Y)  # fmt: skip
    np.testing.assert_array_equal(search.cv_results_["mean_test_score"], plain.cv_results_["mean_test_score"])
    np.testing.assert_array_equal(search.predict_proba(X), plain.predict_proba(X))
    assert summarise(ledger, ledger.entries()[0].trial.id).distinct == 6


def test_a_random_search_and_our_own_cross_validation_are_recorded(ledger):
    weight = np.linspace(0.5, 1.5, len(Y))
    with block(ledger) as recorded:
        RandomizedSearchCV(recorded(tree()), GRID, n_iter=4, cv=SPLITTER, random_state=1).fit(X, Y)
        assert len(ledger.entries()) == 4
        found = cross_val_score(recorded(LogisticRegression()), X, Y, SPLITTER, weight)
        cross_val_predict(recorded(DummyClassifier()), X, Y, SPLITTER, weight)
        mda(recorded(tree(9)), X, Y, SPLITTER, sample_weight=weight, repeats=1, seed=0)
    np.testing.assert_array_equal(found, cross_val_score(LogisticRegression(), X, Y, SPLITTER, weight))
    names = [one.trial.parameters["estimator"] for one in ledger.entries()][4:]
    assert names == ["LogisticRegression", "DummyClassifier", "DecisionTreeClassifier"]


def test_a_trial_is_begun_before_its_first_fit_and_ended_with_the_block(ledger):
    seen = []

    class Looking(DummyClassifier):
        def fit(self, X, y, sample_weight=None):
            seen.append(statuses(ledger))
            return super().fit(X, y)

    with block(ledger) as recorded:
        cross_validate(recorded(Looking()), X, Y, cv=SPLITTER)
        assert statuses(ledger) == ["begun"]
    assert seen == [["begun"]] * 3
    assert statuses(ledger) == ["finished"]


def test_a_killed_one_stays_begun_and_counts(tmp_path, ledger):
    url = URL.create("sqlite", database=str(tmp_path / "trials.db")).render_as_string()
    done = subprocess.run([sys.executable, "-c", KILLED, url], capture_output=True, check=False)
    assert done.returncode == -signal.SIGKILL, done.stderr
    (entry,) = ledger.entries()
    assert (entry.status, entry.trial.kind) == ("begun", "cross-validation")
    assert summarise(ledger, entry.trial.id).unfinished == 1


def test_an_error_fails_what_had_begun(ledger):
    def broken():
        with block(ledger) as recorded:
            recorded(tree()).fit(X, Y)
            raise ArithmeticError("singular")

    with pytest.raises(ArithmeticError):
        broken()
    (entry,) = ledger.entries()
    assert (entry.status, entry.outcome.note) == ("failed", "the block ended with ArithmeticError: singular")


def test_the_same_configuration_again_is_the_same_trial_and_other_samples_or_splits_are_not(ledger):
    for samples, splitter in ((X, SPLITTER), (X.copy(), PurgedKFold(3, T0, T0 + 2)), (X + 1, SPLITTER)):
        with block(ledger, samples, splitter=splitter) as recorded:
            cross_validate(recorded(tree()), samples, Y, cv=splitter)
    with block(ledger, y=1 - Y) as recorded:
        cross_validate(recorded(tree()), X, 1 - Y, cv=SPLITTER)
    other = PurgedKFold(4, T0, T0 + 2)
    with block(ledger, splitter=other) as recorded:
        cross_validate(recorded(tree()), X, Y, cv=other)
    found = summarise(ledger, ledger.entries()[0].trial.id)
    assert (found.records, found.distinct) == (5, 4)


def test_the_deflated_sharpe_ratio_counts_them(ledger):
    returns = np.random.default_rng(3).normal(0.002, 0.01, 60)
    mine = finished(ledger, "mine", daily(returns))
    before = deflated(returns, summarise(ledger, mine.id))
    with block(ledger) as recorded:
        GridSearchCV(recorded(tree()), GRID, cv=SPLITTER).fit(X, Y)
    trials = summarise(ledger, mine.id)
    after = deflated(returns, trials)
    assert (trials.distinct, trials.effective) == (7, 7.0)
    assert before.luck == 0 < after.luck
    assert after.deflated < before.deflated


def test_other_samples_and_an_ended_block_are_refused(ledger):
    with block(ledger) as recorded:
        with pytest.raises(LedgerError, match=r"samples of 2 columns .* was given 1"):
            recorded(tree()).fit(X[:, :1], Y)
        model = recorded(tree())
    with pytest.raises(LedgerError, match="block of cross-validation 'trees' has ended"):
        model.fit(X, Y)
    assert ledger.entries() == []


def test_nothing_is_fitted_that_cannot_be_recorded(tmp_path):
    (tmp_path / "file").write_text("")
    fitted = []

    class Looking(DummyClassifier):
        def fit(self, X, y, sample_weight=None):
            fitted.append(1)
            return super().fit(X, y)

    with pytest.raises(LedgerError), block(local_ledger(tmp_path / "file")) as recorded:
        cross_validate(recorded(Looking()), X, Y, cv=SPLITTER, error_score="raise")
    assert not fitted


def test_what_differs_is_described_differently_and_what_does_not_is_not():
    def scaled(power, factor=2.0):
        return make_pipeline(FunctionTransformer(lambda x: factor * x**power), LogisticRegression())

    same = [
        lambda: tree(3),
        lambda: make_pipeline(StandardScaler(), tree(3)),
        lambda: scaled(2),
        lambda: FunctionTransformer(partial(np.power, 2)),
        lambda: np.random.RandomState(3),
        lambda: LogisticRegression(C=float("inf")),
        lambda: PurgedKFold(3, T0.copy(), T0 + 2),
        lambda: DecisionTreeClassifier(class_weight={0: 1, 1: 2}),
    ]
    other = [
        tree(4), make_pipeline(StandardScaler(), tree(4)), scaled(3), scaled(2, 3.0),
        FunctionTransformer(partial(np.power, 3)), FunctionTransformer(lambda x: x + 1),
        FunctionTransformer(lambda x: x + 2), np.random.RandomState(4), LogisticRegression(C=1.0),
        PurgedKFold(3, T0, T0 + 3), DecisionTreeClassifier(class_weight={0: 1, 1: 3}), True, 1, "1", 1.0, None,
        np.zeros(2), np.zeros(2, np.float32), np.zeros((2, 1)), [0.0], (0.0, 0.0),
    ]  # fmt: skip
    for make in same:
        assert described(make()) == described(make())
    texts = [repr(described(one)) for one in [*[make() for make in same], *other]]
    assert len(set(texts)) == len(texts)


def test_frames_are_fingerprinted_by_content():
    import pandas as pd

    frame = pd.DataFrame({"a": [1.0, 2.0], "b": ["x", "y"]})
    assert fingerprint(frame) == fingerprint(frame.copy())
    assert fingerprint(frame) != fingerprint(frame.assign(a=[1.0, 3.0]))


def test_weights_reach_the_fit_of_a_pipeline_and_are_refused_where_none_are_taken(ledger):
    weight = np.linspace(0.1, 2.0, len(Y))
    scaled = make_pipeline(StandardScaler(), LogisticRegression())
    with block(ledger) as recorded:
        found = recorded(scaled).fit(X, Y, sample_weight=weight).predict_proba(X)
        with pytest.raises(ModelError, match=r"KNeighborsClassifier\.fit takes no sample_weight"):
            recorded(KNeighborsClassifier()).fit(X, Y, sample_weight=weight)
    plain = scaled.fit(X, Y, logisticregression__sample_weight=weight).predict_proba(X)
    np.testing.assert_array_equal(found, plain)
    assert len(ledger.entries()) == 1


def test_a_panels_stretches_are_its_bars():
    bars = empty_bars(96)
    bars["start"] = HOUR * np.arange(96)
    bars["end"] = bars["start"] + HOUR
    for field in ("open", "high", "low", "close"):
        bars[field] = 100.0
    series = tuple(Series(name, bars, np.zeros((96, 1)), np.full(96, 0.01)) for name in ("AUSDT", "BUSDT"))
    found = panel_stretches(build_panel(series, ("zero",), HOUR, LabelConfig(horizon=4)), "binance")
    assert found == tuple(Stretch("binance", name, 0, 4 * DAY, "1h") for name in ("AUSDT", "BUSDT"))
