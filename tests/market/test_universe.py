"""The point-in-time universe: no survivors' list, names through time, series through changes of the unit."""

from __future__ import annotations

import gzip
import json
from decimal import Decimal
from fractions import Fraction
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from market_bars import random_bars

from market.bars import FIELDS, PANEL_FIELDS
from market.errors import UniverseError
from market.time import DAY, HOUR, MINUTE, parse_time
from market.universe import ALWAYS, Listing, Universe
from market.universe_bars import PRICES, QUANTITIES, adjusted_bars, scaled
from market.universe_files import from_snapshots, read_universe, write_universe

T = parse_time


@st.composite
def universes(draw):
    """Instruments with a few listings each, some renamed, some with gaps, some of other multipliers; days from 0."""
    listings = []
    for number in range(draw(st.integers(1, 6))):
        cuts = sorted(draw(st.sets(st.integers(0, 60), min_size=2, max_size=6)))
        pieces = list(pairwise(cuts))[:: draw(st.sampled_from([1, 2]))]
        for place, (start, stop) in enumerate(pieces):
            open_end = place == len(pieces) - 1 and draw(st.booleans())
            symbol = f"S{number}" if draw(st.booleans()) else f"S{number}R{place}"
            multiplier = Decimal(draw(st.sampled_from(["1", "1000"])))
            end = None if open_end else stop * DAY
            listings.append(Listing(f"I{number}", start * DAY, symbol, end, multiplier))
    return listings


DAYS = st.integers(-2, 65)


@given(universes(), DAYS, DAYS)
def test_members_are_what_each_listing_says(listings, day, other):
    at = day * DAY + 7
    expected = sorted(one.symbol for one in listings if one.start <= at and (one.stop is None or one.stop > at))
    universe = Universe(reversed(listings))
    assert list(universe.members(at)) == expected
    assert universe == Universe(listings)
    for symbol in expected:
        listing = universe.resolve(symbol, at)
        assert (listing.symbol, listing.holds(at)) == (symbol, True)


@settings(max_examples=200)
@given(universes(), DAYS, DAYS, st.data())
def test_a_universe_made_at_a_time_has_no_later_listing_and_keeps_what_was_delisted_later(listings, day, later, data):
    at, after = day * DAY, day * DAY + abs(later) * DAY
    known = Universe(listings).as_of(at)
    full = Universe(listings)
    for moment in {at, at - DAY, at - 30 * DAY}:
        assert known.members(moment) == full.members(moment)
    # As far as it is known then, whatever is traded goes on being traded.
    assert set(known.members(after)) == set(full.members(at))
    assert all(one.start <= at for one in known.listings)
    # Nothing that happens later changes it: drop, cut or add listings in the future.
    future = [one for one in listings if one.start > at]
    dropped = data.draw(st.sets(st.sampled_from(future))) if future else set()
    changed = [one for one in listings if one not in dropped]
    changed = [
        Listing(one.instrument, one.start, one.symbol, at + DAY, one.multiplier)
        if one.stop is not None and one.start <= at < one.stop and at + DAY <= one.stop
        else one
        for one in changed
    ]
    changed.append(Listing("NEW", at + 1, "NEWUSDT"))
    assert Universe(changed).as_of(at) == known


MATIC = [
    Listing("MATIC", T("2019-04-26"), "MATICUSDT", T("2024-09-10")),
    Listing("MATIC", T("2024-09-13"), "POLUSDT"),
]
LUNA = [
    Listing("LUNC", T("2020-08-21"), "LUNAUSDT", T("2022-05-13")),
    Listing("LUNC", T("2022-09-09"), "LUNCUSDT"),
    Listing("LUNA2", T("2022-05-31"), "LUNAUSDT"),
]


def test_a_symbol_means_what_it_meant_then():
    universe = Universe([*MATIC, *LUNA])
    assert universe.resolve("LUNAUSDT", T("2021-01-01")).instrument == "LUNC"
    assert universe.resolve("LUNAUSDT", T("2023-01-01")).instrument == "LUNA2"
    assert universe.renamed("LUNAUSDT", T("2021-01-01"), T("2023-01-01")) == "LUNCUSDT"
    assert universe.renamed("LUNCUSDT", T("2023-01-01"), T("2021-01-01")) == "LUNAUSDT"
    assert [one.symbol for one in universe.history("POLUSDT", T("2025-01-01"))] == ["MATICUSDT", "POLUSDT"]
    with pytest.raises(UniverseError, match=r"LUNAUSDT was not traded at 2022-05-20.*LUNC as LUNAUSDT from 2020-08-21"):
        universe.resolve("LUNAUSDT", T("2022-05-20"))
    with pytest.raises(UniverseError, match=r"NOUSDT was not traded at .*it is not in the universe at all"):
        universe.resolve("NOUSDT", 0)
    with pytest.raises(UniverseError, match=r"what was MATICUSDT at 2020.* was not traded at 2024-09-11"):
        universe.renamed("MATICUSDT", T("2020-01-01"), T("2024-09-11"))
    with pytest.raises(UniverseError, match="named LUNA2 and LUNC one after the other"):
        universe.spans("LUNAUSDT", T("2022-01-01"), T("2023-01-01"))
    with pytest.raises(UniverseError, match="named nothing between"):
        universe.spans("NOUSDT", 0, 1)


