"""The certificate: passes what is exact, and finds every error that is planted."""

from dataclasses import replace
from types import SimpleNamespace

import msgspec
import numpy as np
import onnx
import onnxruntime
import pytest
from graph_samples import (
    FEATURE_COUNT,
    finite,
    lightgbm_booster,
    linear_sample,
    memory_native,
    memory_part,
    part_outputs,
    problem,
    xgboost_booster,
)
from onnx import helper, numpy_helper

from models.at_once import at_once
from models.bundle.combination import Conformal, Platt, Pool
from models.bundle.runner import GraphRunner, session_options
from models.certificate import Requirements, certify
from models.evidence import ALONE, Evidence, gather, gather_at_once, hard_rows, hard_stretches, native_probability
from models.graph.alone import alone as taken_alone
from models.graph.compose import compose
from models.graph.errors import GraphError
from models.graph.lightgbm import lightgbm_part
from models.graph.trees import split_points
from models.graph.xgboost import xgboost_part
from models.probes import extreme_rows, threshold_rows

ROWS = 2_500
STACKER = Pool((0.6, 0.5, 0.3), 0.05, 1e-3)
PLATT = Platt(1.1, 0.0, 0.01)
NEEDS = Requirements(real_rows=2 * ROWS, sequence=2_000, bounds={**Requirements().bounds, "memory": 0.0})
STEPPED_NEEDS = msgspec.structs.replace(NEEDS, rows=0, hard_rows=0)
"""What is asked where no rows are answered at once."""


@pytest.fixture(scope="module")
def made():
    x, y = problem(seed=0)
    boosters = lightgbm_booster(x, y), xgboost_booster(x, y)
    parts = [lightgbm_part("lightgbm", boosters[0], FEATURE_COUNT), xgboost_part("xgboost", boosters[1], FEATURE_COUNT)]
    natives = {
        "lightgbm": lambda rows: masked(rows, lambda good: boosters[0].predict(good, num_threads=1)),
        "xgboost": lambda rows: masked(rows, boosters[1].inplace_predict),
        "memory": memory_native,
    }
    without_state = {
        "lightgbm": lambda rows: boosters[0].predict(rows, num_threads=1),
        "xgboost": lambda rows: boosters[1].inplace_predict(rows).astype(float),
    }
    return SimpleNamespace(parts=[*parts, memory_part()], natives=natives, without_state=without_state)


def masked(rows, predict):
    out = np.full(len(rows), np.nan)
    good = ~np.isnan(rows).any(axis=1)
    out[good] = predict(rows[good])
    return out


@pytest.fixture(scope="module")
def sequences():
    """Two contiguous stretches, one with a hole."""
    stretches = [finite(problem(seed=seed, rows=ROWS)[0]) for seed in (1, 2)]
    stretches[1] = np.concatenate([stretches[1], stretches[1][:1]])
    stretches[1][300, 2] = np.nan
    return stretches


@pytest.fixture(scope="module")
def evidence(made, sequences):
    graph = compose(made.parts)
    hard = hard_rows(graph, sequences)
    alone = gather_at_once(hard, made.without_state)
    stretches = gather_at_once(hard_stretches(hard, sequences), {"memory": memory_native})
    return [*gather(graph, made.natives, sequences), *alone, *stretches]


@pytest.fixture(scope="module")
def stepped(evidence):
    """What goes through the whole graph row by row."""
    return [piece for piece in evidence if not piece.at_once]


@pytest.fixture(scope="module")
def exact(made, evidence):
    """The certificate of the graph as it should be."""
    return check(made, evidence)


def check(made, evidence, parts=None, needs=NEEDS):
    graph = compose(parts or made.parts, STACKER, PLATT).SerializeToString()
    return certify(graph, evidence, STACKER, PLATT, needs)


