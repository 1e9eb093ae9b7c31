"""The backtest against an accountant of its own, and what must hold at every record of any journal."""

from __future__ import annotations

import os
import random
import subprocess
import sys
from collections import defaultdict

import numpy as np
import pytest

from market.events import Kind, as_words, first_broken
from tests.trading.markets import CONFIG, HORIZON, INTERVAL, VENUE, Accountant, instruments, tape
from trading.backtest import run
from trading.config import ExchangeConfig
from trading.errors import TapeError
from trading.exact import mul_div, mul_div_up
from trading.layout import ENTRY, EXIT, STOP, TARGET
from trading.trades import round_trips

SEEDS = range(4)
CAPITAL = 10_000 * 10**8


@pytest.fixture(scope="module", params=SEEDS)
def done(request):
    return run(instruments(), CONFIG, VENUE, tape(request.param), INTERVAL, HORIZON)


def test_products_are_exact_or_refused():
    generator = random.Random(3)
    edges = [0, 1, 2, 2**31 - 1, 2**31, 2**61, 2**62 - 1]
    for _ in range(20_000):
        a, b, c = (generator.choice(edges) if generator.random() < 0.2 else generator.getrandbits(62) for _ in "abc")
        c = max(c >> generator.randrange(62), 1)
        down, up = a * b // c, -(-a * b // c)
        assert mul_div(a, b, c) == (down if down < 2**62 else -1)
        assert mul_div_up(a, b, c) == (up if up < 2**62 else -1)
    assert mul_div(-1, 2, 3) == mul_div(2**62, 1, 1) == mul_div(1, 1, 0) == -1


def test_money_is_exact_to_the_unit_at_every_moment(done):
    book = Accountant(instruments(), CAPITAL)
    equity = dict(zip(done.time.tolist(), done.equity.tolist(), strict=True))
    last = None
    for event in done.journal:
        now = int(event["ts_recv"])
        if last is not None and now != last:
            assert book.equity() == equity[last]
        last = now
        book.take(event)
    core = done.state.core[0]
    assert (book.cash, book.fees, book.equity()) == (core["cash"], core["fees"], core["equity"])
    assert book.position == done.state.books["position"].tolist()
    assert len(done.journal[done.journal["kind"] == Kind.FILL]) > 300


def test_the_journal_is_whole(done):
    assert first_broken(as_words(done.journal), np.uint64(0)) == -1
    assert done.journal["seq"].tolist() == list(range(len(done.journal)))
    assert (np.diff(done.journal["ts_recv"]) >= 0).all()


def test_no_fill_on_the_bar_that_made_the_signal(done):
    journal = done.journal
    sent = {int(one["p0"]): one for one in journal[journal["kind"] == Kind.SUBMIT_ORDER]}
    entries = 0
    for fill in journal[journal["kind"] == Kind.FILL]:
        order = sent[int(fill["p0"])]
        if order["p6"] == ENTRY:
            entries += 1
            signal = journal[int(order["p7"])]
            assert signal["kind"] == Kind.SIGNAL
            assert fill["ts_event"] >= signal["ts_event"]
            assert fill["ts_recv"] > signal["ts_recv"]
    assert entries > 100


def test_what_must_hold_at_every_record(done):
    rules = instruments()
    position, orders, state = [0, 0, 0], {}, 0
    live = defaultdict(set)
    filled = defaultdict(int)
    for event in done.journal:
        number, kind, client = int(event["instrument"]), int(event["kind"]), int(event["p0"])
        if kind == Kind.TRADING_STATE:
            state = client
        elif kind == Kind.SUBMIT_ORDER:
            assert client == len(orders) + 1
            orders[client] = (number, int(event["p1"]), int(event["p4"]), int(event["p6"]))
            live[number].add(client)
            if event["p6"] == ENTRY:
                assert state == 1
                assert position[number] == 0
                assert rules[number].kind == "perpetual" or event["p1"] == 1
        elif kind in (Kind.ORDER_CANCELLED, Kind.ORDER_REJECTED):
            live[number].discard(client)
        elif kind == Kind.FILL:
            _, side, quantity, purpose = orders[client]
            before = position[number]
            position[number] += side * int(event["p2"])
            filled[client] += int(event["p2"])
            assert filled[client] <= quantity
            if purpose != ENTRY:
                assert abs(position[number]) < abs(before)
                assert position[number] * before >= 0
            if filled[client] == quantity:
                live[number].discard(client)
        elif kind in (Kind.BAR, Kind.SIGNAL):
            for held, working in enumerate(live[n] for n in range(3)):
                stops = sum(orders[one][2] - filled[one] for one in working if orders[one][3] == STOP)
                exits = sum(orders[one][2] - filled[one] for one in working if orders[one][3] == EXIT)
                assert max(stops, exits) >= abs(position[held])
        if rules[number].kind == "spot":
            assert position[number] >= 0
    assert {purpose for *_, purpose in orders.values()} == {ENTRY, STOP, TARGET, EXIT}


def test_a_bar_fills_no_more_than_its_share(done):
    journal = done.journal
    bars = {(int(one["instrument"]), int(one["ts_event"])): int(one["p4"]) for one in journal[journal["kind"] == 4]}
    traded = defaultdict(int)
    for fill in journal[journal["kind"] == Kind.FILL]:
        traded[int(fill["instrument"]), int(fill["ts_recv"])] += int(fill["p2"])
    assert all(lots <= VENUE.participation * bars[key] for key, lots in traded.items())


def test_round_trips_add_up(done):
    trips = round_trips(done.journal, instruments())
    flat = (done.state.books["position"] == 0).all()
    assert len(trips) > 80
    if flat:
        assert int(trips["profit"].sum()) == int(done.state.core["cash"][0]) - CAPITAL


def test_costs_only_cost():
    events = tape(7, controls=False)
    net = run(instruments(), CONFIG, VENUE, events, INTERVAL, HORIZON)
    free = run(instruments(), CONFIG, VENUE.free(), events, INTERVAL, HORIZON)
    assert free.state.core["fees"][0] == free.exchange.exchange["slippage"][0] == 0
    assert net.state.core["fees"][0] > 0
    assert free.equity[-1] > net.equity[-1]


def test_a_tape_out_of_order_is_refused():
    events = tape(1, 50)
    with pytest.raises(TapeError, match="earlier"):
        run(instruments(), CONFIG, VENUE, events[::-1].copy(), INTERVAL, HORIZON)
    events["instrument"] = 9
    with pytest.raises(TapeError, match="instrument 9"):
        run(instruments(), CONFIG, ExchangeConfig(), events, INTERVAL, HORIZON)


PROGRAM = """
import sys
from tests.trading.markets import *
from trading.backtest import run
done = run(instruments(), CONFIG, VENUE, tape(2, 120), INTERVAL, HORIZON)
sys.stdout.buffer.write(done.journal.tobytes() + done.state.to_bytes())
"""


def test_the_same_bytes_without_the_compiler():
    compiled = run(instruments(), CONFIG, VENUE, tape(2, 120), INTERVAL, HORIZON)
    environment = {**os.environ, "NUMBA_DISABLE_JIT": "1", "PYTHONWARNINGS": "ignore"}
    done = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, check=True, env=environment)
    assert done.stdout == compiled.journal.tobytes() + compiled.state.to_bytes()
