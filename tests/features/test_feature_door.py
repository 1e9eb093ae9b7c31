from __future__ import annotations

import ast
import math
import re
from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from features.conformance import demand_equal, plain_bars, replayed
from features.door import first_refused, refusal
from features.engine import FeatureEngine
from features.errors import BarError, FeatureError
from features.feature_set import FeatureSet
from market.bars import COLUMN, FIELDS, PRICE_FIELDS, as_matrix, as_times
from market.time import DAY, MINUTE

pytestmark = pytest.mark.xdist_group("features")  # one worker compiles the catalogue, once

NAMES = ("taker_imbalance", "trade_count_z_96", "return_ewma_8", "volume_z_24")
BARS = plain_bars(400, 12, start=1_000 * MINUTE)


@pytest.fixture(scope="module")
def engine() -> FeatureEngine:
    return FeatureEngine(FeatureSet(NAMES, MINUTE, 3)).build()


NAN, INF = math.nan, math.inf
REFUSED = [
    *(
        (field, value, "is not a price")
        for field in PRICE_FIELDS[:4]
        for value in (NAN, INF, -INF, 0.0, -1.0, 1e19, 1e-19)
    ),
    *(("volume", value, "is neither 0 nor") for value in (NAN, INF, -1.0, 1e19, 1e-19)),
    ("high", 1.0, "is below the bar's"),
    ("low", 1e6, "is above the bar's"),
    ("taker_buy_volume", NAN, "missing or not finite, and feature taker_imbalance reads it"),
    ("taker_buy_volume", INF, "missing or not finite"),
    ("taker_buy_volume", -1.0, "is negative"),
    ("taker_buy_volume", 1e17, "is more than the bar's volume"),
    ("trade_count", NAN, "feature trade_count_z_96 reads it"),
    ("trade_count", -2.0, "is negative"),
]


@pytest.mark.parametrize("place", [0, 50])
@pytest.mark.parametrize(("field", "value", "message"), REFUSED)
def test_bad_values_are_refused_by_name_and_change_nothing(engine, field, value, message, place):
    engine.reset()
    engine.replay(BARS[:100])
    before = engine.snapshot()
    bad = BARS[100:300].copy()
    bad[field][place] = value
    with pytest.raises(BarError, match=message) as refusal:
        engine.replay(bad)
    assert str(refusal.value).startswith(f"bar {place} (start 1970-01-01T")
    assert f"{field} {float(value)!r}" in str(refusal.value)
    assert engine.snapshot() == before
    if place == 0:
        with pytest.raises(BarError, match=message):
            engine.update(bad[0])
        assert engine.snapshot() == before
    demand_equal(NAMES, "after a refusal", engine.replay(BARS[100:]), replayed(engine, BARS)[100:])


def times_changed(field: str, row: int, shift: int) -> np.ndarray:
    bars = BARS[100:110].copy()
    bars[field][row] += shift
    return bars


WRONG_TIMES = {
    "duplicate": (np.concatenate([BARS[100:103], BARS[102:105]]), 3, "start .* is before the end of the bar before"),
    "out of order": (BARS[[100, 102, 101]], 2, "start .* is before the end of the bar before"),
    "already seen": (BARS[99:105], 0, "start .* is before the end of the bar before"),
    "off the grid": (times_changed("start", 4, 1_000), 4, "start .* is not on the grid"),
    "too long": (times_changed("end", 4, MINUTE), 4, "end .* is not one interval"),
    "too short": (times_changed("end", 4, -1), 4, "end .* is not one interval"),
    "negative": (times_changed("start", 0, -10_000 * MINUTE), 0, "start .* is before 1970"),
}


@pytest.mark.parametrize("what", WRONG_TIMES)
def test_bad_times_are_refused(engine, what):
    bars, row, message = WRONG_TIMES[what]
    engine.reset()
    engine.replay(BARS[:100])
    before = engine.snapshot()
    with pytest.raises(BarError, match=rf"^bar {row} .*{message}"):
        engine.replay(bars)
    assert engine.snapshot() == before


def test_no_kernel_can_be_given_a_later_bar(feature_set):
    """Looking ahead cannot be written: behind the door, generated code reads the bars at its own row and nowhere else.

    Whole arrays go to the door, which changes nothing; kernels are passed values of this row, and state.
    """
    (replay,) = [one for one in ast.parse(feature_set.source).body if isinstance(one, ast.FunctionDef)]
    above = {child: one for one in ast.walk(replay) for child in ast.iter_child_nodes(one)}
    names = [one for one in ast.walk(replay) if isinstance(one, ast.Name)]
    uses = Counter(
        re.sub(r"\d+([])])$", r"#\1", ast.unparse(above[one])) for one in names if one.id in ("bars_f", "bars_i")
    )
    door = "first_refused(bars_f, bars_i, state_i, #)"
    assert set(uses) == {"bars_f[row, #]", "bars_i[row, #]", "bars_f.shape", door}
    assert (uses["bars_f.shape"], uses[door]) == (1, 2), "the loop's length; one call of the door, which takes both"
    (row,) = [one for one in names if one.id == "row" and isinstance(one.ctx, ast.Store)]
    assert ast.unparse(above[row].iter) == "range(bars_f.shape[0])"
    before = (as_matrix(BARS).copy(), as_times(BARS).copy(), np.zeros(8, np.int64))
    given = [one.copy() for one in before]
    assert first_refused(*given, 0) == -1
    assert [one.tobytes() for one in given] == [one.tobytes() for one in before]


