"""The second stage in the graph: what NumPy says, with the runner, the certificate and the manifest."""

from __future__ import annotations

import msgspec
import numpy as np
import pytest
from graph_samples import FEATURE_COUNT, finite, lightgbm_booster, linear_sample, problem, xgboost_booster

from models.bundle.combination import Conformal, Meta, Platt, Pool
from models.bundle.manifest import Manifest, from_bytes, to_bytes
from models.bundle.runner import GraphRunner
from models.certificate import Requirements, certify
from models.evidence import gather
from models.graph.compose import compose
from models.graph.errors import GraphError
from models.graph.lightgbm import lightgbm_part
from models.graph.xgboost import xgboost_part
from models.meta.fit import right_probability, sized_probability
from models.meta.inputs import input_names, meta_inputs

POOL, PLATT, SETS = Pool((0.6, 0.5), 0.05, 1e-3), Platt(1.1, -0.3, 0.01), Conformal(0.8, 0.62)
NEEDS = Requirements(real_rows=1_000, rows=1_000, hard_rows=0, threshold_rows=0)


def meta_of(sizing=True, columns=(3, 1), members=2):
    names = input_names([f"member{n}" for n in range(members)], [f"feature{n}" for n in columns])
    weights = (0.7, *(0.15,) * members, -0.4, 0.2, *(0.3,) * len(columns))
    low, high = (0.05, *(-2.0,) * members, 0.01, 0.0, *(-1.5,) * len(columns)), (1.9,) * len(names)
    return Meta(names, weights, -0.35, low, high, columns, 1e-3, 0.55, sizing)


def silent_at_holes(rows, said):
    """A member says nothing of a row with a missing value."""
    return np.where(np.isnan(rows).any(axis=1), np.nan, said)


@pytest.fixture(scope="module")
def made():
    x, y = problem(seed=0)
    boosters = lightgbm_booster(x, y), xgboost_booster(x, y)
    parts = [lightgbm_part("lightgbm", boosters[0], FEATURE_COUNT), xgboost_part("xgboost", boosters[1], FEATURE_COUNT)]
    natives = {
        "lightgbm": lambda rows: silent_at_holes(rows, boosters[0].predict(rows, num_threads=1)),
        "xgboost": lambda rows: silent_at_holes(rows, boosters[1].inplace_predict(rows).astype(float)),
    }
    return parts, natives


@pytest.fixture(scope="module")
def rows():
    return finite(problem(seed=1, rows=1_200)[0])


def graph_of(parts, meta, conformal=SETS):
    return compose(parts, POOL, PLATT, conformal, meta).SerializeToString(deterministic=True)


@pytest.mark.parametrize("conformal", [SETS, None])
@pytest.mark.parametrize("columns", [(3, 1), ()])
@pytest.mark.parametrize("sizing", [True, False])
def test_the_graph_says_what_numpy_says(made, rows, sizing, columns, conformal):
    meta = meta_of(sizing, columns)
    found = GraphRunner(graph_of(made[0], meta, conformal)).run_stages(rows)
    inputs = meta_inputs(found.members, found.ensemble, conformal, rows[:, list(columns)], meta.clip)
    right = right_probability(meta, inputs)
    np.testing.assert_allclose(found.right, right, atol=1e-13)
    assert (right < 0.5).any()
    assert (right > 0.5).any()
    wanted = sized_probability(found.ensemble, right) if sizing else found.ensemble
    np.testing.assert_allclose(found.probability, wanted, atol=1e-13)
    np.testing.assert_array_equal(found.probability == 0.5, (found.right <= 0.5) & sizing)


def test_the_members_and_the_ensemble_keep_their_bits(made, rows):
    plain = GraphRunner(compose(made[0], POOL, PLATT).SerializeToString()).run_stages(rows)
    assert np.isnan(plain.right).all()
    for sizing in (True, False):
        found = GraphRunner(graph_of(made[0], meta_of(sizing))).run_stages(rows)
        assert found.members.tobytes() == plain.members.tobytes()
        assert found.ensemble.tobytes() == plain.probability.tobytes()


