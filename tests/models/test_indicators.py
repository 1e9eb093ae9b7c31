"""Columns that say which instrument a row is of: by them every member learns what it could not learn without."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from models.bundle.errors import BundleError
from models.bundle.instruments import NO_INDICATORS, Indicators
from models.importance.groups import each_alone
from models.importance.mda import permutation
from models.importance.member_fold import member_fold
from models.members import MEMBERS
from models.members.conformance import check_export, check_repeatable_and_blind, fit, predict
from models.members.planted import WARM_UP, with_features
from models.members.scaling import fit_scaler
from tests.models.told_apart import aware, levels, slopes, without

THREE = Indicators(("A", "B/USD", "C"))
LEARNED, UNLEARNED = 2 / 3, 1 / 20
"""Shares of the best possible gain."""


def share(name, problem):
    """The share of the best possible gain that a member reaches out of sample."""
    return problem.gain(predict(fit(MEMBERS[name], problem), problem, problem.test), problem.test) / problem.best_gain


def test_rows_one_by_one_and_together_get_the_same_columns():
    rows = np.random.default_rng(1).normal(size=(5, 3))
    rows[0] = np.nan
    for number, symbol in enumerate(THREE.symbols):
        together = THREE.append(rows, symbol)
        assert together.shape == (5, 6)
        assert together[:, :3].tobytes() == rows.tobytes()
        assert together[:, 3:].tolist() == [np.eye(3)[number].tolist()] * 5
        assert together.tobytes() == np.stack([THREE.append(row, symbol) for row in rows]).tobytes()
    assert THREE.names == ("instrument_A", "instrument_B/USD", "instrument_C")


def test_without_symbols_rows_are_left_alone_whatever_they_are_of():
    rows = np.ones((2, 3))
    assert NO_INDICATORS.append(rows, "anything") is rows
    assert (NO_INDICATORS.names, len(NO_INDICATORS)) == ((), 0)


def test_an_instrument_that_nothing_was_learned_of_is_refused():
    with pytest.raises(BundleError, match="has not learned of D; it knows A, B/USD, C: serve those, or train again"):
        THREE.append(np.ones(3), "D")


@pytest.mark.parametrize("name", MEMBERS)
def test_a_member_learns_how_often_each_instrument_rises(name):
    problem = levels()
    assert share(name, problem) < UNLEARNED
    assert share(name, aware(problem)) > LEARNED


@pytest.mark.parametrize("name", [name for name in MEMBERS if name != "linear"])
def test_a_member_learns_an_effect_whose_sign_is_the_instrument_s(name):
    problem = slopes()
    assert share(name, problem) < UNLEARNED
    assert share(name, aware(problem)) > LEARNED


def test_a_linear_member_has_one_slope_for_all_whatever_it_is_told():
    assert abs(share("linear", aware(slopes()))) < UNLEARNED


@pytest.mark.parametrize("name", MEMBERS)
def test_forty_instruments_are_as_well_told_apart_as_four(name):
    """A column that is 1 in a fortieth of the rows is 6.2 standard deviations from its mean there, and 5 are kept."""
    assert share(name, aware(levels(series=40, rows=200))) > LEARNED


@pytest.mark.parametrize("name", MEMBERS)
def test_the_graph_says_what_the_library_says_and_the_fit_sees_nothing_later(name):
    problem = aware(levels(series=3, rows=1600))
    fitted = fit(MEMBERS[name], problem)
    check_export(fitted, problem)
    check_repeatable_and_blind(MEMBERS[name], problem, fitted)


@pytest.mark.parametrize("name", MEMBERS)
def test_an_instrument_without_training_rows_is_predicted_as_if_it_were_none(name):
    """Nothing was fitted to its column, so that what a network's weights were drawn as must not be heard."""
    problem = without(aware(slopes(rows=500)), 1)
    fitted = fit(MEMBERS[name], problem)
    features = [one.features.copy() for one in problem.panel.series]
    features[1][:, -problem.panel.indicators :] = 0.0
    unnamed = with_features(problem, features).panel
    rows = np.arange(WARM_UP, 300)
    said, blind = (fitted.predict(panel, 1, rows) for panel in (problem.panel, unnamed))
    assert said.tobytes() == blind.tobytes()
    features[1][:, -problem.panel.indicators] = 1.0  # while the name of one that was learned of changes what is said
    assert (fitted.predict(with_features(problem, features).panel, 1, rows) != said).any() or name == "linear"
    assert np.isfinite(said[np.isfinite(problem.panel.series[1].features[rows]).all(axis=1)]).all()


def test_indicators_are_scaled_alike_however_rare_and_others_as_without_them():
    random = np.random.default_rng(2)
    rows = random.normal(3.0, 2.0, (1_000, 2))
    number = np.minimum(random.integers(0, 50, 1_000), 3)  # of four instruments three have a fiftieth of the rows each
    told = np.concatenate([rows, np.eye(5)[number]], axis=1)
    weight = random.uniform(0.5, 1.0, 1_000)
    plain, scaler = fit_scaler(rows, weight, 5.0), fit_scaler(told, weight, 5.0, indicators=5)
    scaled = scaler.transform(told)
    assert scaled[:, :2].tobytes() == plain.transform(rows).tobytes()
    assert scaled[:, 2:6].tobytes() == told[:, 2:6].tobytes()
    assert np.isfinite(scaler.scale).all()
    assert (scaler.transform(np.eye(7))[:, 6].astype(np.float32) == 0.0).all()


def test_permutation_moves_instruments_between_instruments_and_features_within_them():
    problem = aware(levels())
    fold = replace(problem, train=np.concatenate([problem.train, problem.validation]))
    fitted = fit(MEMBERS["linear"], problem)
    scored = member_fold(problem.panel, fold, fitted, 400)
    table = permutation([scored], each_alone(problem.panel.feature_names), seed=3)
    value = dict(zip(table.names, table.values[0].tolist(), strict=True))
    assert min(value[name] for name in problem.panel.feature_names[-4:]) > 0.01
    assert max(abs(value[name]) for name in problem.panel.feature_names[:-4]) < 0.005
    untold = permutation([replace(scored, indicators=0)], each_alone(problem.panel.feature_names), seed=3)
    assert untold.values[0, :-4].tobytes() == table.values[0, :-4].tobytes()
    assert untold.values[0, -4:].tolist() == [0.0] * 4
