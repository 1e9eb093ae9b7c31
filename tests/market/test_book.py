"""The order book against a book of dictionaries, and against a venue that knows what the book cannot."""

from __future__ import annotations

import subprocess
import sys
from decimal import Decimal
from pathlib import Path

import numpy as np
import pytest
from book_twin import DictBook, TapeWriter, Venue, write_change, write_quote, write_snapshot
from hypothesis import given, settings
from hypothesis import strategies as st

from market.book import ladder
from market.book.grid import Grid
from market.book.order_book import OrderBook, Status
from market.book.tape import Tape, joined
from market.errors import MarketError, SourceError

ONE = Grid(Decimal(1), Decimal(1))
MANY = settings(max_examples=60, deadline=None)


def tape_of(write):
    writer = TapeWriter()
    write(writer)
    return writer.tape(ONE)


def damaged_stream(seed, futures, count=120):
    """Changes of a venue, some lost, doubled or swapped, with whole snapshots now and then."""
    venue, writer = Venue(seed), TapeWriter()
    random = np.random.default_rng((seed, 1))
    pending = []
    for _ in range(count):
        before = venue.id
        first, last, rows = venue.step()
        pending.append(((first, last, before if futures else -1), rows))
        fate = random.random()
        if fate < 0.06:
            pending.pop()
        elif fate < 0.12:
            pending.append(pending[-1])
        elif fate < 0.25:
            continue  # is sent behind the next one
        for ids, changed in reversed(pending):
            write_change(writer, ids, changed)
        pending = []
        if random.random() < 0.1:
            write_snapshot(writer, venue.id if random.random() < 0.8 else venue.id - 2, venue.sides(), False)
        if random.random() < 0.02:
            writer.gap(0, 0)
    return writer.tape(ONE)


@MANY
@given(seed=st.integers(0, 10**6), futures=st.booleans())
def test_a_book_of_dictionaries_agrees_after_every_message(seed, futures):
    tape = damaged_stream(seed, futures)
    book, twin = OrderBook(futures), DictBook(futures)
    for row in range(len(tape)):
        book.take(tape.part(row, row + 1))
        twin.take(tape.messages[row], tape.levels)
        known = book.status in (
            Status.VALID,
            Status.CROSSED,
        )  # snapshots two ids late may cross: the twin does not look
        if book.status == Status.CROSSED:
            return
        assert known == twin.valid
        if known:
            assert book.update == twin.update
            for side, other in zip((book.bids(), book.asks()), twin.sides(), strict=True):
                np.testing.assert_array_equal(side, other)


@MANY
@given(seed=st.integers(0, 10**6), futures=st.booleans(), cuts=st.lists(st.integers(0, 150), max_size=6))
def test_any_chunks_and_restarts_give_the_same_bytes(seed, futures, cuts):
    tape = damaged_stream(seed, futures)
    whole = OrderBook(futures)
    whole.take(tape)
    book, begin = OrderBook(futures), 0
    for cut in [*sorted(cuts), len(tape)]:
        book.take(tape.part(begin, cut))
        begin = max(begin, cut)
        other = OrderBook(futures)
        other.restore(book.snapshot())
        book = other
    assert book.snapshot() == whole.snapshot()


@MANY
@given(
    seed=st.integers(0, 10**6),
    depth=st.integers(2, 40),
    capacity=st.integers(8, 80),
    ahead=st.integers(0, 3),
    quotes=st.floats(0.0, 1.0),
)
def test_what_the_book_says_it_knows_is_the_whole_truth(seed, depth, capacity, ahead, quotes):
    """The snapshot is cut off, sides are small, quotes run ahead of changes: the known levels are the venue's own."""
    venue, random = Venue(seed), np.random.default_rng((seed, 2))
    writer, truths = TapeWriter(), []
    write_snapshot(writer, venue.id, venue.sides(depth), True)
    truths.append(venue.sides())
    waiting = []
    for _ in range(150):
        first, last, rows = venue.step()
        waiting.append(((first, last, -1), rows, venue.sides()))
        if random.random() < quotes:
            write_quote(writer, venue.id, venue.best())
            truths.append(truths[-1])
        while len(waiting) > ahead:
            ids, rows, truth = waiting.pop(0)
            write_change(writer, ids, rows)
            truths.append(truth)
    tape = writer.tape(ONE)
    book, top = OrderBook(capacity=capacity), 0
    for row, truth in enumerate(truths):
        book.take(tape.part(row, row + 1))
        if book.status != Status.VALID:
            assert book.status == Status.CONTRADICTED  # a best level behind the horizon was not the best
            assert 0 in book.known()
            return
        for levels, count, right in zip((book.bids(), book.asks()), book.known(), truth, strict=True):
            assert levels[:count].tolist() == [list(one) for one in right[:count]]
            top += count > 0
    assert top > 0


