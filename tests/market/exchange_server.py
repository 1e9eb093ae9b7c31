"""Two exchanges' public REST protocols on loopback: Bitstamp's (windows of time) and Kraken's (the last 720 bars)."""

from __future__ import annotations

import json
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

SECOND = 10**9


class FakeExchange:
    """``bars`` are served; ``faults`` are (status, body) answers that the next requests for bars get instead."""

    def __init__(self, bars):
        self.bars = bars
        self.faults = []
        self.pages = []
        self.url = None

    def answer(self, path, query):
        if path == "/api/v2/markets/":
            market = {"name": "BTC/USD", "market_symbol": "btcusd", "base_currency": "BTC", "counter_currency": "USD"}
            sizes = {"base_decimals": 8, "counter_decimals": 2, "minimum_order_value": "10", "trading": "Enabled"}
            kind = {
                "instant_and_market_orders": "Enabled",
                "description": "Bitcoin / U.S. dollar",
                "market_type": "SPOT",
            }
            return 200, [market | sizes | kind | {"instant_order_counter_decimals": 2}]
        if path == "/0/public/AssetPairs":
            return 200, {"error": [], "result": {"XXBTZUSD": PAIR}}
        if path == "/0/public/Assets":
            return 200, {"error": [], "result": {"XXBT": asset("XBT", 10), "ZUSD": asset("USD", 4)}}
        if path in ("/api/v2/ohlc/btcusd/", "/0/public/OHLC"):
            self.pages.append(query)
            if self.faults:
                return self.faults.pop(0)
            return 200, self.bitstamp(query) if "step" in query else self.kraken(query)
        return 404, {"error": f"no {path}"}

    def bitstamp(self, query):
        start, end, step = (int(query[name]) for name in ("start", "end", "step"))
        starts = self.bars["start"] // SECOND
        chosen = self.bars[(starts >= start) & (starts <= end)][: int(query["limit"])]
        assert step * SECOND == chosen["end"][0] - chosen["start"][0] if len(chosen) else True
        names = ("open", "high", "low", "close", "volume")
        rows = [
            {"timestamp": str(bar["start"] // SECOND)} | {name: repr(float(bar[name])) for name in names}
            for bar in chosen
        ]
        return {"data": {"pair": "BTC/USD", "ohlc": rows}}

    def kraken(self, query):
        """Kraken answers with the last 720 bars, however far back one asks."""
        last = self.bars[-720:]
        last = last[last["start"] // SECOND > int(query["since"])]
        rows = []
        for bar in last:
            prices = [repr(float(bar[name])) for name in ("open", "high", "low", "close")]
            rows.append([int(bar["start"] // SECOND), *prices, "0", repr(float(bar["volume"])), 7])
        return {"error": [], "result": {"XXBTZUSD": rows, "last": 0}}


PAIR = {
    "altname": "XBTUSD", "wsname": "XBT/USD", "aclass_base": "currency", "base": "XXBT", "aclass_quote": "currency",
    "quote": "ZUSD", "lot": "unit", "cost_decimals": 5, "pair_decimals": 1, "lot_decimals": 8, "lot_multiplier": 1,
    "leverage_buy": [], "leverage_sell": [], "fees": [[0, 0.4]], "fees_maker": [[0, 0.25]],
    "fee_volume_currency": "ZUSD", "margin_call": 80, "margin_stop": 40, "ordermin": "0.00005", "costmin": "0.5",
    "tick_size": "0.1", "status": "online",
}  # fmt: skip


def asset(name, decimals):
    return {"aclass": "currency", "altname": name, "decimals": decimals, "display_decimals": 5, "status": "enabled"}


@contextmanager
def serving(exchange):
    """Serve an exchange on a free port of loopback while the block runs."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            parts = urlsplit(self.path)
            status, body = exchange.answer(parts.path, {name: one[0] for name, one in parse_qs(parts.query).items()})
            if status is None:
                self.close_connection = True
                return
            content = body.encode() if isinstance(body, str) else json.dumps(body).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *ignored):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    exchange.url = f"http://127.0.0.1:{server.server_address[1]}"
    try:
        yield exchange
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