def test_an_exact_graph_passes(exact, evidence):
    found = exact
    assert found.passed, found.reasons
    assert found.members["lightgbm"].error == 0.0
    assert found.members["memory"].error == 0.0
    assert found.members["xgboost"].error <= 2**-23
    assert found.ensemble.error <= 1e-6
    assert found.decisions[0].flips == 0
    assert found.members["memory"].longest == ROWS
    assert found.members["memory"].carried == ALONE["threshold"]
    assert (found.members["lightgbm"].carried, found.members["lightgbm"].longest) == (0, ROWS)
    assert found.members["lightgbm"].rows["real"] == 2 * ROWS
    assert found.members["lightgbm"].rows["threshold"] >= 2_000
    assert all(sum(one.rows.values()) >= 100_000 for one in found.members.values())
    holes = next(piece for piece in evidence if piece.kind == "missing" and not piece.at_once)
    known = int(np.isfinite(holes.rows).all(axis=1).sum())
    assert 1_500 < known < len(holes.rows) == 2_000
    assert found.members["xgboost"].rows["missing"] == ALONE["missing"] + known
    stretch = next(
        piece for piece in evidence if piece.kind == "missing" and "memory" in piece.native and piece.at_once
    )
    known += int(np.isfinite(stretch.rows).all(axis=1).sum())
    assert len(stretch.rows) == ALONE["missing"] < known + 2_000
    assert found.members["memory"].rows == {
        "real": 2 * ROWS, "threshold": 62_000, "extreme": 22_000, "subnormal": 22_000, "missing": known
    }  # fmt: skip
    assert set(found.members["lightgbm"].rows) == {"real", *ALONE}
    assert found.rows == sum(len(piece.rows) for piece in evidence)
    assert found.graph_bytes > 10_000
    assert found.members["lightgbm"].missing == 0


SETS = Conformal(0.8, 0.6)


def certified(made, evidence, in_graph=SETS, stated=SETS):
    """A graph composed with one threshold, and certified by another."""
    graph = compose(made.parts, STACKER, PLATT, in_graph).SerializeToString()
    return certify(graph, evidence, STACKER, PLATT, STEPPED_NEEDS, stated)


def test_prediction_sets_are_compared_on_every_row_and_at_their_threshold(made, stepped, exact):
    found = certified(made, stepped)
    assert found.passed, found.reasons
    assert found.sets.differing == 0
    assert found.sets.rows == sum(int((~np.isnan(piece.rows).any(axis=1)).sum()) for piece in stepped)
    assert found.sets.at_threshold > 80
    assert found.summary()["sets"]["differing"] == 0
    assert exact.sets is None


@pytest.mark.parametrize("step", [0.0, 1.0])
def test_a_threshold_that_is_wrong_by_the_last_bit_is_found(made, stepped, step):
    wrong = Conformal(SETS.coverage, float(np.nextafter(SETS.least, step)))
    found = certified(made, stepped, in_graph=wrong)
    assert not found.passed
    assert 1 <= found.sets.differing <= 10
    assert [reason for reason in found.reasons if not reason.startswith("prediction sets: ")] == []


def test_a_threshold_that_is_far_off_is_found_on_rows(made, stepped):
    found = certified(made, stepped, in_graph=Conformal(0.8, 0.9))
    assert not found.passed
    assert found.sets.differing > 100


def test_sets_are_in_the_graph_if_and_only_if_they_are_stated(made, stepped):
    assert certified(made, stepped, in_graph=None).reasons == ("prediction sets: the graph says none",)
    assert certified(made, stepped, stated=None).reasons == ("prediction sets: no threshold was given",)


def test_where_sets_decide_their_thresholds_are_decisions(made, stepped):
    deciding = Conformal(0.8, 0.6, one_sided=True)
    found = certified(made, stepped, deciding, deciding)
    assert found.passed, found.reasons
    assert [one.threshold for one in found.decisions] == [0.5, 0.6, 0.4]
    assert [one.threshold for one in certified(made, stepped).decisions] == [0.5]


def test_the_summary_is_plain_and_complete(exact):
    summary = exact.summary()
    assert summary["passed"] is True
    assert msgspec.json.decode(msgspec.json.encode(summary)) == summary
    assert summary["members"]["xgboost"]["bound"] == Requirements().bounds["xgboost"]


def rounded_thresholds(part):
    """What the usual converters do: thresholds rounded to the nearest float32."""
    model = onnx.ModelProto()
    model.CopyFrom(part.model)
    node = next(node for node in model.graph.node if node.op_type == "TreeEnsemble")
    splits = next(attribute for attribute in node.attribute if attribute.name == "nodes_splits")
    rounded = numpy_helper.to_array(helper.get_attribute_value(splits)).astype(np.float32).astype(np.float64)
    splits.t.CopyFrom(numpy_helper.from_array(rounded, "splits"))
    return type(part)(part.name, model, part.state)


def test_thresholds_rounded_to_float32_are_found_by_threshold_rows(made, stepped):
    found = check(made, stepped, [rounded_thresholds(made.parts[0]), *made.parts[1:]], STEPPED_NEEDS)
    assert not found.passed
    assert found.members["lightgbm"].errors["threshold"] > 0.01
    assert any(reason.startswith("lightgbm: differs") for reason in found.reasons)


