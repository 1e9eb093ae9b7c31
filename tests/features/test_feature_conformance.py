from __future__ import annotations

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from features import conformance
from features.conformance import degenerate_series, flattened, plain_bars, replayed, without
from features.engine import FeatureEngine
from features.errors import ConformanceError
from features.feature_set import FeatureSet
from market.time import DAY, HOUR, MINUTE
from tests.features.planted_engines import CentredInBatches, Filled, LookingAhead
from tests.features.planted_kernels import BROKEN, COMPILED, JIT_AWARE, SOUND

pytestmark = pytest.mark.xdist_group("features")  # one worker compiles the catalogue, once

BARS = 1_200
FEW = settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
# Gaps of up to 3 missing bars are bridged: leave out single bars and short runs.
holes = st.lists(st.integers(1, BARS - 1), max_size=80, unique=True)


def gappy(seed: int, missing: list[int], start: int) -> np.ndarray:
    bars = plain_bars(BARS, seed, start=start * MINUTE)
    lone = [row for row in sorted(missing) if not {row - 1, row - 2, row - 3} & set(missing)]
    return flattened(without(bars, lone), 300, 340, silent=True)


def test_the_whole_catalogue_conforms(feature_set):
    seen = []
    conformance.check_features(feature_set, tell=seen.append)
    assert seen == ["parity", "warm-up", "memory", "no look-ahead", "units", "finite"]


@FEW
@given(seed=st.integers(0, 999), missing=holes, start=st.integers(0, 10**7), splits=st.sets(st.integers(1, 1_100)))
def test_update_and_restarts_equal_replay(engine, seed, missing, start, splits):
    conformance.check_parity(engine, gappy(seed, missing, start), splits)


@FEW
@given(seed=st.integers(0, 999), missing=holes, start=st.integers(0, 10**7), late=st.sets(st.integers(1, 700)))
def test_finite_memory_is_exact_across_bridged_gaps(engine, seed, missing, start, late):
    bars = gappy(seed, missing, start)
    conformance.check_late_start(engine, bars, late)
    whole = replayed(engine, bars)
    for place in (*range(3, 23), *range(23, 700, 12)):
        conformance.check_forgotten(engine, bars, place, whole)


@FEW
@given(seed=st.integers(0, 999), cuts=st.sets(st.integers(1, BARS - 1), min_size=1, max_size=5))
def test_the_future_never_changes_the_past(engine, seed, cuts):
    conformance.check_no_lookahead(engine, plain_bars(BARS, seed), cuts)


def test_interpreted_code_gives_the_same_bits(engine):
    bars = gappy(5, list(range(10, BARS, 17)), 12_345)
    bars["high"][600:620] *= 3.0
    conformance.check_interpreted(engine, bars)


def test_interpreted_code_gives_the_same_bits_on_degenerate_bars(engine):
    pieces = [bars[:500] for bars in degenerate_series(500, 3)]
    for number, bars in enumerate(pieces):
        bars["start"] += number * DAY
        bars["end"] += number * DAY
    conformance.check_interpreted(engine, np.concatenate(pieces))


def alone(feature) -> FeatureSet:
    return FeatureSet((feature.name,), MINUTE, 3, {feature.name: feature})


@pytest.mark.parametrize("promise", BROKEN)
def test_broken_features_are_caught_by_the_promise_they_break(promise):
    broken, seen = BROKEN[promise], []
    with pytest.raises(ConformanceError, match=f"^{broken.feature.name}: {broken.said}"):
        conformance.check_features(alone(broken.feature), tell=seen.append)
    assert seen[-1] == broken.check


@pytest.mark.skipif(not COMPILED, reason="without the JIT both sides are interpreted")
def test_a_feature_that_knows_of_the_jit_is_caught_by_the_interpreter_alone():
    conformance.check_feature(JIT_AWARE)
    with pytest.raises(ConformanceError, match=r"^aware: compiled and interpreted code differ: row 0 is"):
        conformance.check_interpreted(FeatureEngine(alone(JIT_AWARE)), plain_bars(20, 1))


ENGINES = {
    LookingAhead: (
        lambda engine, bars: conformance.check_no_lookahead(engine, bars, [50]),
        r"bars from 50 on change the past: row 49 is .* \(1 cells of 50 differ\)",
    ),
    CentredInBatches: (
        lambda engine, bars: conformance.check_parity(engine, bars, [50]),
        "update and replay in pieces differ from one replay: row 5 is",
    ),
    Filled: (conformance.check_warmup, "declared warm-up 6, but it has values before"),
}


@pytest.mark.parametrize("kind", ENGINES, ids=lambda one: one.__name__)
def test_broken_engines_are_caught(kind):
    check, said = ENGINES[kind]
    check(FeatureEngine(alone(SOUND)), plain_bars(100, 1))
    with pytest.raises(ConformanceError, match=f"^{SOUND.name}: {said}"):
        check(kind(alone(SOUND)), plain_bars(100, 1))


def test_a_feature_of_ones_own_passes():
    conformance.check_feature(SOUND, HOUR)


def test_tick_bars_have_no_grid(engine):
    names = ("momentum_t_48", "runup_96", "rsi_14", "cci_20")
    ticks = FeatureEngine(FeatureSet(names, 0, 0))
    bars = plain_bars(600, 4)
    bars["start"] += np.arange(600) * 7
    bars["end"] = bars["start"] + np.arange(600) % 1_000
    conformance.check_parity(ticks, bars, [100, 101, 400])
    grid = replayed(engine, plain_bars(600, 4))[:, [engine.feature_set.names.index(name) for name in names]]
    np.testing.assert_allclose(replayed(ticks, bars), grid, rtol=1e-9, atol=1e-9)
