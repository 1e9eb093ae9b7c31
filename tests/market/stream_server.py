"""A venue on this machine: it plays recorded lines to whoever connects, and answers for the book as it stands then."""

from __future__ import annotations

import asyncio
import gzip
import json
from decimal import Decimal

from websockets.asyncio.server import serve

from market.book.binance import BinanceParser
from market.book.grid import Grid
from market.book.order_book import OrderBook

FINE = Grid(Decimal("1e-8"), Decimal("1e-8"))


def stream_lines(path, count):
    """The recorded stream messages and the snapshot's line, of the first lines of a recording."""
    with gzip.open(path) as file:
        lines = [next(file).rstrip(b"\n") for _ in range(count)]
    snapshot = next(line for line in lines if b'"lastUpdateId"' in line and b'"stream"' not in line)
    return [line for line in lines if line is not snapshot], snapshot


class StreamServer:
    """Plays ``lines`` once. ``cuts`` are places where the connection is closed and the next ``lost`` lines vanish.

    Lines at ``hidden`` places are not sent. The REST answer is the book of its own, which sees every line, lost or not.
    """

    def __init__(self, lines, snapshot, cuts=(), lost=0, stale=0, pause=0.0, hidden=()):
        self.hidden = hidden
        self.lines, self.cuts, self.lost, self.stale, self.pause = lines, set(cuts), lost, stale, pause
        self.book, self.parser = OrderBook(), BinanceParser(FINE)
        self.book.take(self.parser.read([snapshot]))
        self.snapshot, self.place, self.paths, self.asked = snapshot, 0, [], 0
        self.done = asyncio.Event()

    async def __aenter__(self):
        self.socket = await serve(self.play, "127.0.0.1", 0)
        self.rest = await asyncio.start_server(self.answer, "127.0.0.1", 0)
        self.stream_url = f"ws://127.0.0.1:{self.socket.sockets[0].getsockname()[1]}"
        self.rest_url = f"http://127.0.0.1:{self.rest.sockets[0].getsockname()[1]}"
        return self

    async def __aexit__(self, *error):
        self.socket.close()
        self.rest.close()
        await asyncio.gather(self.socket.wait_closed(), self.rest.wait_closed())

    def see(self):
        """The venue's own book takes the next line."""
        line = self.lines[self.place]
        self.place += 1
        self.book.take(self.parser.read([line]))
        return line

    async def play(self, socket):
        self.paths.append(socket.request.path)
        self.newest = socket  # lines go to the newest connection: an older one may be dead and not know it yet
        while self.place < len(self.lines):
            if self.newest is not socket:
                return
            if self.place in self.cuts:
                self.cuts.remove(self.place)
                for _ in range(self.lost):
                    self.see()
                return
            line, sent = self.see(), self.place - 1 not in self.hidden
            if sent:
                await socket.send(line.split(b" ", 1)[1].decode())
            await asyncio.sleep(self.pause if self.place % 20 == 0 else 0)
        self.done.set()
        await socket.wait_closed()

    async def answer(self, reader, writer):
        request = await reader.readuntil(b"\r\n\r\n")
        self.paths.append(request.split()[1].decode())
        self.asked += 1
        if self.asked <= self.stale:
            writer.write(b"HTTP/1.1 503 Busy\r\ncontent-length: 0\r\nconnection: close\r\n\r\n")
        else:
            sides = [[[f"{Decimal(int(t)) / 10**8:f}", f"{Decimal(int(q)) / 10**8:f}"] for t, q in side] for side in
                     (self.book.bids(1000), self.book.asks(1000))]  # fmt: skip
            body = json.dumps({"lastUpdateId": self.book.update, "bids": sides[0], "asks": sides[1]}).encode()
            head = f"HTTP/1.1 200 OK\r\ncontent-length: {len(body)}\r\nconnection: close\r\n\r\n"
            writer.write(head.encode() + body)
        await writer.drain()
        writer.close()