def test_a_missing_value_that_goes_to_the_other_side_is_found(made, evidence):
    part = made.parts[1]
    model = onnx.ModelProto()
    model.CopyFrom(part.model)
    node = next(node for node in model.graph.node if node.op_type == "TreeEnsemble")
    tracks = next(one for one in node.attribute if one.name == "nodes_missing_value_tracks_true")
    tracks.ints[:] = [1 - side for side in tracks.ints]
    found = check(made, evidence, [made.parts[0], type(part)(part.name, model, ()), made.parts[2]])
    assert {kind for kind, error in found.members["xgboost"].errors.items() if error > 1e-3} == {"missing"}
    assert any("on missing rows" in reason for reason in found.reasons)


def test_every_kind_of_row_is_asked_for(made, evidence):
    reasons = check(made, [one for one in evidence if not one.at_once and one.kind in ("real", "threshold")]).reasons
    for name in ("lightgbm", "xgboost", "memory"):
        for kind in ("extreme", "subnormal", "missing"):
            assert f"{name}: compared on 0 {kind} rows; 1000 are needed" in reasons
    for name in ("lightgbm", "xgboost", "memory"):
        assert any(reason.startswith(name) and "of all kinds; 100000 are needed" in reason for reason in reasons)
    assert not any(reason.startswith("ensemble") for reason in reasons)


def test_fewer_bars_in_a_row_than_are_wanted_are_said(exact):
    (note,) = exact.notes
    assert note.startswith(
        f"memory: state compared over {ROWS:,} bars in a row; 10,000 are wanted, and 2,000 were asked"
    )


def test_a_member_that_says_the_same_of_every_real_row_is_named(made, stepped, exact):
    real = np.concatenate([one.native["xgboost"] for one in stepped if one.kind == "real"])
    assert exact.members["xgboost"].spread == np.nanmax(real) - np.nanmin(real) > 0.1
    mute = [
        replace(one, native={**one.native, "xgboost": np.where(np.isnan(one.native["xgboost"]), np.nan, 0.4)})
        if one.kind == "real"
        else one
        for one in stepped
    ]
    (_, note) = check(made, mute).notes
    assert note.startswith(f"xgboost: the same probability on all {2 * ROWS:,} real rows, for it has learned nothing")


def test_a_member_that_is_not_there_cannot_be_taken_out_of_the_graph(made):
    with pytest.raises(GraphError, match="forgetful is computed from nothing"):
        taken_alone(compose(made.parts), "forgetful")


def test_a_member_with_state_alone_has_the_bits_of_the_whole_graph(made, sequences):
    """Over holes, which reset it, and from the zero state in each call."""
    model = compose(made.parts)
    rows, runner = sequences[1], GraphRunner(model.SerializeToString())
    asked = at_once(model, "memory", carries_state=True)
    whole = runner.run_rows(rows)[0][:, runner.members.index("memory")]
    assert asked(rows).tobytes() == asked(rows).tobytes() == whole.tobytes()
    assert np.isnan(whole).sum() == 1
    assert (asked(rows[100:300]) != whole[100:300]).any()


def test_rows_at_once_have_the_bits_of_rows_one_by_one(made):
    model = compose(made.parts)
    rows = hard_rows(model, [finite(problem(seed=6)[0])])["threshold"][:300]
    for part in made.parts[:2]:
        session = onnxruntime.InferenceSession(taken_alone(model, part.name).SerializeToString(), session_options())
        assert session.run(None, {"rows": rows})[0].tobytes() == part_outputs(part, rows).tobytes()


def test_a_state_that_is_not_carried_is_found(made, evidence):
    def forgetful(rows):
        return np.concatenate([memory_native(row[np.newaxis]) for row in rows])

    for alone in (False, True):
        pieces = [piece for piece in evidence if piece.at_once == alone and "memory" in piece.native]
        wrong = [replace(e, native={**e.native, "memory": forgetful(e.rows)}) for e in pieces]
        assert any("memory: differs" in reason for reason in check(made, wrong).reasons)


def test_a_state_that_a_hole_does_not_reset_is_found(made, evidence):
    def stubborn(rows):
        """Goes on with the state before a hole."""
        out, good = np.full(len(rows), np.nan), ~np.isnan(rows).any(axis=1)
        out[good] = memory_native(rows[good])
        return out

    together = [piece for piece in evidence if not piece.at_once and piece.kind == "missing"]
    wrong = [Evidence(e.kind, e.rows, {**e.native, "memory": stubborn(e.rows)}) for e in together]
    assert any("memory: differs" in reason and "missing" in reason for reason in check(made, wrong).reasons)