def test_alive_is_throughout_and_through_renames_without_a_gap():
    seamless = [Listing("A", 0, "OLD", 10 * DAY), Listing("A", 10 * DAY, "NEW")]
    universe = Universe([*seamless, *MATIC])
    assert universe.alive("OLD", DAY, 9 * DAY)
    assert universe.alive("OLD", DAY, 20 * DAY)
    assert universe.alive("NEW", DAY, 20 * DAY)
    assert not universe.alive("OLD", -1, 5 * DAY)
    assert not universe.alive("NEW", DAY, 5 * DAY)  # it was not called so then
    assert universe.alive("MATICUSDT", T("2020-01-01"), T("2024-09-10"))
    assert not universe.alive("MATICUSDT", T("2020-01-01"), T("2024-09-14"))  # three days without trading
    assert not universe.alive("GONE", 0, 1)


@pytest.mark.parametrize(
    ("listings", "message"),
    [
        ([Listing("A", 0, "X", 5), Listing("A", 4, "Y")], "instrument A is listed twice"),
        ([Listing("A", 0, "X"), Listing("A", 4, "Y")], "instrument A is listed twice"),
        ([Listing("A", 0, "X", 5), Listing("B", 4, "X")], "symbol X is listed twice"),
    ],
)
def test_contradictions_are_refused(listings, message):
    with pytest.raises(UniverseError, match=message):
        Universe(listings)


def test_impossible_listings_are_refused():
    with pytest.raises(UniverseError, match="X: delisted 1970-01-01T00:00:00Z, not after it was listed"):
        Listing("A", 0, "X", 0)
    for text in ("0", "-1", "NaN", "Infinity"):
        with pytest.raises(UniverseError, match=f"multiplier is {text}; it must be above zero"):
            Listing("A", 0, "X", multiplier=Decimal(text))


TABLE = """instrument,symbol,listed,delisted,multiplier
PEPE,1000PEPEUSDT,2023-05-05,2024-06-01T12:00,1000
PEPE,PEPEUSDT,2024-06-01T12:00,,
,BTCUSDT,2017-08-17,,1
"""
TOML = """
[[listing]]
instrument = "PEPE"
symbol = "1000PEPEUSDT"
listed = 2023-05-05
delisted = "2024-06-01T12:00"
multiplier = 1000

[[listing]]
instrument = "PEPE"
symbol = "PEPEUSDT"
listed = "2024-06-01T12:00"

[[listing]]
symbol = "BTCUSDT"
listed = "2017-08-17"
"""
PEPE = Universe(
    [
        Listing("PEPE", T("2023-05-05"), "1000PEPEUSDT", T("2024-06-01T12:00"), Decimal(1000)),
        Listing("PEPE", T("2024-06-01T12:00"), "PEPEUSDT"),
        Listing("BTCUSDT", T("2017-08-17"), "BTCUSDT"),
    ]
)


@pytest.mark.parametrize(("name", "content"), [("u.csv", TABLE), ("u.toml", TOML)])
def test_tables_are_read_and_written(tmp_path, name, content):
    (tmp_path / name).write_text(content)
    universe = read_universe(tmp_path / name)
    assert universe == PEPE
    write_universe(universe, tmp_path / "again.csv")
    assert read_universe(tmp_path / "again.csv") == PEPE


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.csv", "symbol,listed\nA,soon\n", r"a\.csv: listing 1: time 'soon' is not ISO 8601"),
        ("a.csv", "symbol,listed\nA,\n", r"listing 1 .* must have symbol and listed"),
        ("a.csv", "symbol,listed,colour\nA,2020-01-01,red\n", "nothing but instrument, symbol"),
        ("a.csv", "symbol,listed\nA,2020-01-01,extra\n", "nothing but instrument, symbol"),
        ("a.csv", "symbol,listed,multiplier\nA,2020-01-01,many\n", "multiplier 'many' is not a number"),
        ("a.csv", "symbol,listed,multiplier\nA,2020-01-01,-3\n", "listing 1: A: multiplier is -3"),
        ("a.csv", "", "lists nothing"),
        ("a.toml", "listing = 3", r"must hold \[\[listing\]\] tables"),
        ("a.toml", "other = 3", r"must hold \[\[listing\]\] tables"),
        ("a.toml", "[[", "is not TOML"),
        ("a.csv", "symbol,listed\nA,2020-01-01\nA,2021-01-01\n", "A is listed twice at 2021-01-01"),
    ],
)
def test_bad_tables_are_explained(tmp_path, name, content, message):
    (tmp_path / name).write_text(content)
    with pytest.raises(UniverseError, match=message):
        read_universe(tmp_path / name)


