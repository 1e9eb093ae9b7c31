"""Bars through ccxt's own client code, from a server that speaks two exchanges' protocols."""

from __future__ import annotations

import numpy as np
import pytest
from exchange_server import FakeExchange, serving
from market_bars import random_bars, tree

from market.download.exchange import Exchange
from market.download.exchange_series import ExchangeWanted, download_from_exchange, exchange_key
from market.download.patience import Patience
from market.errors import DownloadError, LakeError, QualityError
from market.lake import Lake
from market.time import DAY, HOUR, MINUTE, parse_time

START, STEP = parse_time("2025-01-01"), 15 * MINUTE
SYMBOL = "BTC/USD"
KEY = exchange_key("bitstamp", SYMBOL, STEP)


@pytest.fixture(scope="module")
def bars():
    """90 days of prices and volumes, as these exchanges have nothing else."""
    return random_bars(90 * 96, start=START, full=False)


@pytest.fixture
def served(bars):
    with serving(FakeExchange(bars)) as exchange:
        yield exchange


@pytest.fixture
def lake(tmp_path):
    return Lake(tmp_path / "lake")


def client(served, name="bitstamp", attempts=4):
    return Exchange(name, base_url=served.url, rate=10_000, timeout=5.0, patience=Patience(attempts, backoff=0.001))


def wanted(start="2025-01-01", stop="2025-03-15", symbol=SYMBOL, interval=STEP):
    return ExchangeWanted(symbol, interval, parse_time(start), parse_time(stop))