def test_a_missing_probability_on_one_side_is_found(made, stepped):
    first = stepped[0]
    native = first.native["lightgbm"].copy()
    native[7] = np.nan
    wrong = [Evidence(first.kind, first.rows, {**first.native, "lightgbm": native}), *stepped[1:]]
    reasons = check(made, wrong).reasons
    assert "lightgbm: 1 rows have a probability on one side only" in reasons


def test_flips_are_counted_outside_the_band_only():
    """A member that is off by 0.001 everywhere, with a few decisions in the gap that this leaves."""
    part = linear_sample()
    rows = 0.3 * np.random.default_rng(3).normal(size=(4_000, FEATURE_COUNT))
    true = part_outputs(part, rows)
    threshold = float(np.median(true))
    gap = (true >= threshold) & (true - 0.001 < threshold)
    evidence = [Evidence("real", rows, {"linear": true - 0.001})]
    for tolerance, flips, inside in [(1e-9, gap.sum(), 0), (0.002, 0, gap.sum())]:
        needs = Requirements((threshold,), tolerance, 1, 1, 1, {"linear": 1.0}, rows=1, hard_rows=0)
        found = certify(compose([part]).SerializeToString(), evidence, requirements=needs)
        assert (found.decisions[0].flips, found.decisions[0].flips_inside) == (flips, inside)
        assert found.passed == (tolerance > 0.001)
    assert gap.sum() > 0


def test_too_little_evidence_does_not_pass(made, evidence):
    short = [Evidence("real", e.rows[:1000], {k: v[:1000] for k, v in e.native.items()}) for e in evidence[:2]]
    reasons = " ".join(check(made, short).reasons)
    assert "lightgbm: compared on 2000 real rows" not in reasons
    assert "lightgbm: compared on 1999 real rows; 5000 are needed" in reasons
    assert "xgboost: compared on 0 threshold rows" in reasons
    assert "memory: the longest stretch with carried state has 1000 rows; 2000 needed" in reasons


def test_evidence_of_one_member_alone_counts_for_it(made, sequences):
    """Evidence stored when each member was fitted: threshold rows of its own trees, answered by it alone."""
    together = [Evidence("real", rows, {n: f(rows) for n, f in made.natives.items()}) for rows in sequences]
    alone = [
        piece
        for part, (name, native) in zip(made.parts, made.natives.items(), strict=True)
        for piece in gather(part.model, {name: native}, [sequences[0][:200]])
    ]
    needs = msgspec.structs.replace(NEEDS, rows=8_000, hard_rows=0)
    found = check(made, together + alone, needs=needs)
    assert found.passed, found.reasons
    assert set(found.ensemble.rows) == {"real"}


def test_members_without_a_bound_and_strangers_are_refused(made, stepped):
    with pytest.raises(ValueError, match="'memory' has no stated bound"):
        check(made, stepped, needs=Requirements())
    with pytest.raises(ValueError, match="stranger"):
        check(made, [Evidence("real", stepped[0].rows, {"stranger": stepped[0].rows[:, 0]})])


def test_threshold_rows_stand_on_both_sides_of_every_threshold(made):
    part = made.parts[0]
    rows = threshold_rows(part.model, finite(problem(seed=4)[0]), seed=0, most=10**6)
    for feature, threshold in zip(*split_points(part.model), strict=True):
        column = rows[:, feature]
        assert {np.nextafter(threshold, -np.inf), threshold, np.nextafter(threshold, np.inf)} <= set(column.tolist())
    assert not np.isnan(rows).any()
    assert len(threshold_rows(part.model, rows, seed=0, least=10, most=50)) == 50
    assert threshold_rows(linear_sample().model, rows, seed=0).shape == (0, FEATURE_COUNT)


def test_extreme_rows_have_every_extreme_and_no_holes():
    rows = extreme_rows(problem(seed=5)[0], seed=0, count=1000)
    assert rows.shape == (1000, FEATURE_COUNT)
    assert not np.isnan(rows).any()
    assert {5e-324, -5e-324, 1e-45, 3.4e38, -3.4e38} <= set(rows.ravel().tolist())


def test_a_fitted_member_as_a_function_of_rows(sequences):
    class Fitted:
        """Returns what it was asked about."""

        def predict(self, panel, instrument, rows):
            assert panel.feature_names == ("a",) * FEATURE_COUNT
            return panel.series[instrument].features[rows, 0]

    native = native_probability(Fitted(), ("a",) * FEATURE_COUNT, 60)
    assert np.array_equal(native(sequences[0]), sequences[0][:, 0])
