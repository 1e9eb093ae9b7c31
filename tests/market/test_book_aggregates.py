"""Book aggregates per bar against a twin of dictionaries and fractions."""

from __future__ import annotations

import subprocess
import sys
from bisect import bisect_right
from decimal import Decimal
from fractions import Fraction
from heapq import nlargest, nsmallest
from math import nan
from pathlib import Path

import numpy as np
import pytest
from book_twin import DictBook, TapeWriter, Venue, write_change, write_quote, write_snapshot
from hypothesis import given, settings
from hypothesis import strategies as st
from test_book_recordings import RECORDED, recorded

from market.bars import FIELDS, empty_bars
from market.book.aggregates import BOOK_FIELDS, BookAggregates, with_book
from market.book.grid import Grid
from market.book.order_book import OrderBook
from market.book.tape import CHANGE, EVENT_TIME, GAP, KIND, SNAPSHOT
from market.errors import MarketError
from market.time import MINUTE, SECOND

GRID = Grid(Decimal("0.01"), Decimal("0.001"))
MANY = settings(max_examples=20, deadline=None)
EXACT = ("spread", "bid_size", "ask_size", "bid_depth", "ask_depth")
FLOWS = ("order_flow_imbalance", "multilevel_order_flow_imbalance")


def flow(before, after, places):
    """The definition, with infinities for what is not there."""
    total = 0
    for sign, old, new in ((1, before[0], after[0]), (-1, before[1], after[1])):
        for place in range(places):
            p0, q0 = old[place] if place < len(old) else (-sign * float("inf"), 0)
            p1, q1 = new[place] if place < len(new) else (-sign * float("inf"), 0)
            total += sign * ((q1 if sign * p1 >= sign * p0 else 0) - (q0 if sign * p1 <= sign * p0 else 0))
    return total


def closing(sides, grid):
    """The fields at the close as fractions."""
    tick, lot = Fraction(grid.tick), Fraction(grid.lot)
    bids, asks = ([(int(p) * tick, int(q) * lot) for p, q in side[:10]] for side in sides)
    found = {
        "bid_size": bids[0][1] if bids else Fraction(0),
        "ask_size": asks[0][1] if asks else Fraction(0),
        "bid_depth": sum((q for _, q in bids), Fraction(0)),
        "ask_depth": sum((q for _, q in asks), Fraction(0)),
    }
    if bids and asks:
        (bid, bid_size), (ask, ask_size) = bids[0], asks[0]
        mid = (bid + ask) / 2
        found["spread"] = ask - bid
        found["microprice"] = (bid_size * ask + ask_size * bid) / (bid_size + ask_size)
        for name, side in (("bid_slope", bids), ("ask_slope", asks)):
            distance = [abs(p - mid) / mid for p, _ in side]
            depth = [sum(q for _, q in side[: place + 1]) for place in range(len(side))]
            found[name] = sum(d * c for d, c in zip(distance, depth, strict=True)) / sum(d * d for d in distance)
    return found


def twin_bars(tape, grid, interval, futures, max_age=10 * SECOND):
    """Every bar's fields, from the states after all messages; the book is taken to be known to its end."""
    book, states, clock = DictBook(futures), [], 0
    last, sides = 0, None
    for message in tape.messages:
        if message[KIND] != GAP:
            clock = max(clock, int(message[EVENT_TIME]))
        book.take(message, tape.levels)
        if message[KIND] in (CHANGE, SNAPSHOT) and book.valid:
            last = max(last, int(message[EVENT_TIME]))
        counts = message[KIND] in (CHANGE, SNAPSHOT)
        if counts or not book.valid:
            best = nlargest(10, book.bids.items()), nsmallest(10, book.asks.items())
            sides = best if book.valid else None
        states.append((clock, sides, counts, last))
    first = next(clock for clock, *_ in states if clock)
    start, bars = first - first % interval, []
    clocks = [one[0] for one in states]
    while start + interval <= clock:
        begin, end = (bisect_right(clocks, edge - 1) for edge in (start, start + interval))
        bar = dict.fromkeys(BOOK_FIELDS, nan)
        before = states[begin - 1][1] if begin else None
        best, every, whole = 0, 0, before is not None
        for _, sides, counts, _ in states[begin:end]:
            if sides is None:
                whole, before = False, None
            elif counts:
                if before is None:
                    whole = False
                else:
                    best, every = best + flow(before, sides, 1), every + flow(before, sides, 10)
                before = sides
        if end and states[end - 1][1] is not None and start + interval - states[end - 1][3] <= max_age:
            bar.update(closing(states[end - 1][1], grid))
            if whole:
                bar.update(zip(FLOWS, (best * Fraction(grid.lot), every * Fraction(grid.lot)), strict=True))
        bars.append((start, bar))
        start += interval
    return bars