def plain_tape(*rest):
    def write(writer):
        writer.snapshot(0, 0, 10, [("99", "1"), ("98", "2")], [("101", "3"), ("102", "4")], (False, False))
        for one in rest:
            one(writer)

    return tape_of(write)


def change(first, last, before=-1, bids=(), asks=()):
    return lambda writer: writer.change(last, last, (first, last, before), bids, asks)


RULES = {
    "spot next": (False, [change(11, 12), change(13, 13)], "VALID", 13),
    "spot bridge over the snapshot": (False, [change(5, 12), change(13, 13)], "VALID", 13),
    "spot snapshot too old": (False, [change(12, 13)], "BROKEN", 10),
    "spot missing": (False, [change(11, 12), change(14, 14)], "BROKEN", 12),
    "spot overlap": (False, [change(11, 12), change(12, 13)], "BROKEN", 12),
    "spot duplicate": (False, [change(11, 12), change(11, 12), change(13, 13)], "VALID", 13),
    "spot from before": (False, [change(9, 10), change(11, 12)], "VALID", 12),
    "futures bridge": (True, [change(8, 12, 7), change(20, 25, 12)], "VALID", 25),
    "futures bridge at its end": (True, [change(8, 10, 7), change(20, 25, 10)], "VALID", 25),
    "futures follows the snapshot": (True, [change(13, 15, 10)], "VALID", 15),
    "futures snapshot too old": (True, [change(13, 15, 12)], "BROKEN", 10),
    "futures missing": (True, [change(8, 12, 7), change(20, 25, 13)], "BROKEN", 12),
    "futures duplicate": (True, [change(8, 12, 7), change(8, 12, 7), change(20, 25, 12)], "VALID", 25),
    "futures from before": (True, [change(5, 9, 4), change(8, 12, 7)], "VALID", 12),
    "gap": (False, [lambda writer: writer.gap(5, 5)], "BROKEN", 10),
    "crossed": (False, [change(11, 11, bids=[("101", "1")])], "CROSSED", 11),
    "bid above": (False, [change(11, 11, asks=[("98", "1")])], "CROSSED", 11),
    "price of nothing": (False, [change(11, 11, bids=[("0", "1")])], "NO_LEVEL", 11),
    "quote of the same update": (False, [lambda w: w.quote(0, 0, 10, ("99", "1"), ("101", "3"))], "VALID", 10),
    "quote contradicts": (False, [lambda w: w.quote(0, 0, 10, ("99", "1"), ("101", "2"))], "CONTRADICTED", 10),
    "early quote contradicts": (
        False,
        [lambda w: w.quote(0, 0, 11, ("99", "1"), ("101", "2")), change(11, 11)],
        "CONTRADICTED",
        11,
    ),
    "quote of another update": (False, [lambda w: w.quote(0, 0, 9, ("97", "1"), ("103", "2"))], "VALID", 10),
}


@pytest.mark.parametrize("rule", RULES)
def test_rule(rule):
    futures, rest, status, update = RULES[rule]
    book = OrderBook(futures)
    book.take(plain_tape(*rest))
    assert (book.status.name, book.update) == (status, update)


@pytest.mark.parametrize("rule", [rule for rule in RULES if RULES[rule][2] != "VALID"])
def test_an_invalid_book_waits_for_a_snapshot_and_goes_on_from_it(rule):
    futures, rest, _, _ = RULES[rule]
    book = OrderBook(futures)
    book.take(plain_tape(*rest))
    book.take(tape_of(change(500, 505, 499, bids=[("97", "9")])))
    assert book.status != Status.VALID
    book.take(tape_of(lambda w: w.snapshot(0, 0, 500, [("90", "1")], [("95", "1")], (False, False))))
    assert book.status == Status.CROSSED  # the waiting change followed at once: 97 bid above 95 asked
    book.take(tape_of(lambda w: w.snapshot(0, 0, 505, [("97", "9")], [("98", "1")], (False, False))))
    assert (book.status, book.update) == (Status.VALID, 505)


def test_an_old_snapshot_does_not_turn_a_valid_book_back():
    book = OrderBook()
    book.take(plain_tape(change(11, 20, bids=[("100", "7")])))
    book.take(tape_of(lambda w: w.snapshot(0, 0, 15, [("1", "1")], [("2", "1")], (False, False))))
    assert (book.update, book.bids()[0].tolist(), book.counters.old) == (20, [100, 7], 1)
    book.take(tape_of(change(21, 21)))
    assert book.status == Status.VALID


