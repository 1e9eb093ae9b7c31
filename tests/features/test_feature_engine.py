from __future__ import annotations

import os
import pickle
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from features.conformance import demand_equal, plain_bars, replayed, without
from features.engine import FeatureEngine, row_hash, row_hashes
from features.errors import FeatureError, StateError
from features.feature_set import FeatureSet
from market.time import HOUR, MINUTE
from tests.features.planted_kernels import SOUND

pytestmark = pytest.mark.xdist_group("features")  # one worker compiles the catalogue, once

BARS = plain_bars(1_000, 8, start=777 * MINUTE)
SMALL = ("return_ewma_8", "rsi_14", "drawdown_96", "hour_sin")


@pytest.fixture(scope="module")
def small() -> FeatureEngine:
    return FeatureEngine(FeatureSet(SMALL, MINUTE, 3)).build()


def test_a_subset_costs_less_and_gives_the_same_bits(engine, small):
    columns = [engine.feature_set.names.index(name) for name in SMALL]
    demand_equal(SMALL, "subset", replayed(small, BARS), replayed(engine, BARS)[:, columns])
    assert len(small.feature_set.plan.nodes) < 25 < len(engine.feature_set.plan.nodes)
    assert len(small.snapshot()) < len(engine.snapshot()) / 10


def test_order_of_names_is_the_order_of_columns(small):
    other = FeatureEngine(FeatureSet(SMALL[::-1], MINUTE, 3))
    demand_equal(SMALL, "reversed", replayed(other, BARS)[:, ::-1], replayed(small, BARS))
    assert other.feature_set.digest != small.feature_set.digest


def test_shared_steps_are_computed_once():
    one, both = (
        len(FeatureSet(names, MINUTE, 0).plan.nodes) for names in (("trend_t_24",), ("trend_t_24", "price_z_24"))
    )
    assert both - one <= 2 + 4  # the z-score, its scaling, and nothing of the window


def test_gap_rule(engine):
    warmup = engine.feature_set.warmup
    bridged = replayed(engine, without(BARS, range(600, 603)))
    assert np.isfinite(bridged[warmup - 1 :]).all()
    emptied = replayed(engine, without(BARS, range(600, 604)))
    assert engine.count == len(BARS) - 604
    demand_equal(engine.feature_set.names, "after a long gap", emptied[600:], replayed(engine, BARS[604:]))


def test_count_and_last_end(small):
    small.reset()
    assert small.count == 0
    assert small.last_end is None
    small.replay(BARS[:10])
    assert small.count == 10
    assert small.last_end == BARS["end"][9]


def test_update_takes_records_and_single_rows(small):
    small.reset()
    first = small.update(BARS[0])
    small.reset()
    np.testing.assert_array_equal(first, small.update(BARS[:1]))
    with pytest.raises(FeatureError, match="one bar, not 2"):
        small.update(BARS[1:3])


def test_rows_returned_are_not_overwritten(small):
    small.reset()
    small.replay(BARS[:200])
    first = small.update(BARS[200])
    kept = first.copy()
    small.update(BARS[201])
    np.testing.assert_array_equal(first, kept)


def test_read_only_and_strided_bars_are_read(small):
    frozen = BARS.copy()
    frozen.flags.writeable = False
    expected = replayed(small, BARS)
    demand_equal(SMALL, "read-only", replayed(small, frozen), expected)
    wide = np.zeros((len(BARS), 2), BARS.dtype)
    wide[:, 0] = BARS
    demand_equal(SMALL, "strided", replayed(small, wide[:, 0]), expected)
    with pytest.raises(FeatureError, match="dtype"):
        small.replay(np.zeros(3))


def test_a_damaged_or_foreign_snapshot_is_refused(small):
    small.reset()
    small.replay(BARS[:300])
    snapshot = small.snapshot()
    before = small.state.copy()
    for place in (0, 10, 60, len(snapshot) - 1):
        damaged = bytearray(snapshot)
        damaged[place] ^= 1
        with pytest.raises(StateError, match="no intact"):
            small.restore(bytes(damaged))
    for short in (b"", snapshot[:-1], snapshot[:20]):
        with pytest.raises(StateError):
            small.restore(short)
    for other in (FeatureSet(SMALL, HOUR, 3), FeatureSet(SMALL, MINUTE, 4), FeatureSet(SMALL[:3], MINUTE, 3)):
        with pytest.raises(StateError, match="replay the bars"):
            FeatureEngine(other).restore(snapshot)
    np.testing.assert_array_equal(small.state, before)
    assert small.snapshot() == snapshot


def test_grids_share_code_but_not_digests():
    one, other = FeatureSet(SMALL, MINUTE, 3), FeatureSet(SMALL, HOUR, 0)
    assert one.code_digest == other.code_digest
    assert one.digest != other.digest


