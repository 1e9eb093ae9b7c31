"""The temporary Prefect server ends with the process it was started for, also when that one is killed.

Prefect starts the server of a local run as a process and stops it when Python ends; a kill -9 would leave it running
for ever. So a small process waits beside it: what it reads from is held open by us alone and ends when we do.
"""

from __future__ import annotations

import os
import subprocess
import sys
from typing import Any

WATCH = """
import os, signal, sys
try:
    watched = os.pidfd_open(int(sys.argv[1]))
except ProcessLookupError:
    sys.exit()
print(flush=True)
sys.stdin.buffer.read()
try:
    signal.pidfd_send_signal(watched, signal.SIGTERM)
except ProcessLookupError:
    pass
"""
"""A pidfd stays the process's, where its number may be another's by then."""


def end_with_us(process: subprocess.Popen[Any]) -> subprocess.Popen[bytes] | None:
    """Let a process be asked to end once ours is gone; the watcher, or None where there are no pidfds."""
    if not hasattr(os, "pidfd_open"):
        return None
    watcher = subprocess.Popen(
        [sys.executable, "-I", "-S", "-c", WATCH, str(process.pid)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    assert watcher.stdout is not None
    watcher.stdout.readline()  # it holds the process now, or that one has ended
    watcher.stdout.close()
    return watcher


_watchers: list[subprocess.Popen[bytes]] = []
"""Kept, or Python would close what they read from."""


def server_ends_with_us() -> None:
    """Let each temporary server that Prefect starts from now on end with this process; others are left alone."""
    from prefect.settings import PREFECT_API_URL

    if PREFECT_API_URL.value():
        return
    from prefect.server.api.server import SubprocessASGIServer

    start = SubprocessASGIServer._run_uvicorn_command
    if hasattr(start, "watched"):
        return

    def started(server: Any) -> subprocess.Popen[Any]:
        process: subprocess.Popen[Any] = start(server)
        watcher = end_with_us(process)
        if watcher is not None:
            _watchers.append(watcher)
        return process

    started.watched = True  # type: ignore[attr-defined]
    SubprocessASGIServer._run_uvicorn_command = started
