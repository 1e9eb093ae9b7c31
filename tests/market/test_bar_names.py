"""Names of bars: one for each, read back exactly, and nothing else is taken for one."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from market.bar_builders.names import is_spec_name, parse_rule, parse_spec, spec_name
from market.bar_builders.spec import KINDS, Adaptive, BarSpec
from market.errors import LakeError, MarketError
from market.lake import SeriesKey
from market.time import HOUR

LEVELS = [kind for kind in KINDS if kind != "time" and not kind.endswith(("_imbalance", "_run"))]
SIGNED = [kind for kind in KINDS if kind.endswith(("_imbalance", "_run"))]
positive = st.floats(min_value=1e-300, max_value=1e300)
spans = st.floats(min_value=1.0, max_value=1e12)


@st.composite
def rules(draw):
    least, expected, most = sorted(draw(st.lists(st.integers(1, 10**12), min_size=3, max_size=3)))
    return Adaptive(expected, draw(spans), draw(spans), least, most)


specs = st.one_of(
    st.builds(BarSpec, st.sampled_from(LEVELS), threshold=positive, sides=st.sampled_from(["source", "tick_rule"])),
    st.builds(BarSpec, st.sampled_from(SIGNED), threshold=positive, sides=st.sampled_from(["source", "tick_rule"])),
    st.builds(BarSpec, st.sampled_from(SIGNED), adaptive=rules(), sides=st.sampled_from(["source", "tick_rule"])),
)


@given(specs)
def test_a_name_is_read_back_as_the_same_bars(spec):
    name = spec_name(spec)
    assert is_spec_name(name)
    assert parse_spec(name) == spec
    if len(name) < 200:
        key = SeriesKey("venue", "BTC", "bars", name)
        assert key.off_grid
        assert key.nanoseconds == 0
        assert SeriesKey.from_folder(key.folder) == key


def test_time_bars_are_named_by_their_interval():
    assert spec_name(BarSpec("time", interval=HOUR)) == "1h"
    assert not is_spec_name("1h")
    assert not SeriesKey("venue", "BTC", "bars", "1h").off_grid
    with pytest.raises(MarketError, match="time bars that take sides from the tick rule have no name"):
        spec_name(BarSpec("time", interval=HOUR, sides="tick_rule"))


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("dollar-1e6", "its end is neither a plain number nor"),
        ("dollar-1000000.0", "write 'dollar-1000000'"),
        ("dollar-01000000", "write 'dollar-1000000'"),
        ("dollar-0", "must be above zero"),
        ("dollar-", "its end is neither"),
        ("dollar-adaptive-1:2:3:1:5", "only imbalance and run bars have adaptive ones"),
        ("dollar-run-adaptive-1:2:3", "is not expected_ticks:bar_span"),
        ("dollar-run-adaptive-5:2:3:9:9", "must be ascending"),
        ("dollar-run-adaptive-5:2.0:3:1:9", "write 'dollar-run-adaptive-5:2:3:1:9'"),
        ("dollar-5-tick-rule-tick-rule", "its end is neither"),
        ("tick-imbalance", "its end is neither"),
    ],
)
def test_what_is_not_canonical_is_refused_with_the_name_that_is(name, message):
    with pytest.raises(MarketError, match=message):
        parse_spec(name)
    with pytest.raises(MarketError, match=message):
        SeriesKey("venue", "BTC", "bars", name)


def test_other_texts_are_still_no_intervals():
    with pytest.raises(MarketError, match="interval 'dollars' is not a whole number"):
        SeriesKey("venue", "BTC", "bars", "dollars")
    with pytest.raises(MarketError, match="names no bars"):
        parse_spec("15m")
    with pytest.raises(LakeError, match="cannot name a series"):
        SeriesKey("venue", "BTC", "bars", "dollar-5/..")


def test_a_rule_needs_five_numbers():
    assert parse_rule("500:20:2000.5:50:5000") == Adaptive(500, 20.0, 2000.5, 50, 5000)
    with pytest.raises(MarketError, match="such as 500:20:2000:50:5000"):
        parse_rule("500")
