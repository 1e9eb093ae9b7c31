"""What a process has started for itself ends with it, even if it is killed."""

from __future__ import annotations

import os
import select
import signal
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent.parent
STARTS = """
import subprocess, sys, time
from pipelines.flows.lifeline import end_with_us
child = subprocess.Popen([sys.executable, "-S", "-c", "import time; time.sleep(600)"])
watcher = end_with_us(child)
print(child.pid, watcher.pid, flush=True)
time.sleep(600) if sys.argv[1] == "stays" else child.kill()
"""


def gone(pid, patience=60.0):
    """Whether a process, which need not be a child of ours, ends in time."""
    try:
        watched = os.pidfd_open(pid)
    except ProcessLookupError:
        return True
    try:
        return bool(select.select([watched], [], [], patience)[0])
    finally:
        os.close(watched)


def start(how):
    process = subprocess.Popen([sys.executable, "-c", STARTS, how], stdout=subprocess.PIPE, text=True, cwd=ROOT)
    return process, [int(pid) for pid in process.stdout.readline().split()]


@pytest.mark.parametrize("sign", [signal.SIGKILL, signal.SIGTERM])
def test_a_killed_process_takes_its_own_with_it(sign):
    process, (child, watcher) = start("stays")
    assert not gone(child, patience=0.5), "as long as we live, it does"
    os.kill(process.pid, sign)
    process.wait()
    assert gone(child)
    assert gone(watcher)
    process.stdout.close()


def test_the_watcher_of_what_has_ended_ends_too():
    process, (_, watcher) = start("ends")
    process.wait()
    assert gone(watcher)
    process.stdout.close()
