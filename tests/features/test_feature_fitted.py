"""Fitted values: of training bars only, constant while an engine runs, part of the digest; refused when absent."""

from __future__ import annotations

import json
import math
import pickle
import re
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from features.catalogue import CATALOGUE, default_features
from features.conformance import check_feature, check_features, demand_equal, plain_bars, replayed, without
from features.engine import FeatureEngine
from features.errors import FeatureError, StateError
from features.feature_set import FeatureSet
from features.fitting import fit_features
from features.nodes import CLOSE, Fitted
from market.bars import FIELDS
from market.time import HOUR, MINUTE
from tests.features.planted_fits import MEAN, OWN, VOLUMES, RowsAndMean

pytestmark = pytest.mark.xdist_group("features")

BARS = plain_bars(3_000, 8, start=777 * MINUTE)
START, STOP = int(BARS["start"][100]), int(BARS["end"][2_099])
FRACTIONAL = FeatureSet(("fractional_z_64_96", "rsi_14", "fractional_log_price_64"), MINUTE, 3)
MINE = FeatureSet((MEAN.name, VOLUMES.name), MINUTE, 3, OWN)


@pytest.fixture(scope="module")
def fitted() -> FeatureSet:
    return fit_features(FRACTIONAL, {"A": BARS}, START, STOP)


def test_an_unfitted_set_is_refused_by_the_names_of_its_features():
    assert FRACTIONAL.unfitted == dict.fromkeys(("fractional_z_64_96", "fractional_log_price_64"), ("fractional_64",))
    with pytest.raises(FeatureError, match="fractional_z_64_96 needs fractional_64; fractional_log_price_64 needs"):
        FeatureEngine(FRACTIONAL)


@settings(deadline=None, max_examples=25)
@given(st.integers(0, 2_000), st.integers(1, 900), st.integers(0, MINUTE - 1))
def test_only_bars_within_the_window_are_looked_at(first, count, late):
    """A window that ends within a bar leaves that bar out, one that starts within a bar likewise."""
    start = int(BARS["start"][first]) - late
    stop = int(BARS["end"][first + count - 1]) + late
    found = fit_features(MINE, {"A": BARS}, start, stop).fitted
    inside = BARS[first : first + count]
    assert found["mean_close"] == (count, float(np.sort(inside["close"]).mean()), 1.0)
    assert found["mean_volume"] == (count, float(np.sort(inside["volume"]).mean()), 1.0)


def test_bars_outside_the_window_change_nothing(fitted):
    shaken = BARS.copy()
    for name in ("open", "high", "low", "close"):
        shaken[name][:100] *= 3.0
        shaken[name][2_100:] *= 7.0
    assert fit_features(FRACTIONAL, {"A": shaken}, START, STOP) == fitted
    assert fit_features(FRACTIONAL, {"A": BARS[50:2_500]}, START, STOP) == fitted


def test_the_order_of_instruments_does_not_matter():
    pair = {"B": BARS, "A": plain_bars(3_000, 9, start=777 * MINUTE)}
    one, other = (fit_features(MINE, dict(sorted(pair.items(), reverse=flip)), START, STOP) for flip in (True, False))
    assert one.digest == other.digest
    assert one.fitted["mean_close"][::2] == (4_000.0, 2.0)


def test_long_gaps_cut_the_training_rows_where_they_empty_the_state():
    bridged = fit_features(MINE, {"A": without(BARS, range(600, 603))}, START, STOP)
    cut = fit_features(MINE, {"A": without(BARS, range(600, 604))}, START, STOP)
    assert bridged.fitted["mean_close"][::2] == (1_997.0, 1.0)
    assert cut.fitted["mean_close"][::2] == (1_996.0, 2.0)


def test_values_outlive_resets_and_gaps(fitted):
    engine = FeatureEngine(fitted)
    gap = replayed(engine, without(BARS, range(900, 904)))
    fresh = replayed(engine, BARS[904:])
    assert np.isfinite(fresh[fitted.warmup - 1 :]).all()
    demand_equal(fitted.names, "after a gap that empties the state", gap[900:], fresh)


def test_other_values_share_the_code_and_nothing_else(fitted):
    nudged = dict(fitted.fitted)
    nudged["fractional_64"] = (*nudged["fractional_64"][:-1], math.nextafter(nudged["fractional_64"][-1], 1.0))
    other = fitted.with_fitted(nudged)
    assert other.code_digest == fitted.code_digest == FRACTIONAL.code_digest
    assert len({other.digest, fitted.digest, FRACTIONAL.digest}) == 3
    engine = FeatureEngine(fitted)
    engine.replay(BARS)
    with pytest.raises(StateError, match="fitted values"):
        FeatureEngine(other).restore(engine.snapshot())
    again = FeatureEngine(fitted.with_fitted(fitted.fitted))
    again.restore(engine.snapshot())
    assert again.snapshot() == engine.snapshot()


