"""Every member of the registry learns, repeats itself, listens to weights, and refuses nonsense."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from functools import partial

import msgspec
import numpy as np
import pytest

from models.members import MEMBERS
from models.members.along import NOWHERE, Along
from models.members.conformance import SEED, check_member, fit, predict
from models.members.errors import MemberError
from models.members.lightgbm import LightgbmConfig, LightgbmMember
from models.members.linear import LinearConfig, LinearMember
from models.members.planted import planted, with_samples
from models.members.xgboost import XgboostConfig, XgboostMember

HEAVY = ("torch", "lightgbm", "xgboost", "sklearn", "onnx", "onnxruntime")
SHARE = {"linear": 0.55, "lightgbm": 0.75, "xgboost": 0.75, "lstm": 0.6, "tcn": 0.6}
"""Of the best possible gain; two thirds of it are linear, so no linear model can say more."""


@pytest.mark.parametrize("name", MEMBERS)
def test_its_kind_states_what_is_to_be_known(name):
    facts = MEMBERS.facts(name)
    assert 0.0 <= facts.bound <= 1e-5
    assert facts.library.split(".")[0] in HEAVY
    assert facts.axis
    assert MEMBERS[name]().name == name
    assert set(facts.thin) <= set(MEMBERS[name]().config.__struct_fields__)


@pytest.mark.parametrize("name", MEMBERS)
def test_conforms(name):
    check_member(MEMBERS[name], SHARE[name])


@pytest.mark.parametrize("name", MEMBERS)
def test_the_curves_are_told_as_they_grow_and_are_those_of_the_record(name):
    problem = planted(seed=38, rows=300)
    told = []
    member = MEMBERS[name]()
    fitted = member.fit(
        problem.panel,
        problem.train,
        problem.validation,
        SEED,
        lambda what, fraction: told.append(fraction),
        Along(told=lambda values, step: told.append((dict(values), step))),
    )
    curves = {}
    for values, step in (one for one in told if isinstance(one, tuple)):
        for curve, value in values.items():
            curves.setdefault(curve, []).append((step, value))
    assert set(curves) == set(fitted.record.curves)
    for curve, values in fitted.record.curves.items():
        first = 0 if curve in member.facts.before_training else 1
        assert curves[curve] == list(enumerate(values, start=first))
    # Not all at the end: progress was told between two of them.
    places = [place for place, one in enumerate(told) if isinstance(one, tuple)]
    assert places[-1] - places[0] > len(places) - 1


def test_conformance_refuses_a_member_that_ignores_its_data():
    class Constant(LinearMember):
        def fit(self, panel, train, validation, seed, progress=None, along=NOWHERE):
            fitted = LinearMember.fit(self, panel, train, validation, seed, progress)
            return replace(fitted, coefficients=0.0 * fitted.coefficients)

    with pytest.raises(AssertionError, match="learnable problem"):
        check_member(Constant)


def test_conformance_refuses_a_member_that_ignores_weights():
    class Unweighted(LinearMember):
        def fit(self, panel, train, validation, seed, progress=None, along=NOWHERE):
            flat = replace(panel, samples=replace(panel.samples, weight=np.ones(len(panel.samples))))
            return LinearMember.fit(self, flat, train, validation, seed, progress)

    with pytest.raises(AssertionError, match="without weight"):
        check_member(Unweighted)


def test_conformance_refuses_a_member_that_sees_later_rows():
    class Peeping(LinearMember):
        def fit(self, panel, train, validation, seed, progress=None, along=NOWHERE):
            return LinearMember.fit(self, panel, np.arange(len(panel.samples)), validation, seed, progress)

    with pytest.raises(AssertionError, match="after the training range"):
        check_member(Peeping)


def test_the_registry_loads_no_library():
    modules = [f"models.members.{name}" for name in MEMBERS]
    code = f"import sys, importlib; [importlib.import_module(m) for m in {modules!r}]; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout.split()
    assert "models.members.lstm" in loaded
    assert not set(HEAVY) & set(loaded)


@pytest.mark.parametrize("config", [LinearConfig, LightgbmConfig, XgboostConfig])
def test_a_misspelt_hyperparameter_is_refused(config):
    with pytest.raises(msgspec.ValidationError, match="learning_rat"):
        msgspec.convert({"learning_rat": 0.1}, config)


@pytest.mark.parametrize(
    ("member", "config"),
    [(LightgbmMember, LightgbmConfig), (XgboostMember, XgboostConfig)],
    ids=["lightgbm", "xgboost"],
)
def test_trees_do_not_depend_on_threads(member, config):
    problem = planted(seed=21)
    one, two = (fit(partial(member, config(rounds=60, threads=threads)), problem) for threads in (1, 2))
    index = problem.test
    assert predict(one, problem, index).tobytes() == predict(two, problem, index).tobytes()


@pytest.mark.parametrize("name", ["linear", "lightgbm", "xgboost"])
def test_importance_names_the_planted_features(name):
    problem = planted(seed=22)
    importance = fit(MEMBERS[name], problem).record.importance
    assert list(importance) == list(problem.panel.feature_names)
    ranked = sorted(importance, key=importance.__getitem__, reverse=True)
    # No linear model can see |x_2|.
    assert set(ranked[:2]) == {"x_0", "x_1"} if name == "linear" else set(ranked[:3]) == {"x_0", "x_1", "x_2"}


@pytest.mark.parametrize("name", ["lightgbm", "xgboost"])
def test_a_booster_keeps_its_best_rounds_only(name):
    problem = planted(seed=23)
    fitted = fit(MEMBERS[name], problem)
    curve = fitted.record.curves["validation_log_loss"]
    best = fitted.record.notes["best_round"]
    trees = fitted.booster.num_trees() if name == "lightgbm" else fitted.booster.num_boosted_rounds()
    assert trees == best == 1 + int(np.argmin(curve)) < len(curve)
    said = predict(fitted, problem, problem.validation)
    samples = problem.panel.samples
    label, weight = samples.label[problem.validation], samples.weight[problem.validation]
    loss = np.average(-np.log(np.where(label == 1, said, 1 - said)), weights=weight)
    assert loss == pytest.approx(min(curve), abs=1e-6)


def test_more_overlap_makes_larger_leaves():
    problem = planted(seed=24)
    thin = with_samples(problem, weight=problem.panel.samples.weight / 10)
    counts = [fit(LightgbmMember, case).booster.dump_model()["tree_info"][0]["num_leaves"] for case in (problem, thin)]
    assert counts[1] < counts[0]


def test_linear_is_scikit_learn_s_optimum():
    """The gradient of the stated objective vanishes at the coefficients: scaling, weights and strength are as said."""
    problem = planted(seed=25)
    fitted = fit(lambda: LinearMember(LinearConfig(inverse_strengths=(0.01,), iterations=2000)), problem)
    samples = problem.panel.samples
    x = fitted.scaler.transform(problem.panel.rows(problem.train))
    error = fitted.probability(problem.panel.rows(problem.train)) - samples.label[problem.train]
    gradient = (samples.weight[problem.train] * error) @ x + fitted.coefficients / 0.01
    assert np.abs(gradient).max() < 0.05
    assert abs((samples.weight[problem.train] * error).sum()) < 0.05


def test_elastic_net_leaves_out_noise():
    problem = planted(seed=26)
    config = LinearConfig(inverse_strengths=(0.02,), l1_ratio=0.9, iterations=500)
    importance = fit(lambda: LinearMember(config), problem).record.importance
    assert importance["x_0"] > 0 == importance["x_3"]


def test_predictions_are_of_consecutive_rows_only():
    problem = planted(seed=27)
    fitted = fit(LinearMember, problem)
    with pytest.raises(MemberError, match="consecutive rows of PLANTED0"):
        fitted.predict(problem.panel, 0, np.array([30, 32]))
    with pytest.raises(MemberError, match="within 0…1599"):
        fitted.predict(problem.panel, 0, np.array([1599, 1600]))
    assert fitted.predict(problem.panel, 0, np.array([], np.int64)).shape == (0,)


def test_errors_name_the_row_and_the_feature():
    problem = planted(seed=28)
    sample = problem.train[5]
    instrument, row = problem.panel.samples.instrument[sample], problem.panel.samples.row[sample]
    problem.panel.series[instrument].features[row, 2] = np.inf
    with pytest.raises(MemberError, match=rf"PLANTED{instrument} row {row}\) has x_2 = inf"):
        fit(LinearMember, problem)