@pytest.mark.parametrize(("messages", "levels"), [(3, 100), (100, 6)])
def test_too_many_waiting_changes_are_forgotten_not_misapplied(messages, levels):
    book = OrderBook(waiting_messages=messages, waiting_levels=levels)
    for number in range(1, 11):
        book.take(tape_of(change(number, number, bids=[("50", str(number)), ("51", "1")])))
    counters = book.counters
    assert counters.waiting == 1
    assert counters.forgotten == 9
    book.take(tape_of(lambda w: w.snapshot(0, 0, 5, [("50", "5")], [("60", "1")], (False, False))))
    assert book.status == Status.BROKEN
    book.take(tape_of(lambda w: w.snapshot(0, 0, 9, [("50", "9")], [("60", "1")], (False, False))))
    assert (book.status, book.update, book.bids()[-1].tolist()) == (Status.VALID, 10, [50, 10])


def test_one_change_larger_than_all_room_is_forgotten():
    book = OrderBook(waiting_levels=2)
    book.take(tape_of(change(1, 1, bids=[("50", "1"), ("51", "1"), ("52", "1")])))
    assert (book.counters.waiting, book.counters.forgotten) == (0, 1)


@given(st.lists(st.tuples(st.integers(1, 30), st.integers(0, 3)), max_size=80), st.integers(1, 12), st.booleans())
def test_a_full_side_keeps_the_best_levels(changes, capacity, asks):
    """Against a dictionary that gives up its worst level whenever it is too large."""
    side, sign = (ladder.ASK, -1) if asks else (ladder.BID, 1)
    keys, lots = np.zeros((2, capacity), np.int64), np.zeros((2, capacity), np.int64)
    count, twin = 0, {}
    for ticks, quantity in changes:
        count, gone = ladder.put_level(keys, lots, side, count, sign * ticks, quantity)
        twin.pop(sign * ticks, None)
        if quantity:
            twin[sign * ticks] = quantity
        worst = min(twin) if len(twin) > capacity else ladder.NOWHERE
        twin.pop(worst, None)
        assert gone == worst
        assert dict(zip(keys[side, :count].tolist(), lots[side, :count].tolist(), strict=True)) == twin
        assert (np.diff(keys[side, :count]) > 0).all()
    assert not keys[1 - side].any()


def test_snapshots_of_another_book_are_refused():
    book = OrderBook()
    book.take(plain_tape())
    before = book.snapshot()
    for bad in (b"", before[:-8], OrderBook(capacity=16).snapshot(), b"x" + before[1:]):
        with pytest.raises(MarketError, match="no snapshot of a book"):
            book.restore(bad)
    assert book.snapshot() == before
    with pytest.raises(MarketError, match="at least one level"):
        OrderBook(capacity=0)


def test_a_bad_price_names_its_message():
    writer = TapeWriter()
    writer.trade(1, 1, 1, 1, ("5", "1"))
    writer.change(2, 77, (1, 1, -1), [("5", "1")], [("6.5", "1")])
    with pytest.raises(SourceError, match=r"^message 1 \(change received at 77 ns\): price '6.5'"):
        writer.tape(ONE)


def test_joined_tapes_are_one():
    whole = damaged_stream(3, False)
    half = len(whole) // 2
    cut = int(whole.messages[half, 6])
    second = whole.messages[half:].copy()
    second[:, 6:8] -= cut
    again = joined([Tape(whole.messages[:half], whole.levels[:cut]), Tape(second, whole.levels[cut:])])
    np.testing.assert_array_equal(again.messages, whole.messages)
    np.testing.assert_array_equal(again.levels, whole.levels)


PROGRAM = """
import sys, numba
assert numba.config.DISABLE_JIT
sys.path.insert(0, "tests/market")
from test_book import damaged_stream, OrderBook
book = OrderBook(capacity=40)
book.take(damaged_stream(11, False))
sys.stdout.buffer.write(book.snapshot())
"""


def test_interpreted_code_gives_the_same_bytes(monkeypatch):
    monkeypatch.setenv("NUMBA_DISABLE_JIT", "1")
    root = Path(__file__).resolve().parents[2]
    found = subprocess.run([sys.executable, "-c", PROGRAM], check=True, capture_output=True, cwd=root)
    book = OrderBook(capacity=40)
    book.take(damaged_stream(11, False))
    assert book.counters.given_up > 0
    assert found.stdout == book.snapshot()