def test_values_are_plain_data_and_travel(fitted):
    read = json.loads(json.dumps(dict(fitted.fitted)))
    back = FeatureSet(FRACTIONAL.names, MINUTE, 3, fitted=read)
    copy = pickle.loads(pickle.dumps(fitted))
    assert back == copy == fitted
    assert back.digest == copy.digest == fitted.digest
    assert hash(back) == hash(fitted)
    own = fit_features(MINE, {"A": BARS}, START, STOP)
    assert pickle.loads(pickle.dumps(own)).digest == own.digest


def test_a_pickled_set_means_the_same_in_another_process(tmp_path, fitted):
    own = fit_features(MINE, {"A": BARS}, START, STOP)
    program = (
        "import pickle, sys; sets = pickle.load(open(sys.argv[1], 'rb'))\n"
        "for node in (feature.node for feature in sets[1].features):\n"
        "    assert hash(node) == hash(type(node)(node.kernel, node.inputs, node.params))\n"
        "print(*(one.digest for one in sets))"
    )
    (tmp_path / "sets").write_bytes(pickle.dumps((fitted, own)))
    arguments = [sys.executable, "-c", program, str(tmp_path / "sets")]
    done = subprocess.run(arguments, check=True, capture_output=True, text=True)
    assert done.stdout.split() == [fitted.digest, own.digest]


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"fractional_63": [1.0]}, "no feature of the set needs the fitted values 'fractional_63'"),
        ({"fractional_64": [0.5]}, "must be 65 finite numbers"),
        ({"fractional_64": [0.5, *[math.nan] * 64]}, "must be 65 finite numbers"),
        ({"fractional_64": [0.5, *[math.inf] * 64]}, "must be 65 finite numbers"),
    ],
)
def test_values_that_fit_nothing_are_refused(values, message):
    with pytest.raises(FeatureError, match=message):
        FRACTIONAL.with_fitted(values)


def test_one_name_with_two_meanings_is_refused():
    with pytest.raises(FeatureError, match="clash: the fitted values 'mean_close' mean two things"):
        FeatureSet((MEAN.name, "clash"), MINUTE, 3, OWN)


def test_values_fitted_on_fitted_values_are_refused():
    with pytest.raises(ValueError, match="second is fitted on what needs mean_close"):
        Fitted("second", 1, (MEAN.node,), RowsAndMean())


@pytest.mark.parametrize(("first", "last"), [(0, 127), (10, 11)])
def test_too_few_bars_are_refused_by_name(first, last):
    window = int(BARS["start"][first]), int(BARS["end"][last - 1])
    with pytest.raises(FeatureError, match=rf"fractional_64 cannot be fitted on {last - first} training bars: .*128"):
        fit_features(FRACTIONAL, {"A": BARS}, *window)


def test_an_empty_window_is_refused():
    with pytest.raises(FeatureError, match="mean_close cannot be fitted on 0 training bars: there are none"):
        fit_features(MINE, {"A": BARS, "B": BARS[:0]}, 0, 1)


def test_a_set_without_fitted_features_is_left_as_it_is():
    plain = FeatureSet(("rsi_14",), HOUR, 3)
    assert fit_features(plain, {}, 0, 1) is plain
    assert "state_f[" not in plain.source.split("def replay")[1].split("end = bars_i")[0]


def test_the_default_set_needs_no_fit_and_nothing_expensive():
    names = default_features(FIELDS)
    assert FeatureSet(names, MINUTE, 0).unfitted == {}
    assert {CATALOGUE[name].cost for name in names} == {"cheap"}
    assert "fractional_log_price_64" not in names


def test_own_fitted_features_conform():
    check_feature(MEAN)
    check_features(MINE)


def test_only_the_kernels_a_set_asks_for_are_in_its_module(fitted):
    """Ask for one, pay for one: the generated loop calls the kernels of the set's own graph, each node once."""
    alone = FeatureSet(("rsi_14",), MINUTE, 3)
    both = fitted
    called = re.findall(r"= (k\d+_\w+)\(", alone.source)
    assert len(called) == len(alone.plan.nodes) == 7
    assert "fractional" not in alone.source
    assert {node.kernel.__name__ for node in both.plan.nodes} - {node.kernel.__name__ for node in alone.plan.nodes} == {
        "dispersion",
        "log_level",
        "fractional_difference",
        "window_moments",
        "z_score",
    }
    assert both.source.count("_fractional_difference(") == 1
    assert CLOSE.name in alone.source
