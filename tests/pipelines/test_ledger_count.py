"""Which trials count against a stretch, against a twin that looks at every instant."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from market.time import DAY
from pipelines.ledger.count import aligned, distinct, overlap, overlapping
from pipelines.ledger.trial import Entry, Outcome, Stretch
from tests.pipelines.ledger_factory import SPAN, daily, make_trial

ASSETS = {"BTCUSDT": "BTC", "BTCUSDC": "btc", "ETHUSDT": "ETH", "ODD": ""}


@st.composite
def stretches(draw):
    start = draw(st.integers(0, 12))
    symbol = draw(st.sampled_from(sorted(ASSETS)))
    venue, interval = draw(st.sampled_from(["binance", "kraken"])), draw(st.sampled_from(["1m", "1h"]))
    return Stretch(venue, symbol, start, start + draw(st.integers(1, 5)), interval, ASSETS[symbol])


LISTS = st.lists(stretches(), min_size=1, max_size=4).map(tuple)


def instants(spans, by):
    """Every (thing, instant) that some stretches contain."""
    found = set()
    for one in spans:
        things = {(one.venue, one.symbol)}
        if by == "asset" and one.asset:
            things.add(one.asset.upper())
        found |= {(thing, instant) for thing in things for instant in range(one.start, one.stop)}
    return found


@given(st.lists(LISTS, max_size=6), LISTS, st.sampled_from(["instrument", "asset"]))
def test_overlap_is_a_shared_instant_of_a_shared_thing(touched, judged, by):
    entries = [Entry(n + 1, make_trial(str(n), touched=one)) for n, one in enumerate(touched)]
    expected = [one for one in entries if instants(one.trial.touched, by) & instants(judged, by)]
    assert overlapping(entries, judged, by) == expected


@given(stretches(), stretches())
def test_overlap_is_mutual_and_assets_only_widen_it(one, other):
    assert overlap(one, other) == overlap(other, one)
    assert overlap(one, one)
    assert overlap(one, other, "asset") or not overlap(one, other)


@given(LISTS, LISTS, st.integers(0, 9), st.integers(0, 9))
def test_more_data_never_resets_the_count(touched, judged, before, after):
    longer = tuple(
        Stretch(one.venue, one.symbol, one.start - before, one.stop + after, one.interval, one.asset) for one in judged
    )
    entries = [Entry(1, make_trial(touched=touched))]
    assert len(overlapping(entries, longer)) >= len(overlapping(entries, judged))


def test_adding_a_day_resets_nothing():
    entries = [Entry(n, make_trial(str(n), configuration=str(n))) for n in range(1, 51)]
    grown = Stretch("binance", "BTCUSDT", SPAN.start, SPAN.stop + DAY, "15m", "BTC")
    today = Entry(51, make_trial("51", configuration="1", data={"BTCUSDT": "grown"}, touched=(grown,)))
    assert len(distinct(overlapping([*entries, today], [grown]))) == 51
    # Only data that nobody saw are new: the day alone.
    fresh = Stretch("binance", "BTCUSDT", SPAN.stop, SPAN.stop + DAY)
    assert overlapping([*entries, today], [fresh]) == [today]


def test_overlaps_are_not_chained():
    far = Stretch("binance", "BTCUSDT", 200, 300)
    both = (Stretch("binance", "BTCUSDT", 100, 250),)
    entries = [Entry(1, make_trial("a", touched=both)), Entry(2, make_trial("b", touched=(far,)))]
    judged = (Stretch("binance", "BTCUSDT", 0, 150),)
    assert [one.trial.id for one in overlapping(entries, judged)] == ["a"]


def test_the_same_trial_twice_counts_once_by_its_most_telling_record():
    begun = Entry(1, make_trial("begun"))
    told = Entry(2, make_trial("told"), Outcome(trial="told", created=1, returns=daily([0.1])))
    ended = Entry(3, make_trial("ended"), Outcome(trial="ended", created=1))
    newer = Entry(4, make_trial("newer"), Outcome(trial="newer", created=1, returns=daily([0.2])))
    other = Entry(5, make_trial("other", code="other"))
    assert distinct([begun, told, ended, other]) == [told, other]
    assert distinct([begun, ended, other]) == [ended, other]
    assert distinct([begun, told, ended, newer]) == [newer]
    assert distinct([]) == []


def entry(name, values, first=0):
    return Entry(1, make_trial(name), Outcome(trial=name, created=1, returns=daily(values, first)))


def test_returns_are_aligned_by_day():
    found = aligned([entry("a", [1, 2, 3, 4]), entry("b", [5, 6, 7], first=1)], [SPAN])
    assert found.ids == ("a", "b")
    assert found.days.tolist() == [1, 2, 3]
    assert found.returns.tolist() == [[2, 5], [3, 6], [4, 7]]


def test_only_days_that_reach_into_the_judged_time():
    judged = [Stretch("binance", "BTCUSDT", DAY + 1, 3 * DAY)]
    assert aligned([entry("a", [1, 2, 3, 4])], judged).days.tolist() == [1, 2]


def test_a_short_one_does_not_leave_its_days_to_all():
    found = aligned([entry("short", [9]), entry("a", range(10)), entry("b", range(10))], [SPAN])
    assert found.ids == ("a", "b")
    assert len(found.days) == 10
    assert aligned([entry("short", [9]), entry("a", range(10))], [SPAN], coverage=0.1).days.tolist() == [0]


def test_nothing_to_align():
    unknown = Entry(1, make_trial(), Outcome(trial="t1", created=1))
    for entries in ([], [unknown], [Entry(1, make_trial())], [entry("a", [1], first=500)]):
        found = aligned(entries, [SPAN])
        assert (found.ids, found.days.shape, found.returns.shape) == ((), (0,), (0, 0))
    disjoint = [entry(str(n), [1.0, 2.0], first=2 * n) for n in range(5)]
    assert aligned(disjoint, [SPAN]).ids == ()


@given(
    st.lists(st.tuples(st.integers(0, 8), st.integers(1, 12)), min_size=1, max_size=6), st.sampled_from([0.25, 0.5, 1])
)
def test_common_days_are_common_and_enough(spans, coverage):
    entries = [entry(str(n), np.arange(length) + n / 10, first) for n, (first, length) in enumerate(spans)]
    found = aligned(entries, [SPAN], coverage)
    every = set().union(*(one.returns.days for one in entries))
    by_name = {one.trial.id: dict(zip(one.returns.days, one.returns.values, strict=True)) for one in entries}
    for column, name in enumerate(found.ids):
        assert [by_name[name][day] for day in found.days] == found.returns[:, column].tolist()
    if found.ids:
        assert len(found.days) >= coverage * len(every)
        assert set(found.days.tolist()) == set.intersection(*(set(by_name[name]) for name in found.ids))
    else:
        assert max(len(one.returns.days) for one in entries) < coverage * len(every)