def assert_equal(bars, wanted, fields=BOOK_FIELDS):
    assert bars["start"].tolist() == [start for start, _ in wanted]
    for name in fields:
        right = np.array([float(bar[name]) for _, bar in wanted])
        if name in EXACT or name in FLOWS:
            np.testing.assert_array_equal(bars[name], right, err_msg=name)
        else:
            np.testing.assert_allclose(bars[name], right, rtol=1e-13, err_msg=name)


def stream(seed, futures=False, gaps=True, late=0.2):
    """A venue's messages over a minute or so, some late, with a gap and a new snapshot now and then."""
    venue, writer, random = Venue(seed), TapeWriter(), np.random.default_rng((seed, 3))
    time = 5 * MINUTE + int(random.integers(0, 10)) * SECOND
    write_snapshot(writer, venue.id, venue.sides(), False, time)
    for _ in range(200):
        time += int(random.exponential(0.3 * SECOND))
        before = venue.id
        first, last, rows = venue.step()
        delay = int(random.exponential(2 * SECOND)) if random.random() < late else 0
        if gaps and random.random() < 0.03:
            time += int(random.choice([0, 25])) * SECOND
            if random.random() < 0.5:
                writer.gap(0, time)
                write_snapshot(writer, venue.id, venue.sides(), False, time)
            continue
        write_change(writer, (first, last, before if futures else -1), rows, time - delay)
        if random.random() < 0.3:
            write_quote(writer, venue.id, venue.best(), 0 if random.random() < 0.5 else time)
        if gaps and random.random() < 0.05:
            write_snapshot(writer, venue.id, venue.sides(), False, time)
    return writer.tape(GRID)


def in_pieces(tape, cuts, interval, futures=False):
    engine, begin, found = BookAggregates(GRID, interval, futures), 0, []
    for cut in [*sorted(cuts), len(tape)]:
        found.append(engine.update(tape.part(begin, cut)))
        begin = max(begin, cut)
        other = BookAggregates(GRID, interval, futures)
        other.restore(engine.snapshot())
        engine = other
    return np.concatenate(found), engine.snapshot()


@MANY
@given(seed=st.integers(0, 10**6), futures=st.booleans(), interval=st.sampled_from([1, 5, 7]))
def test_bars_are_those_of_the_twin(seed, futures, interval):
    tape = stream(seed, futures)
    bars = BookAggregates(GRID, interval * SECOND, futures).update(tape)
    assert_equal(bars, twin_bars(tape, GRID, interval * SECOND, futures))
    assert (bars["end"] == bars["start"] + interval * SECOND).all()
    assert all(np.isnan(bars[name]).all() for name in FIELDS if name not in BOOK_FIELDS)


@MANY
@given(seed=st.integers(0, 10**6), cuts=st.lists(st.integers(0, 250), max_size=8))
def test_any_chunks_and_restarts_give_the_same_bytes(seed, cuts):
    tape = stream(seed)
    whole = BookAggregates(GRID, 3 * SECOND)
    bars = whole.update(tape)
    pieces, snapshot = in_pieces(tape, cuts, 3 * SECOND)
    assert pieces.tobytes() == bars.tobytes()
    assert snapshot == whole.snapshot()


