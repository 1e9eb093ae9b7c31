"""A result survives the disk unchanged, and a changed file is noticed."""

import json
import math

import hypothesis.extra.numpy as arrays
import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from models.dataset import Panel, Samples
from models.members.conformance import fit
from models.members.lstm import LstmConfig, LstmMember
from models.members.planted import planted
from models.splitters import PurgedWalkForward
from pipelines.arrays_json import read_document, write_document
from pipelines.errors import StageError
from pipelines.report.write import render
from pipelines.results import RESULT_FILE, Estimate, RunResult
from pipelines.stages.evaluate import last_learned, learning_curve, purged
from tests.pipelines.factory import make_result


class Box(msgspec.Struct, frozen=True, eq=False):
    values: NDArray[np.float64]
    parts: dict[str, NDArray[np.int64]]
    number: float | None = None


def test_a_saved_result_loads_and_saves_to_the_same_bytes(tmp_path):
    result = make_result()
    result.save(tmp_path / "a")
    loaded = RunResult.load(tmp_path / "a")
    loaded.save(tmp_path / "b")
    assert (tmp_path / "a" / RESULT_FILE).read_bytes() == (tmp_path / "b" / RESULT_FILE).read_bytes()
    assert np.array_equal(loaded.backtest.net.equity, result.backtest.net.equity)
    assert loaded.predictor("lightgbm") == result.predictor("lightgbm")
    assert loaded.folds == result.folds


@given(
    values=arrays.arrays(np.float64, st.integers(0, 20), elements=st.floats(width=64)),
    counts=st.dictionaries(st.text(max_size=5), arrays.arrays(np.int64, st.integers(0, 5)), max_size=3),
)
def test_any_arrays_come_back_with_the_same_bytes(tmp_path_factory, values, counts):
    folder = tmp_path_factory.mktemp("box")
    write_document(Box(values, counts), folder, "box.json")
    found = read_document(Box, folder, "box.json")
    assert found.values.dtype == np.float64
    assert found.values.tobytes() == values.tobytes()
    assert {name: part.tobytes() for name, part in found.parts.items()} == {n: p.tobytes() for n, p in counts.items()}


def test_results_of_before_a_field_was_added_still_load(tmp_path):
    make_result().save(tmp_path)
    document = json.loads((tmp_path / RESULT_FILE).read_text())
    for name in ("sharpe_method", "laboratory", "feature_study"):
        del document[name]
    for one in document["folds"]:
        del one["purged"], one["purged_rows"]
    for one in document["reliability"]:
        del one["histogram"]
    for one in document["learning_curves"]:
        del one["first"], one["axis"]
    for one in document["data"]:
        del one["kind"]
    for one in (document["backtest"], document["paper"]["backtest"]):
        del one["capital"], one["asset"], one["funding_events"]
        one["net_performance"]["deflated_sharpe"] = 0.5
        for name in ("total_return_interval", "max_drawdown_interval", "hit_ratio_interval", "bets"):
            del one["net_performance"][name]
        for reference in one["references"]:
            del reference["total_return_interval"], reference["max_drawdown_interval"]
    (tmp_path / RESULT_FILE).write_text(json.dumps(document))
    loaded = RunResult.load(tmp_path)
    assert (loaded.folds[0].purged, loaded.learning_curves[0].first, loaded.backtest.capital) == (None, 1, None)
    assert len(loaded.reliability[0].histogram) == 0
    assert loaded.laboratory is loaded.feature_study is None
    assert loaded.backtest.net_performance.estimates["max_drawdown"].bounds is None
    assert (
        loaded.backtest.references[0].total_return_estimate.bounds
        is loaded.backtest.references[0].max_drawdown_estimate.bounds
        is None
    )
    assert "Backtest" in render(loaded)


def test_no_result_goes_without_its_count_of_trials(tmp_path):
    made = make_result()
    with pytest.raises(TypeError, match="trials"):
        RunResult(**{name: getattr(made, name) for name in made.__struct_fields__ if name != "trials"})
    made.save(tmp_path)
    document = json.loads((tmp_path / RESULT_FILE).read_text())
    for found in ({}, {"trials": 12}):
        (tmp_path / RESULT_FILE).write_text(json.dumps({**without(document, "trials"), **found}))
        with pytest.raises(StageError, match="trials"):
            RunResult.load(tmp_path)


def without(document, name):
    return {key: value for key, value in document.items() if key != name}