def test_digest_covers_the_kernels_source(monkeypatch):
    from features import feature_set

    before = FeatureSet(SMALL, MINUTE, 3).digest
    real = feature_set.inspect.getsource
    monkeypatch.setattr(
        feature_set.inspect,
        "getsource",
        lambda function: real(function) + ("# edited" if function.__name__ == "log_ratio" else ""),
    )
    assert FeatureSet(SMALL, MINUTE, 3).digest != before
    assert FeatureSet(("hour_sin",), MINUTE, 3).digest == FeatureSet(("hour_sin",), MINUTE, 3).digest


def test_the_next_process_loads_from_the_cache(small):
    program = (
        "from features.feature_set import FeatureSet\n"
        "from features.build import build\n"
        f"replay = build(FeatureSet({SMALL!r}, {MINUTE}, 3))\n"
        "print(sum(replay.stats.cache_hits.values()), sum(replay.stats.cache_misses.values()))\n"
    )
    root = Path(__file__).resolve().parents[2]
    output = subprocess.run(
        [sys.executable, "-c", program], check=True, capture_output=True, text=True, cwd=root, env=dict(os.environ)
    )
    assert output.stdout.split() == ["1", "0"]


def test_feature_sets_can_be_pickled(small):
    assert small.feature_set.digest
    copy = pickle.loads(pickle.dumps(small.feature_set))
    assert copy == small.feature_set
    assert copy.digest == small.feature_set.digest
    own = FeatureSet((SOUND.name,), MINUTE, 3, {SOUND.name: SOUND})
    assert pickle.loads(pickle.dumps(own)).digest == own.digest


def test_build_reports_progress(small):
    seen = []
    FeatureEngine(small.feature_set).build(lambda message, fraction: seen.append((message, fraction)))
    assert [fraction for _, fraction in seen] == [0.0, 0.1, 1.0]
    assert "4 features" in seen[-1][0]


@pytest.mark.parametrize(
    ("names", "interval", "max_gap", "message"),
    [
        ((), MINUTE, 3, "at least one"),
        (("rsi_15",), MINUTE, 3, "did you mean rsi_14"),
        (("rsi_14", "rsi_14"), MINUTE, 3, "'rsi_14' is twice"),
        (("rsi_14",), -1, 3, "must not be negative"),
        (("rsi_14",), MINUTE, -1, "must not be negative"),
    ],
)
def test_bad_feature_sets_are_refused(names, interval, max_gap, message):
    with pytest.raises(FeatureError, match=message):
        FeatureSet(names, interval, max_gap)


def test_row_hash_sees_every_bit(engine):
    row = replayed(engine, BARS)[-1]
    hashes = {row_hash(row)}
    for column in range(len(row)):
        for bit in (0, 31, 63):
            changed = row.copy()
            changed.view(np.uint64)[column] ^= np.uint64(1 << bit)
            hashes.add(row_hash(changed))
    assert len(hashes) == 1 + 3 * len(row)
    assert all(-(2**63) <= value < 2**63 for value in hashes)
    assert any(value < 0 for value in hashes)


def splitmix(words: list[int]) -> int:
    """The row hash in Python's unbounded integers."""
    mask = (1 << 64) - 1
    state = 0x9E3779B97F4A7C15
    for word in words:
        state = ((state ^ word) + 0x9E3779B97F4A7C15) & mask
        state = ((state ^ (state >> 30)) * 0xBF58476D1CE4E5B9) & mask
        state = ((state ^ (state >> 27)) * 0x94D049BB133111EB) & mask
        state ^= state >> 31
    return state - (1 << 64) if state >> 63 else state


def test_row_hashes_equal_a_big_integer_version():
    rows = np.random.default_rng(0).standard_normal((50, 7))
    expected = [splitmix(words) for words in rows.view(np.uint64).tolist()]
    assert row_hashes(rows).tolist() == expected
    assert [row_hash(row) for row in rows] == expected
    assert row_hashes(rows[:, ::2]).tolist() == [
        splitmix(words) for words in rows[:, ::2].copy().view(np.uint64).tolist()
    ]


def test_threads_that_build_the_same_features_at_once_get_the_same_loop():
    names = ("rsi_14", "scaled_return_4", "drawdown_96")
    sets = [FeatureSet(names, 60_000_000_000, gap) for gap in range(8)]  # the same code, in eight engines
    with ThreadPoolExecutor(8) as pool:
        rows = list(pool.map(lambda one: FeatureEngine(one).replay(plain_bars(300, 1)), sets))
    assert all(one.tobytes() == rows[0].tobytes() for one in rows)