@pytest.mark.real_data
@pytest.mark.parametrize("interval", [SECOND, MINUTE])
def test_recorded_ether_is_the_twins_in_every_field(real_data, interval):
    futures, grid, *_ = RECORDED["spot-ETHUSDT"]
    tape = recorded(real_data, "spot-ETHUSDT")
    bars = BookAggregates(grid, interval).update(tape)
    assert_equal(bars, twin_bars(tape, grid, interval, futures))
    assert len(bars) == (11 if interval == MINUTE else 650)
    assert all(np.isfinite(bars[name][1:]).all() for name in BOOK_FIELDS)


@pytest.mark.real_data
@pytest.mark.parametrize("name", ["spot-BTCUSDT", "um-BTCUSDT"])
def test_recorded_bitcoin_is_the_twins_where_it_is_known(real_data, name):
    """The price leaves the snapshot's levels: what is not known is missing, everything else is exact."""
    futures, grid, *_ = RECORDED[name]
    tape = recorded(real_data, name)
    bars = BookAggregates(grid, SECOND, futures).update(tape)
    wanted = twin_bars(tape, grid, SECOND, futures)
    for name in (one for one in BOOK_FIELDS if one not in FLOWS):
        there = np.isfinite(bars[name])
        assert there.mean() > 0.98
        some = bars[there]
        assert_equal(some, [wanted[row] for row in np.flatnonzero(there)], [name])


