"""`bot4 record`: from a stream to bars with the book's fields in the lake, and what is refused."""

from __future__ import annotations

import asyncio
import json
import threading

import numpy as np
import pytest
from typer.testing import CliRunner
from websockets.asyncio.server import serve

from market.book.aggregates import BOOK_FIELDS
from market.lake import Lake, SeriesKey
from market.time import SECOND
from market.trades.lake import TradeLake, trade_key
from pipelines.cli import app, main

START = 1_700_000_000


def messages():
    """Ten seconds of trades and changes of a book that moves up by a tick a second."""
    for number in range(40):
        time, tick = START * 1000 + 250 * number, number // 4
        bid, ask = f"{100 + tick}.00", f"{101 + tick}.00"
        asks = [[f"{101 + tick + k}.00", "2.5"] for k in range(12)] + [[f"{100 + tick}.00", "0"]]
        bids = [[f"{100 + tick - k}.00", str(1 + number % 3)] for k in range(12)]
        change = {"e": "depthUpdate", "E": time, "s": "XY", "U": number + 2, "u": number + 2, "b": bids, "a": asks}
        yield {"stream": "xy@depth@100ms", "data": change}
        quote = {"u": number + 2, "s": "XY", "b": bid, "B": str(1 + number % 3), "a": ask, "A": "2.5"}
        yield {"stream": "xy@bookTicker", "data": quote}
        trade = {"e": "trade", "E": time, "s": "XY", "t": number, "p": ask, "q": "0.5", "T": time, "m": False}
        yield {"stream": "xy@trade", "data": trade}


class Venue(threading.Thread):
    """A venue in a thread of its own; the snapshot is that of update 1, from before all changes."""

    def __init__(self):
        super().__init__(daemon=True)
        self.loop, self.ready = asyncio.new_event_loop(), threading.Event()

    def run(self):
        self.loop.run_until_complete(self.play())

    async def play(self):
        self.over, self.asked = asyncio.Event(), asyncio.Event()

        async def send(socket):
            for number, message in enumerate(messages()):
                await socket.send(json.dumps(message))
                if number == 2:
                    await self.asked.wait()
                    await asyncio.sleep(0.3)  # until the answer is written down
            await socket.wait_closed()

        async def answer(reader, writer):
            await reader.readuntil(b"\r\n\r\n")
            body = json.dumps({"lastUpdateId": 1, "bids": [], "asks": []}).encode()
            writer.write(b"HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: %d\r\n\r\n" % len(body) + body)
            await writer.drain()
            writer.close()
            self.asked.set()

        async with serve(send, "127.0.0.1", 0) as socket:
            rest = await asyncio.start_server(answer, "127.0.0.1", 0)
            self.streams = f"ws://127.0.0.1:{socket.sockets[0].getsockname()[1]}"
            self.answers = f"http://127.0.0.1:{rest.sockets[0].getsockname()[1]}"
            self.ready.set()
            await self.over.wait()
            rest.close()


@pytest.fixture
def venue():
    thread = Venue()
    thread.start()
    assert thread.ready.wait(10)
    yield thread
    thread.loop.call_soon_threadsafe(thread.over.set)
    thread.join(10)


def run(*arguments):
    return CliRunner().invoke(app, ["record", *arguments])


def test_from_the_stream_to_bars_in_the_lake(venue, tmp_path):
    place = ["--workspace", str(tmp_path), "--stream-url", venue.streams, "--rest-url", venue.answers]
    said = run("binance", "XY", "--for", "2s", *place)
    assert said.exit_code == 0, said.output
    assert "120 messages" in said.output
    assert "1 files in" in said.output.replace("\n", "")
    for new, known in ((8, 0), (0, 8)):
        said = run("binance", "XY", "--convert", "1s", *place)
        assert said.exit_code == 0, said.output
        assert f"1 files; {new} new bars, {known} known, 0 left out at 0 holes" in said.output
    bars = Lake(tmp_path / "lake").read(SeriesKey("binance", "XY", interval="1s"))
    assert bars["start"].tolist() == [(START + second) * SECOND for second in range(1, 9)]
    assert bars["trade_count"].tolist() == [4] * 8
    assert bars["taker_buy_volume"].tolist() == [2.0] * 8
    assert all(np.isfinite(bars[name]).all() for name in BOOK_FIELDS)
    assert bars["spread"].tolist() == [1.0] * 8
    assert bars["ask_depth"].tolist() == [25.0] * 8
    assert bars["close"].tolist() == [101.0 + second for second in range(1, 9)]
    trades = TradeLake(tmp_path / "lake").read(trade_key("binance", "XY"))
    assert trades["id"].tolist() == list(range(40))


def test_before_the_first_connection_there_is_no_gap(tmp_path):
    away = ["--stream-url", "ws://127.0.0.1:9", "--rest-url", "http://127.0.0.1:9"]
    said = run("binance", "XY", "YZ", "--for", "1s", "--workspace", str(tmp_path), *away)
    assert said.exit_code == 0, said.output
    assert "0 messages" in said.stdout
    assert "lag unknown, 0 gaps, 0 snapshots, 0 connections" in said.stdout


REFUSED = {
    "venue": (["kraken", "XY"], "no venue 'kraken' can be recorded"),
    "nothing recorded": (["binance", "XY", "--convert", "1m"], "has no finished recordings of binance XY"),
    "symbol": (["binance", "XY", "../x"], "'../x' is no symbol: letters A to Z, digits, _ and - make one"),
    "symbol to convert": (["binance", "X/Y", "--convert", "1m"], "'X/Y' is no symbol"),
    "step": (["binance", "XY", "--convert", "1m", "--tick", "small"], "'small' is not a decimal number"),
    "interval": (["binance", "XY", "--convert", "minute"], "interval 'minute'"),
    "address": (["binance", "XY", "--stream-url", "nowhere"], "nowhere is not the address of a stream"),
    "rotation": (["binance", "XY", "--rotate", "often"], "interval 'often'"),
}


@pytest.mark.parametrize("what", REFUSED)
def test_refused_in_one_sentence(what, tmp_path, capsys):
    arguments, message = REFUSED[what]
    (tmp_path / "recordings" / "binance").mkdir(parents=True)
    if what == "interval":
        (tmp_path / "recordings" / "binance" / "binance-XY-20240101T000000Z.jsonl.gz").write_bytes(b"")
    with pytest.raises(SystemExit) as end:
        main(["record", *arguments, "--workspace", str(tmp_path)])
    assert end.value.code == 2
    assert message in " ".join(capsys.readouterr().err.split())
