"""The features of funding: off without its fields, exact, and on real perpetuals what the table of fundings says."""

from __future__ import annotations

import numpy as np
import pytest

from features import conformance
from features.catalogue import GROUPS, default_features, disabled_features
from features.conformance import degenerate_series, plain_bars, replayed, without
from features.engine import FeatureEngine
from features.feature_set import FeatureSet
from market.bars import FIELDS, PRICE_FIELDS, empty_bars, present_fields
from market.funding.join import join_funding, join_marks
from market.funding.marks import read_marks
from market.funding.read import read_funding
from market.readers import read_bars
from market.time import DAY, HOUR, MINUTE, SECOND
from tests.features.feature_reference import worst_errors
from tests.features.funding_reference import FUNDING_REFERENCE

pytestmark = pytest.mark.xdist_group("features")

NAMES = tuple(feature.name for feature in GROUPS["funding"])
SUMS = ("funding_sum_1d", "funding_sum_3d", "funding_sum_7d")


def engine_of(interval: int, names: tuple[str, ...] = NAMES) -> FeatureEngine:
    return FeatureEngine(FeatureSet(names, interval, 3))


@pytest.fixture(scope="module")
def engine() -> FeatureEngine:
    return engine_of(MINUTE).build()


def column(rows, name):
    return rows[:, NAMES.index(name)]


def assert_exact(engine, bars):
    features = engine.feature_set.features
    scales, warmup = ({f.name: value(f) for f in features} for value in (lambda f: f.scale, lambda f: f.warmup - 1))
    worst = worst_errors(engine.feature_set.names, scales, replayed(engine, bars), bars, warmup, FUNDING_REFERENCE)
    assert {name: error for name, error in worst.items() if not error <= 1e-9} == {}


def test_they_are_off_where_their_fields_are_missing():
    assert not set(NAMES) & set(default_features(PRICE_FIELDS))
    assert set(NAMES) <= set(default_features(FIELDS))
    without_marks = [name for name in FIELDS if name != "mark_price"]
    assert set(disabled_features(without_marks)) == {name for name in NAMES if name.startswith(("basis", "premium"))}
    assert disabled_features(PRICE_FIELDS)["funding_sum_3d"] == ("needs funding_in, funding_rate, which the bars lack")


def test_they_keep_the_house_s_promises(engine):
    conformance.check_features(engine.feature_set)
    conformance.check_interpreted(engine, plain_bars(1_500, 3))


