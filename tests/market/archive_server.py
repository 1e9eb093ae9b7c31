"""An archive on loopback with the public one's layout, that fails as it is told to."""

from __future__ import annotations

import hashlib
import threading
import time
from collections import defaultdict
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from market_bars import archive_lines, text, zipped

from market.download.layout import ArchiveSeries, is_month


class Archive:
    """Files by path, the requests that came, and the faults that the next requests of a path meet.

    A fault is ``("status", code, headers)``, ``("cut", bytes)`` (as many, then the connection is closed),
    ``("drop",)`` (closed without an answer), ``("trickle", bytes, seconds)`` (pieces with pauses between),
    ``("stall", bytes, seconds)`` (silence after as many), ``("spoil",)`` (one byte changed) or
    ``("whole",)`` (Range is ignored).
    """

    def __init__(self):
        self.files = {}
        self.requests = []
        self.faults = defaultdict(list)
        self.lock = threading.Lock()
        self.busy = self.busiest = 0
        self.url = None

    def put(self, path, content, checksum=None):
        self.files[path] = content
        name = path.rpartition("/")[2]
        self.files[f"{path}.CHECKSUM"] = f"{checksum or hashlib.sha256(content).hexdigest()}  {name}\n".encode()

    def put_bars(self, series, bars, month, days=False, unit="ms"):
        """Bars of one month as its monthly file, or as daily files; gives the paths."""
        months = bars["start"].astype("M8[ns]").astype("M8[M]").astype(str)
        inside = bars[months == month]
        by_day = inside["start"].astype("M8[ns]").astype("M8[D]").astype(str)
        periods = sorted(set(by_day)) if days else [month]
        for period in periods:
            chosen = inside if is_month(period) else inside[by_day == period]
            self.put(series.path(period), zipped(text(archive_lines(chosen, unit), header=series.venue != "binance")))
        return [series.path(period) for period in periods]

    def fetched(self, path=None):
        """The requests for files, without those for checksums."""
        found = [(where, offset) for where, offset in self.requests if not where.endswith(".CHECKSUM")]
        return found if path is None else [offset for where, offset in found if where == path]


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    archive: Archive

    def do_GET(self):
        archive, path = self.archive, self.path.lstrip("/")
        wanted = self.headers.get("Range")
        offset = int(wanted.removeprefix("bytes=").rstrip("-")) if wanted else None
        with archive.lock:
            archive.requests.append((path, offset))
            fault = archive.faults[path].pop(0) if archive.faults[path] else ("none",)
            archive.busy += 1
            archive.busiest = max(archive.busiest, archive.busy)
        try:
            self.answer(path, offset, fault)
        except (BrokenPipeError, ConnectionResetError):
            self.close_connection = True
        finally:
            with archive.lock:
                archive.busy -= 1

    def answer(self, path, offset, fault):
        content = self.archive.files.get(path)
        kind = fault[0]
        if kind == "drop":
            self.close_connection = True
            return
        if kind == "status":
            self.head(fault[1], 0, fault[2] if len(fault) > 2 else {})
            return
        if content is None:
            self.head(404, 0)
            return
        if kind == "spoil":
            content = content[:-100] + bytes([content[-100] ^ 1]) + content[-99:]
        if kind == "whole":
            offset = None
        if offset is not None and offset >= len(content):
            self.head(416, 0, {"Content-Range": f"bytes */{len(content)}"})
            return
        body = content[offset or 0 :]
        extra = {} if offset is None else {"Content-Range": f"bytes {offset}-{len(content) - 1}/{len(content)}"}
        self.head(200 if offset is None else 206, len(body), extra)
        if kind == "cut":
            self.wfile.write(body[: fault[1]])
            self.close_connection = True
        elif kind == "trickle":
            for at in range(0, len(body), fault[1]):
                self.wfile.write(body[at : at + fault[1]])
                self.wfile.flush()
                time.sleep(fault[2])
        elif kind == "stall":
            self.wfile.write(body[: fault[1]])
            self.wfile.flush()
            time.sleep(fault[2])
            self.close_connection = True
        else:
            self.wfile.write(body)

    def head(self, status, length, extra=()):
        self.send_response(status)
        self.send_header("Content-Length", str(length))
        for name, value in dict(extra).items():
            self.send_header(name, value)
        self.end_headers()

    def log_message(self, *ignored):
        pass


@contextmanager
def serving(archive):
    """Serve an archive on a free port of loopback while the block runs."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Bound", (Handler,), {"archive": archive}))
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    archive.url = f"http://127.0.0.1:{server.server_address[1]}"
    try:
        yield archive
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


SPOT = ArchiveSeries("binance", "BTCUSDT", "klines", "15m")
