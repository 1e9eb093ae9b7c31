"""Recorded streams: the rebuilt book's best prices are those of every recorded ``bookTicker`` of the same update."""

from __future__ import annotations

import gzip
from decimal import Decimal

import numpy as np
import pytest
from book_twin import DictBook

from market.book import sequence
from market.book.binance import BinanceParser, read_recording
from market.book.bybit import read_bybit
from market.book.grid import Grid
from market.book.order_book import OrderBook, Status
from market.book.recordings import lines_of
from market.book.tape import BEGIN, CHANGE, KIND, LAST, Said
from market.errors import SourceError

FINE = Decimal("1e-8")
RECORDED = {
    "spot-BTCUSDT": (False, Grid(Decimal("0.01"), FINE), 3451 + 3044, 28040 + 45134, 9757 + 10147),
    "spot-ETHUSDT": (False, Grid(Decimal("0.01"), FINE), 3434 + 3036, 24077 + 34681, 6106 + 8409),
    "um-BTCUSDT": (True, Grid(Decimal("0.1"), Decimal("0.001")), 6551, 66089, 21313),
}
SHARED = {"spot-BTCUSDT": 1_072, "spot-ETHUSDT": 1_056, "um-BTCUSDT": 629}
"""Changes behind the snapshot whose last id some quote has too, counted in the text of the files."""


def recorded(real_data, name):
    paths = sorted((real_data / "book").glob(f"binance-{name}-ws-*.jsonl.gz"))
    return read_recording(paths, RECORDED[name][1], name.split("-")[1])


@pytest.mark.real_data
@pytest.mark.parametrize("name", RECORDED)
def test_top_of_book_is_every_recorded_quote_of_the_same_update(real_data, name):
    futures, _, changes, quotes, trades = RECORDED[name]
    tape = recorded(real_data, name)
    for kind, count in ((Said.CHANGE, changes), (Said.QUOTE, quotes), (Said.TRADE, trades), (Said.SNAPSHOT, 1)):
        assert len(tape.of_kind(kind)) == count
    said = {int(m[LAST]): tape.levels[m[BEGIN] : m[BEGIN] + 2, 1:].tolist() for m in tape.of_kind(Said.QUOTE)}
    book, shared, unknown = OrderBook(futures), 0, 0
    snapshot = int(np.flatnonzero(tape.messages[:, KIND] == Said.SNAPSHOT)[0])
    # The snapshot first, so that every change is looked at; and no quote helps the book.
    for row in (snapshot, *np.flatnonzero(tape.messages[:, KIND] == CHANGE)):
        sequence.take(*book.arrays, tape.messages, row, tape.levels)
        assert book.status == Status.VALID
        top = [book.bids(1)[0].tolist(), book.asks(1)[0].tolist()]
        assert top[0][0] < top[1][0]
        if book.update in said:
            shared += 1
            unknown += 0 in book.known()
            assert top == said[book.update], book.update
    assert shared == SHARED[name]
    assert book.counters.gaps == 0
    assert book.counters.applied + book.counters.old == changes
    assert (unknown > 0) == (name != "spot-ETHUSDT")  # the price leaves the snapshot's 1,000 levels in the other two


@pytest.mark.real_data
@pytest.mark.parametrize("name", RECORDED)
def test_a_book_of_dictionaries_agrees_at_all_levels(real_data, name):
    futures = RECORDED[name][0]
    tape = recorded(real_data, name)
    book, twin, most, compared = OrderBook(futures), DictBook(futures), 0, 0
    for row in range(len(tape)):
        sequence.take(*book.arrays, tape.messages, row, tape.levels)
        twin.take(tape.messages[row], tape.levels)
        assert (book.status == Status.VALID) == twin.valid
        if row % 500 == 0 or row > len(tape) - 20:
            sides = book.bids(), book.asks()
            for side, other in zip(sides, twin.sides(), strict=True):
                np.testing.assert_array_equal(side, other)
            most, compared = max(most, len(sides[0]), len(sides[1])), compared + twin.valid
    assert compared > 100
    assert 1_000 < most < 8_192
    assert book.counters.given_up == 0


@pytest.mark.real_data
@pytest.mark.parametrize("name", RECORDED)
def test_quotes_keep_the_top_of_book_known_when_the_price_leaves_the_snapshot(real_data, name):
    tape = recorded(real_data, name)
    book, changes, top, ten = OrderBook(RECORDED[name][0]), 0, 0, 0
    for row in range(len(tape)):
        sequence.take(*book.arrays, tape.messages, row, tape.levels)
        if tape.messages[row, KIND] == CHANGE and book.status == Status.VALID:
            known = min(book.known())
            changes, top, ten = changes + 1, top + (known > 0), ten + (known >= 10)
    assert top >= changes - 6
    assert ten >= 0.98 * changes