@given(seed=st.integers(0, 2**32 - 1), gap=st.integers(0, 6), reach=st.integers(1, 30))
def test_what_a_fold_says_of_its_purge_is_what_was_purged(seed, gap, reach):
    random = np.random.default_rng(seed)
    t0 = np.sort(random.integers(0, 400, 300)) + 1
    t1 = t0 + random.integers(1, reach + 1, len(t0))
    zeros, ones = np.zeros(len(t0), np.int64), np.ones(len(t0))
    panel = Panel((), (), 1, Samples(zeros, zeros, t0, t0, t1, zeros, ones, ones))
    for fold in PurgedWalkForward(3, t0, t1, 150, gap).folds():
        span, count = purged(panel, fold)
        inside = (t0 >= fold.train_start) & (t0 < fold.train_stop)
        removed = [n for n in np.flatnonzero(inside) if n not in set(fold.train)]
        assert count == len(removed)
        assert (span is None) == (count == 0)
        assert all(t1[n] >= fold.test_start for n in removed)
        if span is not None:
            assert (span.start, span.end) == (min(t0[n] for n in removed), fold.test_start)
        assert last_learned(panel, fold) == max(t1[n] for n in fold.train) < fold.test_start


@pytest.mark.parametrize(
    ("member", "name", "first", "axis"),
    [
        ("lstm", "train_log_loss", 1, "epoch"),
        ("lstm", "validation_log_loss", 0, "epoch"),
        ("lightgbm", "validation_log_loss", 1, "boosting round"),
        ("linear", "validation_log_loss", 1, "penalty, strongest first"),
        ("tcn", "learning_rate", 1, "epoch"),
    ],
)
def test_a_learning_curve_says_where_it_begins_and_along_what_it_runs(member, name, first, axis):
    curve = learning_curve(2, member, name, [0.7, 0.6, 0.5])
    assert (curve.axis, curve.steps.tolist()) == (axis, [first, first + 1, first + 2])


def test_the_lstm_writes_down_the_untrained_network_and_then_every_epoch():
    record = fit(lambda: LstmMember(LstmConfig(epochs=2)), planted(seed=3, rows=900)).record
    curves = {name: learning_curve(0, "lstm", name, values) for name, values in record.curves.items()}
    train, validation = curves["train_log_loss"], curves["validation_log_loss"]
    assert train.steps.tolist() == validation.steps.tolist()[1:]
    assert validation.steps[0] == 0


def test_undefined_numbers_are_null_and_numpy_scalars_are_numbers(tmp_path):
    write_document(Box(np.zeros(1), {}, math.nan), tmp_path, "a.json")
    write_document(Box(np.zeros(1), {}, np.float64(2.5)), tmp_path, "b.json")
    assert json.loads((tmp_path / "a.json").read_text())["number"] is None
    assert read_document(Box, tmp_path, "b.json").number == 2.5


def test_a_changed_array_is_refused(tmp_path):
    make_result().save(tmp_path)
    victim = sorted((tmp_path / "arrays").iterdir())[0]
    content = bytearray(victim.read_bytes())
    content[-1] ^= 1
    victim.write_bytes(content)
    with pytest.raises(StageError, match=f"{victim.name} was changed"):
        RunResult.load(tmp_path)


def test_a_missing_array_and_an_empty_folder_are_named(tmp_path):
    with pytest.raises(StageError, match=r"result\.json is missing"):
        RunResult.load(tmp_path)
    make_result().save(tmp_path)
    victim = sorted((tmp_path / "arrays").iterdir())[0]
    victim.unlink()
    with pytest.raises(StageError, match=f"{victim.name} is missing"):
        RunResult.load(tmp_path)


def test_a_document_of_another_shape_is_refused(tmp_path):
    (tmp_path / RESULT_FILE).write_text('{"name": 3}')
    with pytest.raises(StageError, match=r"result\.json: .*Expected `str`, got `int`"):
        RunResult.load(tmp_path)


def test_what_cannot_be_stored_is_named(tmp_path):
    with pytest.raises(NotImplementedError, match="complex"):
        write_document({"x": 1j}, tmp_path, "x.json")
    assert not (tmp_path / "x.json").exists()


def test_an_unknown_predictor_is_named():
    with pytest.raises(KeyError, match=r"no predictor 'lstn'; there are lstm, lightgbm"):
        make_result().predictor("lstn")


@pytest.mark.parametrize(
    ("estimate", "above", "below"),
    [
        (Estimate(1.0, 0.5, 2.0), True, False),
        (Estimate(1.0, 0.0, 2.0), False, False),
        (Estimate(-1.0, -2.0, -0.5), False, True),
        (Estimate(1.0), False, False),
        (Estimate(1.0, math.nan, math.nan), False, False),
        (Estimate(1.0, 0.5, None), False, False),
        (Estimate(math.nan, -2.0, -1.0), False, False),
        (Estimate(None, None, None), False, False),
    ],
)
def test_an_interval_excludes_zero_only_when_all_of_it_does(estimate, above, below):
    assert (estimate.above_zero, estimate.below_zero) == (above, below)