def test_rows_may_be_written_into_a_table_that_is_given(feature_set):
    engine = FeatureEngine(feature_set)
    out = np.full((len(BARS), len(feature_set.names)), 7.0)
    assert engine.replay(BARS, out) is out
    engine.reset()
    assert out.tobytes() == engine.replay(BARS).tobytes()
    engine.reset()
    before, bad = engine.snapshot(), BARS.copy()
    bad["close"][-1] = -1.0
    with pytest.raises(BarError):
        engine.replay(bad, out)
    for table in (out[:-1], out.astype(np.float32), np.asfortranarray(out), out.T):
        with pytest.raises(FeatureError, match=r"out is float.* need contiguous, writeable float64 of shape \(400, "):
            engine.replay(BARS, table)
    assert engine.snapshot() == before
    assert out.tobytes() == engine.replay(BARS).tobytes()


@settings(max_examples=200, deadline=None)
@given(
    field=st.sampled_from(("open", "high", "low", "close", "volume", "trade_count", "taker_buy_volume")),
    row=st.integers(0, 299),
    value=st.floats(width=64),
)
def test_whatever_a_field_holds_is_refused_or_finite(engine, field, row, value):
    bars = BARS[:300].copy()
    bars[field][row] = value
    engine.reset()
    try:
        rows = engine.replay(bars)
    except BarError:
        rows = np.zeros((0, 1))
    assert engine.count == len(rows)
    assert np.isfinite(rows[engine.feature_set.warmup - 1 :]).all()


def test_fields_that_no_feature_reads_may_be_missing():
    bars = BARS.copy()
    for field in bars.dtype.names[7:]:
        bars[field] = np.nan
    rows = FeatureEngine(FeatureSet(("volume_z_24",), MINUTE, 3)).replay(bars)
    assert np.isfinite(rows[23:]).all()


OPTIONAL = FIELDS[FIELDS.index("quote_volume") :]
SIGNED = (
    *("order_flow_imbalance", "multilevel_order_flow_imbalance", "funding_rate", "market_return", "market_breadth"),
    *("return_rank", "momentum_rank_24", "momentum_rank_96", "volatility_rank", "volume_rank"),
)


@pytest.mark.parametrize("field", OPTIONAL)
def test_every_optional_field_has_its_own_rule(field):
    """The door's mask, column and sentence agree for each of the optional columns, the last one too."""
    bars = BARS[:3].copy()
    mask = 1 << COLUMN[field]
    state = np.zeros(8, np.int64)
    assert first_refused(as_matrix(bars), as_times(bars), state, mask) == -1
    for value, sentence in (
        (np.nan, "missing or not finite"),
        (np.inf, "missing or not finite"),
        (-1.0, "is negative"),
    ):
        bars[field][1] = value
        for unread in (0, *(1 << COLUMN[other] for other in OPTIONAL if other != field)):
            assert first_refused(as_matrix(bars), as_times(bars), state, unread) == -1
        code = first_refused(as_matrix(bars), as_times(bars), state, mask)
        if value < 0 and field in SIGNED:
            assert code == -1
        else:
            assert re.match(rf"bar 1 \(start .*\): {field} {value!r} .*{sentence}", str(refusal(bars, code, {})))


def test_a_set_names_what_the_bars_lack(engine):
    with pytest.raises(
        FeatureError, match="taker_imbalance needs taker_buy_volume; trade_count_z_96 needs trade_count"
    ):
        engine.feature_set.require(PRICE_FIELDS)
    engine.feature_set.require((*PRICE_FIELDS, "taker_buy_volume", "trade_count"))


def test_weekly_bars_begin_on_mondays():
    week = 7 * DAY
    bars = plain_bars(120, 1, interval=week, start=4 * DAY)
    weekly = FeatureEngine(FeatureSet(("volume_z_24",), week, 0))
    assert np.isfinite(weekly.replay(bars)[-1, 0])
    weekly.reset()
    with pytest.raises(BarError, match="not on the grid"):
        weekly.replay(plain_bars(120, 1, interval=week))