@pytest.mark.real_data
@pytest.mark.parametrize("name", ["spot-BTCUSDT", "um-BTCUSDT"])
def test_every_lost_change_is_noticed(real_data, name):
    futures = RECORDED[name][0]
    tape = recorded(real_data, name)
    changes = np.flatnonzero(tape.messages[:, KIND] == CHANGE)
    for lost in changes[20:-1:397]:
        book = OrderBook(futures)
        book.take(type(tape)(np.delete(tape.messages, lost, axis=0), tape.levels))
        assert (book.status, book.counters.gaps) == (Status.BROKEN, 1)
        last = tape.messages[changes[np.searchsorted(changes, lost) - 1], LAST]
        assert book.update == last


@pytest.mark.real_data
def test_bybits_archive(real_data):
    path = real_data / "book" / "bybit-XRPUSDT-ob500-20241201.data.zip"
    tape = read_bybit(path, Grid(Decimal("0.0001"), Decimal(1)))
    book, twin = OrderBook(), DictBook(False)
    for row in range(len(tape)):
        sequence.take(*book.arrays, tape.messages, row, tape.levels)
        twin.take(tape.messages[row], tape.levels)
        for side, other in zip((book.bids(), book.asks()), twin.sides(), strict=True):
            np.testing.assert_array_equal(side, other)
        if row:
            assert (len(book.bids()), len(book.asks())) == (500, 500)
    assert (book.status, book.counters.applied, book.counters.gaps) == (Status.VALID, 49, 0)


GRID = Grid(Decimal("0.01"), FINE)
QUOTE = b'7 {"stream":"x@bookTicker","data":{"u":9,"s":"X","b":"1.00","B":"2","a":"1.01","A":"3"}}'
BAD_LINES = {
    "no time": (b'{"stream":"x"}', "does not begin with a receive time"),
    "no json": (b"7 {", "line 2"),
    "other symbol": (QUOTE.replace(b'"X"', b'"Y"'), "is of Y, not X"),
    "text for id": (QUOTE.replace(b"9", b'"9"'), "Expected `int"),
    "lacks fields": (
        b'7 {"stream":"x","data":{"e":"depthUpdate","s":"X","U":1}}',
        "a depthUpdate message lacks fields",
    ),
    "off the grid": (QUOTE.replace(b"1.01", b"1.011"), "message 1 .*price '1.011'"),
}


@pytest.mark.parametrize("what", BAD_LINES)
def test_bad_lines_are_refused_by_number(what):
    line, message = BAD_LINES[what]
    with pytest.raises(SourceError, match=rf"^file.*{message}"):
        BinanceParser(GRID).read([QUOTE, line], "file")


def test_other_messages_are_passed_over_and_gaps_are_kept():
    lines = [
        b'1 {"result":null,"id":1}',
        b'2 {"gap":"connection lost"}',
        b'3 {"stream":"s","data":{"e":"kline","k":{}}}',
    ]
    assert BinanceParser(GRID).read([*lines, QUOTE]).messages[:, KIND].tolist() == [Said.GAP, Said.QUOTE]


def test_aggregated_and_single_trades():
    lines = [
        b'5 {"stream":"s","data":{"e":"aggTrade","E":2,"s":"X","a":7,"p":"1.00","q":"2","f":1,"l":3,"T":1,"m":true}}',
        b'6 {"stream":"s","data":{"e":"trade","E":3,"s":"X","t":8,"p":"1.10","q":"4","b":5,"a":6,"T":2,"m":false}}',
    ]
    tape = BinanceParser(GRID).read(lines)
    assert tape.messages[:, :5].tolist() == [[4, 10**6, 5, 7, 7], [4, 2 * 10**6, 6, 8, 8]]
    assert tape.levels.tolist() == [[-1, 100, 2 * 10**8], [1, 110, 4 * 10**8]]


def test_a_torn_recording_ends_with_its_last_whole_line(tmp_path):
    whole = gzip.compress(b"".join(b"%d message %d\n" % (n, n * n) for n in range(20_000)))
    path = tmp_path / "torn.jsonl.gz"
    path.write_bytes(whole[: len(whole) // 2])
    lines = list(lines_of(path))
    assert 1_000 < len(lines) < 20_000
    assert lines == [b"%d message %d" % (n, n * n) for n in range(len(lines))]
    plain = tmp_path / "plain"
    plain.write_bytes(b"1 a\n2 b\n3 c")
    assert list(lines_of(plain)) == [b"1 a", b"2 b"]
    with pytest.raises(SourceError, match="cannot be read"):
        list(lines_of(tmp_path / "absent"))