def test_a_book_with_its_limits_makes_missing_what_it_does_not_know():
    venue, writer = Venue(5), TapeWriter()
    write_snapshot(writer, venue.id, venue.sides(12), True, SECOND)
    for number in range(100):
        first, last, rows = venue.step()
        write_change(writer, (first, last, -1), rows, 2 * SECOND + number * SECOND // 5)
    tape = writer.tape(GRID)
    bars = BookAggregates(GRID, SECOND, max_age=SECOND).update(tape)
    twin = twin_bars(tape, GRID, SECOND, False)
    assert np.isnan(bars["bid_depth"]).any()
    assert np.isnan(bars["multilevel_order_flow_imbalance"]).sum() >= np.isnan(bars["order_flow_imbalance"]).sum()
    assert np.isnan(bars[-1]["spread"]) or np.isnan(bars[-1]["bid_depth"])
    assert np.isfinite(bars["bid_depth"][0])
    assert bars["bid_depth"][0] == float(twin[0][1]["bid_depth"])


def quiet_tape(times, start=SECOND):
    writer = TapeWriter()
    writer.snapshot(start, start, 10, [("0.99", "0.002")], [("1.01", "0.003")], (False, False))
    for number, time in enumerate(times, 11):
        writer.change(time, time, (number, number, -1), [("0.99", f"0.{number:03}")], [])
    return writer.tape(GRID)


def test_a_book_that_is_too_old_is_missing():
    bars = BookAggregates(GRID, SECOND, max_age=3 * SECOND).update(quiet_tape([2 * SECOND, 20 * SECOND, 30 * SECOND]))
    assert np.flatnonzero(np.isfinite(bars["spread"])).tolist() == [0, 1, 2, 3, 19, 20, 21]
    # The change after the silence tells nothing about the flow of its bar, but the quiet bars behind it are whole.
    assert np.flatnonzero(np.isfinite(bars["order_flow_imbalance"])).tolist() == [1, 2, 3, 20, 21]
    assert bars["order_flow_imbalance"][1:4].tolist() == [0.009, 0.0, 0.0]


def test_bars_of_any_kind_are_filled():
    """Bars that share ends, leave holes, and are as long as they like; those of a grid are `update`'s."""
    tape = stream(8, gaps=False, late=0.0)
    grid_bars = BookAggregates(GRID, SECOND).update(tape)
    again = empty_bars(len(grid_bars))
    again["start"], again["end"] = grid_bars["start"], grid_bars["end"]
    assert BookAggregates(GRID, SECOND).fill(tape, again) == len(again)
    assert again.tobytes() == grid_bars.tobytes()
    odd = empty_bars(4)
    odd["start"] = grid_bars["start"][[1, 10, 20, 20]]
    odd["end"] = grid_bars["end"][[8, 15, 25, 25]]
    assert BookAggregates(GRID, SECOND).fill(tape, odd) == 4
    for bar, first, last in ((odd[0], 1, 8), (odd[1], 10, 15), (odd[2], 20, 25)):
        assert bar["spread"] == grid_bars["spread"][last]
        for name in FLOWS:
            assert bar[name] == pytest.approx(grid_bars[name][first : last + 1].sum(), abs=1e-9)
    assert odd[3]["spread"] == odd[2]["spread"]
    assert odd[3]["order_flow_imbalance"] == 0.0  # no message between the ends of two bars that end together


def test_with_book_joins_by_start_and_end():
    book = BookAggregates(GRID, SECOND).update(quiet_tape([2 * SECOND, 3 * SECOND, 9 * SECOND]))
    bars = empty_bars(4)
    bars["start"] = [0, 2 * SECOND, 3 * SECOND, 100 * SECOND]
    bars["end"] = bars["start"] + SECOND
    bars["end"][2] += 1
    bars["close"] = 7.0
    joined = with_book(bars, book)
    assert np.isfinite(joined["spread"]).tolist() == [False, True, False, False]
    assert joined["order_flow_imbalance"][1] == 0.009
    assert joined["close"].tolist() == [7.0] * 4
    assert np.isnan(bars["spread"]).all()


def test_messages_without_times_open_no_bar():
    writer = TapeWriter()
    writer.quote(0, 5, 9, ("0.99", "0.002"), ("1.01", "0.003"))
    writer.gap(77, 77)
    engine = BookAggregates(GRID, SECOND)
    assert len(engine.update(writer.tape(GRID))) == 0
    bars = engine.update(quiet_tape([5 * SECOND, 6 * SECOND]))
    assert bars["start"].tolist() == [number * SECOND for number in range(1, 6)]


def test_bad_parameters_and_bars_are_refused():
    for interval, age in ((0, 1), (1, -1)):
        with pytest.raises(MarketError, match="must be above zero"):
            BookAggregates(GRID, interval, max_age=age)
    engine, bars = BookAggregates(GRID, SECOND), empty_bars(3)
    bars["end"] = [3, 1, 2]
    for bad in (bars, empty_bars(4)[::2], np.zeros(3)):
        with pytest.raises((MarketError, IndexError), match=r"bars to fill|only integers"):
            engine.fill(quiet_tape([]), bad)
    before = engine.snapshot()
    with pytest.raises(MarketError, match="no snapshot"):
        engine.restore(before[:-8])
    with pytest.raises(MarketError, match="no snapshot"):
        engine.restore(BookAggregates(GRID, SECOND, book=OrderBook(capacity=4)).snapshot())
    assert engine.snapshot() == before


PROGRAM = """
import sys, numba
assert numba.config.DISABLE_JIT
sys.path.insert(0, "tests/market")
from test_book_aggregates import BookAggregates, GRID, SECOND, stream
engine = BookAggregates(GRID, SECOND)
sys.stdout.buffer.write(engine.update(stream(4)).tobytes() + engine.snapshot())
"""


def test_interpreted_code_gives_the_same_bytes(monkeypatch):
    monkeypatch.setenv("NUMBA_DISABLE_JIT", "1")
    root = Path(__file__).resolve().parents[2]
    found = subprocess.run([sys.executable, "-c", PROGRAM], check=True, capture_output=True, cwd=root)
    engine = BookAggregates(GRID, SECOND)
    assert found.stdout == engine.update(stream(4)).tobytes() + engine.snapshot()