def test_pages_join_without_a_gap_or_a_repeat(served, bars):
    got = client(served).bars(SYMBOL, STEP, START + HOUR, START + 60 * DAY + HOUR)
    assert got.tobytes() == bars[4 : 60 * 96 + 4].tobytes()
    assert len(served.pages) == -(-60 * 96 // 1000)


def test_a_hole_longer_than_a_page_is_crossed(served, bars):
    served.bars = np.concatenate([bars[:500], bars[4000:]])
    got = client(served).bars(SYMBOL, STEP, START, START + 60 * DAY)
    assert got.tobytes() == np.concatenate([bars[:500], bars[4000 : 60 * 96]]).tobytes()


def test_before_the_listing_there_is_nothing(served, bars):
    served.bars = bars[3000:]
    assert client(served).bars(SYMBOL, STEP, START, START + 60 * DAY).tobytes() == bars[3000 : 60 * 96].tobytes()


def test_an_exchange_that_does_not_reach_back_gives_what_it_has(served, bars, lake):
    """Kraken answers with its last 720 bars; what lies before is missing, and counted as such."""
    exchange = client(served, "kraken")
    (one,) = download_from_exchange(exchange, [wanted("2025-01-01", "2025-04-01")], lake)
    assert one.added == 720
    assert one.missing == 90 * 96 - 720
    assert lake.read(exchange_key("kraken", SYMBOL, STEP)).tobytes() == bars[-720:].tobytes()
    assert len(served.pages) == 3  # one a month: the exchange's answer shows that there is nothing before


def test_series_are_stored_and_known_the_second_time(served, bars, lake):
    steps = []
    (one,) = download_from_exchange(
        client(served), [wanted()], lake, progress=lambda what, done: steps.append((what, done))
    )
    days = 31 + 28 + 14
    assert (one.key, one.added, one.known, one.missing) == (KEY, days * 96, 0, 0)
    assert lake.read(KEY).tobytes() == bars[: days * 96].tobytes()
    assert [record.source.name for record in lake.provenance()] == [
        f"ccxt bitstamp BTC/USD 15m 2025-{month}" for month in ("01", "02", "03")
    ]
    assert [done for _, done in steps] == sorted(done for _, done in steps)
    assert steps[-1] == ("BTC/USD 2025-03", 1.0)
    before, pages = tree(lake.root), len(served.pages)
    (again,) = download_from_exchange(client(served), [wanted()], lake)
    assert (again.added, again.known, len(served.pages)) == (0, days * 96, pages)
    assert tree(lake.root) == before


def test_a_run_that_broke_goes_on_with_the_month_where_it_broke(served, bars, lake):
    served.faults = [(200, served.bitstamp(page)) for page in firsts(3)] + [(503, "busy")] * 4
    with pytest.raises(DownloadError, match="bitstamp BTC/USD 15m: given up after 4 failures in a row"):
        download_from_exchange(client(served), [wanted()], lake)
    assert lake.read(KEY).tobytes() == bars[: 31 * 96].tobytes()
    served.pages.clear()
    (one,) = download_from_exchange(client(served), [wanted()], lake)
    assert (one.known, one.added) == (31 * 96, 42 * 96)
    assert min(int(page["start"]) for page in served.pages) == parse_time("2025-02-01") // 10**9


def firsts(count):
    """The queries of January's first pages."""
    size, start = 900 * 1000, START // 10**9
    return [
        {"start": start + n * size, "end": start + (n + 1) * size - 1, "step": 900, "limit": 1000} for n in range(count)
    ]


@pytest.mark.parametrize(
    "faults",
    [
        [(429, "{}"), (503, "busy"), (500, "{}")],
        [(None, ""), (None, "")],
        [(429, "slow down"), (None, ""), (502, "<html>bad gateway</html>")],
    ],
)
def test_what_may_pass_is_tried_again(served, bars, faults):
    served.faults = list(faults)
    assert client(served).bars(SYMBOL, STEP, START, START + DAY).tobytes() == bars[:96].tobytes()
    assert len(served.pages) == len(faults) + 1


def test_what_the_exchange_refuses_is_not_tried_again(served):
    served.faults = [(400, '{"code": "bad", "error": "Invalid step"}')]
    with pytest.raises(DownloadError, match=r"bitstamp BTC/USD 15m: \w+: bitstamp .*Invalid step"):
        client(served).bars(SYMBOL, STEP, START, START + DAY)
    assert len(served.pages) == 1


@pytest.mark.parametrize(
    ("one", "message"),
    [
        (wanted(symbol="BTC/EUR"), "bitstamp has no market 'BTC/EUR'; it has BTC/USD"),
        (wanted(symbol="BTCUSD"), "bitstamp has no market 'BTCUSD'; symbols are written as BTC/USDT"),
        (wanted(interval=7 * MINUTE), "bitstamp has no bars of 7m; it has 1m, 3m"),
    ],
)
def test_what_the_exchange_does_not_have_is_said_before_anything_is_stored(served, lake, one, message):
    with pytest.raises(DownloadError, match=message):
        download_from_exchange(client(served), [wanted(), one], lake)
    assert not lake.root.exists()


def test_unknown_exchanges_are_refused():
    with pytest.raises(DownloadError, match="ccxt has no exchange 'nowhere'"):
        Exchange("nowhere")


def test_an_unreachable_exchange_is_one_sentence():
    exchange = Exchange("kraken", base_url="http://127.0.0.1:9", patience=Patience(2, backoff=0.001), rate=1000)
    with pytest.raises(DownloadError, match="kraken markets: given up after 2 failures in a row, the last: "):
        exchange.check(SYMBOL, STEP)


def test_bad_bars_are_refused_with_their_month_and_the_months_before_stay(served, bars, lake):
    served.bars = bars.copy()
    served.bars["high"][40 * 96] = 1.0
    with pytest.raises(QualityError, match="ccxt bitstamp BTC/USD 15m 2025-02: error ohlc"):
        download_from_exchange(client(served), [wanted()], lake)
    assert lake.read(KEY).tobytes() == bars[: 31 * 96].tobytes()


def test_a_history_that_was_rewritten_is_refused_unless_it_may_replace(served, bars, lake):
    half = [wanted("2025-01-01", "2025-01-20")]
    download_from_exchange(client(served), half, lake)
    served.bars = bars.copy()
    served.bars["volume"][77] += 1.0
    with pytest.raises(LakeError, match="is stored with volume"):
        download_from_exchange(client(served), [wanted("2025-01-01", "2025-01-25")], lake)
    (one,) = download_from_exchange(client(served), [wanted("2025-01-01", "2025-01-25")], lake, replace=True)
    assert one.added == 5 * 96
    assert lake.read(KEY).tobytes() == served.bars[: 24 * 96].tobytes()


def test_a_bar_that_is_not_over_is_left_for_later(served, lake, monkeypatch):
    """By our clock it is 12:07:30: the bar from 11:45 ended 7 minutes ago, the one from 12:00 is being made."""
    exchange = client(served)
    now = parse_time("2025-01-10T12:07:30")
    monkeypatch.setattr(exchange._client, "milliseconds", lambda: now // 10**6)
    (one,) = download_from_exchange(exchange, [wanted("2025-01-10", "2025-01-11")], lake)
    assert one.added == 12 * 4
    assert lake.read(KEY)["end"][-1] == parse_time("2025-01-10T12:00")
    monkeypatch.setattr(exchange._client, "milliseconds", lambda: parse_time("2025-01-10T12:15:30") // 10**6)
    assert exchange.settled(STEP) == parse_time("2025-01-10T12:00")  # it ended half a minute ago
    assert exchange.settled(7 * DAY) == parse_time("2025-01-06")  # a Monday


def test_ccxt_s_own_rate_limit_is_kept_unless_another_is_given(served):
    assert Exchange("kraken", base_url=served.url)._client.rateLimit == 1000
    assert Exchange("kraken", base_url=served.url, rate=4.0)._client.rateLimit == 250
