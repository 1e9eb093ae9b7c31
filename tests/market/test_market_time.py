"""Times and intervals as people write them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from market.errors import MarketError
from market.time import DAY, HOUR, MINUTE, SECOND, UNITS, format_interval, format_time, parse_interval, parse_time


@given(st.integers(1, 10**6), st.sampled_from(list(UNITS)))
def test_intervals_round_trip(count, unit):
    nanoseconds = parse_interval(f"{count}{unit}")
    assert nanoseconds == count * UNITS[unit]
    assert parse_interval(format_interval(nanoseconds)) == nanoseconds


@pytest.mark.parametrize(
    ("text", "value"), [("1s", SECOND), ("90s", 90 * SECOND), ("15m", 15 * MINUTE), ("4h", 4 * HOUR), ("1w", 7 * DAY)]
)
def test_units(text, value):
    assert parse_interval(text) == value


@pytest.mark.parametrize("text", ["", "m", "15", "0m", "-1h", "1.5h", "15 m", "15M", "015m", "1d1h", "15m\n"])
def test_what_is_no_interval_is_refused(text):
    with pytest.raises(MarketError, match="is not a whole number and one of s, m, h, d, w"):
        parse_interval(text)


@pytest.mark.parametrize("nanoseconds", [0, -SECOND, 1, SECOND + 1])
def test_intervals_that_cannot_be_written_are_refused(nanoseconds):
    with pytest.raises(MarketError, match=f"{nanoseconds} ns is not a positive whole number of seconds"):
        format_interval(nanoseconds)


@given(st.datetimes(datetime(1700, 1, 1), datetime(2260, 1, 1)))
def test_times_agree_with_exact_datetime_arithmetic(moment):
    exact = (moment.replace(tzinfo=UTC) - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1) * 1000
    assert parse_time(moment.isoformat()) == exact
    assert parse_time(format_time(exact)[:26]) == exact


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1970-01-01", 0),
        ("1970-01-02T00:00", DAY),
        ("1970-01-01T01:00:00+01:00", 0),
        ("1969-12-31T23:59:59.5", -SECOND // 2),
        ("2025-01-31T12:00:00Z", 1738324800 * SECOND),
    ],
)
def test_zones_and_days_before_1970(text, value):
    assert parse_time(text) == value


@pytest.mark.parametrize("text", ["", "yesterday", "31.01.2025", "2025-02-30", "1735516800"])
def test_what_is_no_time_is_refused(text):
    with pytest.raises(MarketError, match="is not ISO 8601"):
        parse_time(text)


@pytest.mark.parametrize(
    ("value", "text"),
    [(0, "1970-01-01T00:00:00Z"), (1, "1970-01-01T00:00:00.000000001Z"), (-1, "1969-12-31T23:59:59.999999999Z")],
)
def test_times_are_written_to_the_nanosecond_where_there_is_one(value, text):
    assert format_time(value) == text