def test_steps_rows_and_stages_are_the_same_bits(made, rows):
    runner = GraphRunner(graph_of(made[0], meta_of()), burn_in=2)
    rows = rows[:50].copy()
    rows[20, 3] = np.nan
    stages = runner.run_stages(rows)
    runner.reset()
    members, probability = runner.run_rows(rows)
    runner.reset()
    stepped = np.array([runner.step(row).probability for row in rows])
    assert stages.probability.tobytes() == probability.tobytes() == stepped.tobytes()
    assert stages.members.tobytes() == members.tobytes()
    silent = [0, 1, 20, 21, 22]
    assert np.flatnonzero(np.isnan(stages.right)).tolist() == silent
    assert np.flatnonzero(np.isnan(stages.ensemble)).tolist() == silent


@pytest.mark.parametrize("sizing", [True, False])
def test_a_certificate_covers_it_and_finds_other_numbers(made, rows, sizing):
    """Also where a side turns over: there what the second stage says jumps, and it is compared past the jump."""
    meta, evidence = meta_of(sizing), gather(compose(made[0]), made[1], [rows])
    graph = graph_of(made[0], meta)
    found = certify(graph, evidence, POOL, PLATT, NEEDS, SETS, meta)
    assert found.passed, found.reasons
    assert found.second_stage.error < 1e-13
    assert found.second_stage.rows["real"] == 2 * len(rows)
    assert found.summary()["second_stage"]["bound"] == 1e-9
    for other in (
        msgspec.structs.replace(meta, intercept=meta.intercept + 1e-6),
        msgspec.structs.replace(meta, columns=(3, 2)),
        msgspec.structs.replace(meta, sizing=not sizing),
    ):
        wrong = certify(graph, evidence, POOL, PLATT, NEEDS, SETS, other)
        assert [one for one in wrong.reasons if one.startswith("second stage: differs by")]
    shifted = certify(graph, evidence, POOL, PLATT, NEEDS, Conformal(0.8, 0.7), meta)
    assert not shifted.passed
    plain = certify(compose(made[0], POOL, PLATT).SerializeToString(), evidence, POOL, PLATT, NEEDS)
    assert "second_stage" not in plain.summary()


def test_numbers_that_do_not_fit_are_refused(made):
    meta, replace = meta_of(), msgspec.structs.replace
    for bad, message in (
        (replace(meta, weights=meta.weights[1:]), "2 members and 2 features make 7 inputs"),
        (replace(meta, columns=(3, FEATURE_COUNT)), "of a row with 8 features"),
        (replace(meta, intercept=float("nan")), "numbers must be finite"),
        (replace(meta, clip=0.0), "clip between 0 and 0.5"),
    ):
        with pytest.raises(GraphError, match=message):
            compose(made[0], POOL, PLATT, SETS, bad)


def test_one_member_and_no_sets(rows):
    graph = compose([linear_sample()], None, None, None, meta_of(True, (), members=1)).SerializeToString()
    found = GraphRunner(graph).run_stages(rows[:20])
    assert np.isfinite(found.right).all()


def test_a_manifest_states_it_and_one_without_has_no_such_key():
    """So a bundle of before there were second stages is read as it was written."""
    plain = msgspec.convert(MANIFEST, Manifest)
    assert b'"meta"' not in to_bytes(plain)
    assert from_bytes(to_bytes(plain)) == plain
    stated = msgspec.structs.replace(plain, meta=meta_of())
    assert from_bytes(to_bytes(stated)).meta == meta_of()


MANIFEST = {
    "name": "m",
    "features": {"names": ["a"], "interval": 60, "max_gap": 1, "digest": "d"},
    "instruments": [],
    "label": {},
    "volatility": "a",
    "payoff": {"barrier_multiple": 1.5, "horizon": 4, "expected_move_ratio": 1.0},
    "members": [],
    "burn_in": 0,
    "training": {
        "fingerprints": {},
        "start": 0,
        "trained_through": 1,
        "rows": 1,
        "effective_rows": 1.0,
        "config_digest": "",
        "seed": 1,
    },
    "certificate": {},
}