@pytest.mark.parametrize("hours", [1, 4, 8, 24])
def test_exact_with_fundings_of_any_interval(hours):
    """At 15 minutes, so that weeks of fundings are within reach; intervals change on the way."""
    bars = plain_bars(3_000, hours, interval=15 * MINUTE)
    lengths = np.where(np.arange(3_000) < 1_500, hours, 8) * HOUR
    bars["funding_in"] = (lengths - bars["end"] % lengths) / 1e9
    bars["funding_rate"] = 1e-4 * np.random.default_rng(hours).standard_t(3, 3_000)[bars["end"] // lengths % 3_000]
    assert_exact(engine_of(15 * MINUTE), bars)


@pytest.mark.parametrize("number", range(3, 10))
def test_exact_on_degenerate_bars(engine, number):
    assert_exact(engine, list(degenerate_series(2_000, 9))[number])


def test_exact_over_bridged_holes(engine):
    assert_exact(engine, without(plain_bars(3_000, 4), range(50, 2_900, 7)))


def fundings(rates):
    table = empty_bars(len(rates))
    table["start"] = table["end"] = 8 * HOUR * np.arange(len(rates))
    table["funding_rate"] = rates
    return table


def test_sums_are_those_of_the_table_also_where_rates_come_late():
    """By hand: 8-hour fundings of 1, 2, 3, … bps; the rate is published a minute after the funding."""
    bars = plain_bars(30 * 96, 1, interval=15 * MINUTE)
    table = fundings(np.arange(1, 100) * 1e-4)
    for delay in (0, MINUTE):
        joined = join_funding(bars, table, delay=delay)
        joined = joined[np.isfinite(joined["funding_rate"])]
        rows = replayed(engine_of(15 * MINUTE), joined)
        # At 12:15 of day 20 (from 0) the last funding was at 08:00 of it, the 62nd.
        row = int(np.searchsorted(joined["end"], 20 * DAY + 12 * HOUR + 15 * MINUTE))
        assert [column(rows, name)[row] for name in SUMS] == pytest.approx(
            [60 + 61 + 62, sum(range(54, 63)), sum(range(42, 63))], rel=1e-12
        )
        assert column(rows, "funding_carry")[row] == pytest.approx(62e-4 * 3 * 365, rel=1e-12)
        assert column(rows, "funding_left")[row] == pytest.approx(3.75 / 8, rel=1e-12)
        at = int(np.searchsorted(joined["end"], 20 * DAY + 8 * HOUR))
        newest = 61 if delay else 62
        assert column(rows, "funding_sum_1d")[at] == pytest.approx(60 + 61 + newest, rel=1e-12)


def test_the_clock_turns_once_an_interval(engine):
    bars = plain_bars(3_000, 5)
    rows = replayed(engine, bars)
    angle = 2 * np.pi * (bars["end"] % (8 * HOUR)) / (8 * HOUR)
    np.testing.assert_allclose(column(rows, "funding_turn_sin"), np.sin(angle), atol=1e-9)
    np.testing.assert_allclose(column(rows, "funding_turn_cos"), np.cos(angle), atol=1e-9)


@pytest.mark.real_data
@pytest.mark.parametrize("symbol", ["BTCUSDT", "LAYERUSDT", "ENAUSDT"])
def test_real_fundings_whose_interval_changes(real_data, symbol):
    """Each row's sum is that of the file's own rates; carry and share go by the file's own distances."""
    (table,) = [one.bars for one in read_all(real_data, "um-funding-rate", read_funding) if one.symbol == symbol]
    path = next((real_data / "klines" / "um-futures-1m-ohlcv").glob(f"{symbol}-1m-2025050*"))
    bars = read_bars(path).bars
    joined = join_funding(bars, table, delay=SECOND)
    known = np.isfinite(joined["funding_rate"]) & np.isfinite(joined["funding_in"])
    first = int(np.argmax(known))
    joined = joined[first : first + int(np.argmin(np.append(known[first:], False)))]
    names = tuple(name for name in NAMES if not name.startswith(("basis", "premium")))
    rows = replayed(engine_of(MINUTE, names), joined)
    assert len(joined) > 12 * 1440
    ends, times = joined["end"], table["start"]
    chosen = np.flatnonzero((ends - ends[0] > DAY) & (ends % (8 * HOUR) == 30 * MINUTE))
    lengths = set()
    for row in chosen:
        last = int(np.searchsorted(times, ends[row], side="right")) - 1
        length = int(times[last + 1] - times[last])
        lengths.add(round(length / HOUR))
        for days, name in zip((1, 3, 7), SUMS, strict=True):
            inside = (times <= ends[row]) & (times > max(ends[row] - days * DAY, ends[0]))
            assert rows[row, names.index(name)] == pytest.approx(1e4 * table["funding_rate"][inside].sum(), abs=1e-9)
        rate = table["funding_rate"][last]
        assert rows[row, names.index("funding_carry")] == pytest.approx(rate * 365 * DAY / length, rel=1e-6)
        left = (times[last + 1] - ends[row]) / length
        assert rows[row, names.index("funding_left")] == pytest.approx(left, rel=1e-6)
    assert len(chosen) > 10
    assert len(lengths) > (1 if symbol == "LAYERUSDT" else 0)


def read_all(real_data, prefix, read):
    return [one for path in sorted((real_data / "funding").glob(f"{prefix}*")) for one in read(path)]


@pytest.mark.real_data
def test_real_marks_are_a_few_basis_points_from_the_price(real_data):
    """Eight-hour marks, carried for a minute: of the bars that have one, features by hand."""
    (marks,) = [one.bars for one in read_all(real_data, "um-mark-price", read_marks) if one.symbol == "BTCUSDT"]
    path = next((real_data / "klines" / "um-futures-1m-ohlcv").glob("BTCUSDT-1m-2025050*"))
    joined = join_marks(read_bars(path).bars, marks)
    joined = joined[np.isfinite(joined["mark_price"])]
    assert len(joined) > 60
    assert "mark_price" in present_fields(joined)
    rows = replayed(FeatureEngine(FeatureSet(("basis_bps",), 0, 0)), joined)
    np.testing.assert_allclose(rows[:, 0], 1e4 * np.log(joined["mark_price"] / joined["close"]), rtol=1e-9, atol=1e-9)
    assert 0 < np.abs(rows).max() < 20