def test_a_table_that_is_not_there(tmp_path):
    with pytest.raises(UniverseError, match="cannot be read"):
        read_universe(tmp_path / "none.csv")


def snapshot(*symbols, **more):
    return {"symbols": [{"symbol": name, "status": "TRADING", **more.get(name, {})} for name in symbols]}


def test_snapshots_tell_what_was_known_when_they_were_taken():
    days = [snapshot("A", "B"), snapshot("B", "C"), snapshot("A", "C", C={"status": "BREAK"}), snapshot("A", "C")]
    universe = from_snapshots([(n * DAY, day) for n, day in enumerate(days)])
    told = [(one.symbol, one.start // DAY, one.stop and one.stop // DAY) for one in universe.listings]
    assert told == [("A", 0, 1), ("A", 2, None), ("B", 0, 2), ("C", 1, 2), ("C", 3, None)]
    for n, day in enumerate(days):
        traded = sorted(one["symbol"] for one in day["symbols"] if one["status"] == "TRADING")
        for moment in (n * DAY, n * DAY + 23 * HOUR):
            assert list(universe.members(moment)) == traded


def test_futures_say_since_when():
    """``onboardDate`` is taken, unless the snapshots contradict it."""
    first = snapshot("A", "B", A={"onboardDate": 5 * DAY // 10**6}, B={"onboardDate": 99 * DAY // 10**6})
    second = snapshot("A", "B", "C", "D", A={}, C={"onboardDate": 12 * DAY // 10**6}, D={"onboardDate": DAY // 10**6})
    universe = from_snapshots([(10 * DAY, first), (20 * DAY, second)])
    assert {one.symbol: one.start // DAY for one in universe.listings} == {"A": 5, "B": 10, "C": 12, "D": 20}


@pytest.mark.parametrize(
    ("snapshots", "message"),
    [
        ([], "at least one snapshot"),
        ([(5, snapshot("A")), (5, snapshot("A"))], "does not come after"),
        ([(5, {"symbols": []})], "has no symbols that are TRADING"),
        ([(5, {})], "has no symbols that are TRADING"),
    ],
)
def test_snapshots_that_tell_nothing(snapshots, message):
    with pytest.raises(UniverseError, match=message):
        from_snapshots(snapshots)


def test_every_bar_field_is_a_price_a_quantity_or_neither():
    kept = {"quote_volume", "trade_count", "funding_rate", "funding_in", *PANEL_FIELDS}
    assert set(PRICES) | set(QUANTITIES) | kept == set(FIELDS)
    assert len(PRICES) + len(QUANTITIES) + len(kept) == len(FIELDS)


@given(st.sampled_from([Fraction(1000), Fraction(1, 1000), Fraction(10**6), Fraction(1)]), st.integers(0, 50))
def test_scaling_is_exact_arithmetic_rounded_once(ratio, seed):
    bars = random_bars(20, seed=seed)
    result = scaled(bars, ratio)
    for field in ("start", "end", *FIELDS):
        factor = ratio if field in PRICES else 1 / ratio if field in QUANTITIES else Fraction(1)
        known = ~np.isnan(bars[field])
        exact = [float(Fraction(value) * factor) for value in bars[field][known].tolist()]
        assert result[field][known].tolist() == exact
        assert np.isnan(result[field][~known]).all()


def test_an_instrument_is_followed_from_a_time_whatever_its_names_mean_later():
    universe = Universe([*MATIC, *LUNA])
    then = T("2022-05-20")  # delisted under the old name, not yet listed under the new one; the old name is free
    assert universe.bearer("LUNAUSDT", then).instrument == "LUNC"
    assert [one.symbol for one in universe.behind("LUNAUSDT", then, T("2023-01-01"))] == ["LUNCUSDT"]
    assert [one.instrument for one in universe.behind("LUNAUSDT", T("2022-06-01"), T("2023-01-01"))] == ["LUNA2"]
    assert universe.behind("LUNAUSDT", then, T("2022-06-30")) == ()
    assert [one.symbol for one in universe.behind("MATICUSDT", T("2024-09-01"), ALWAYS)] == ["MATICUSDT", "POLUSDT"]
    assert [one.symbol for one in universe.behind("POLUSDT", T("2024-10-01"), ALWAYS)] == ["POLUSDT"]
    # A model may be told by the name that its instrument got later, behind its training.
    assert [one.symbol for one in universe.behind("POLUSDT", T("2024-09-01"), ALWAYS)] == ["MATICUSDT", "POLUSDT"]
    assert universe.bearer("LUNAUSDT", 0).instrument == "LUNC"
    with pytest.raises(UniverseError, match="NOUSDT is not in the universe"):
        universe.bearer("NOUSDT", T("2020-01-01"))


def test_the_unit_of_a_name_is_that_of_its_first_listing():
    listings = [
        Listing("A", 0, "A", 10, Decimal(7)),
        Listing("A", 10, "A", 20, Decimal(9)),
        Listing("A", 20, "B", 30, Decimal(5)),
        Listing("C", 40, "A", None, Decimal(3)),
    ]
    universe = Universe(listings)
    assert [universe.unit("A", at) for at in (0, 15, 25, 39, 40, ALWAYS)] == [7, 7, 7, 7, 3, 3]
    assert universe.unit("B", 25) == 5
    for at in (0, 15, 25):  # what is listed later changes no unit
        assert universe.as_of(at).unit("A", at) == 7


def test_a_series_runs_through_a_rename_and_a_change_of_the_unit():
    """One price path, told in thousands of coins before the change and in coins after: one smooth series again."""
    change = T("2024-06-01T12:00")
    coins = random_bars(96, interval=15 * MINUTE, start=change - 12 * HOUR)
    thousands = scaled(coins, Fraction(1000))
    stored = {"PEPEUSDT": coins[48:], "1000PEPEUSDT": thousands[:48]}
    asked = []

    def read(symbol, start, stop):
        asked.append((symbol, start, stop))
        bars = stored[symbol]
        return bars[(bars["start"] >= start) & (bars["start"] < stop)]

    start, stop = change - 10 * HOUR, change + 10 * HOUR
    for name, whole in (("PEPEUSDT", coins), ("1000PEPEUSDT", thousands)):
        joined = adjusted_bars(PEPE, name, start, stop, read)
        for field in joined.dtype.names:
            np.testing.assert_allclose(joined[field], whole[field][8:88], rtol=4e-16)
    assert asked[:2] == [("1000PEPEUSDT", start, change), ("PEPEUSDT", change, stop)]
    early = adjusted_bars(PEPE.as_of(change - 1), "1000PEPEUSDT", start, change, read)
    assert early.tobytes() == thousands[8:48].tobytes()


@pytest.fixture(scope="module")
def recorded(real_data):
    """The two recorded responses of Binance spot, with the times at which they were received."""

    def load(day):
        path = real_data / "protocol" / "binance-spot" / "recorded" / f"exchangeInfo-{day}.txt.gz"
        line = gzip.decompress(path.read_bytes()).decode().splitlines()[0]
        time, _, body = line.partition(" -> ")[2].partition(": ")
        return round(float(time) * 1e9), json.loads(body)

    return [load("20211012"), load("20230410")]


@pytest.mark.real_data
def test_real_listings_and_delistings(recorded):
    """Between October 2021 and April 2023 Binance listed APT, OP and ARB, and stopped more than 100 pairs."""
    universe = from_snapshots(recorded)
    (first, _), (second, _) = recorded
    then, now = set(universe.members(first)), set(universe.members(second))
    assert (len(then), len(now)) == (1262, 1405)
    for time, payload in recorded:
        traded = {one["symbol"] for one in payload["symbols"] if one["status"] == "TRADING"}
        assert set(universe.members(time)) == traded
    assert {"APTUSDT", "OPUSDT", "ARBUSDT"} <= now - then
    assert {"BTCUSDT", "ETHUSDT"} <= now & then
    gone = then - now
    assert len(gone) > 100
    # Chosen in 2021, nothing of 2023 is in it, and what died is not missing.
    chosen = universe.as_of(first)
    assert set(chosen.members(second)) == then
    assert universe.members(first + 365 * DAY) == universe.members(first)
    for symbol in ("BTCUSDT", *sorted(gone)[:20]):
        assert chosen.alive(symbol, first, second)
        assert universe.alive(symbol, first, second)
        assert universe.alive(symbol, first, second + DAY) == (symbol == "BTCUSDT")


@pytest.mark.real_data
def test_recorded_universes_survive_their_table(recorded, tmp_path):
    universe = from_snapshots([(time // 10**9 * 10**9, payload) for time, payload in recorded])
    write_universe(universe, tmp_path / "universe.csv")
    assert read_universe(tmp_path / "universe.csv") == universe
