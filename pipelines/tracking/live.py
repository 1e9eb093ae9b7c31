"""Learning curves in MLflow while a training runs: its run is there from the first fit on, and filled at its end.

Values go through a queue to a thread of their own, so no fit waits for a database, and whatever MLflow does, training
goes on: what did not arrive is written with everything else when the run is finished, which says so if it fails.
"""

from __future__ import annotations

import logging
import os
import queue
import socket
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from pipelines.tracking.content import learning_metric
from pipelines.workspace import Workspace

if TYPE_CHECKING:
    from pipelines.stages.fit import Live
    from pipelines.tracking.tracker import TrackedRun

RUN_TAG, LIVE_TAG = "bot4.run_id", "bot4.live"
"""Whose run it is, and the process that fills it; the second goes when the finished run is written into it."""
EVERY = 1.0
"""Seconds between two writes."""
REACH = 3.0
"""Seconds in which a server has to accept a connection."""
LEAVE = 10.0
"""Seconds that are waited for the last values at the end."""

Value = tuple[str, float, int]
_log = logging.getLogger(__name__)


class Feed:
    """Takes values from the threads that fit, and writes them from one of its own."""

    def __init__(self, run: TrackedRun) -> None:
        self.run = run
        self._values: queue.SimpleQueue[Value | None] = queue.SimpleQueue()
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._write, name="learning curves", daemon=True)
        self._thread.start()

    def __call__(self, window: int, member: str, values: Mapping[str, float], step: int) -> None:
        """The newest values of a member's curves; see `pipelines.stages.fit.Live`."""
        for curve, value in values.items():
            self._values.put((learning_metric(member, curve, window), float(value), step))

    def close(self) -> None:
        """Write what is left; a store that does not answer is not waited for long."""
        self._values.put(None)
        self._over.set()
        self._thread.join(LEAVE)

    def _write(self) -> None:
        known: dict[str, set[int]] = {}
        while True:
            waiting, over = self._waiting()
            try:
                for name in {name for name, _, _ in waiting} - known.keys():
                    known[name] = self.run.steps(name)
                news = [one for one in waiting if one[2] not in known[one[0]]]
                self.run.values(news)
            except Exception as error:  # noqa: BLE001 - of MLflow, its database or the network: training goes on
                _log.info("MLflow takes no more learning curves while this training runs: %s", error)
                return
            for name, _, step in news:
                known[name].add(step)
            if over:
                return
            self._over.wait(EVERY)

    def _waiting(self) -> tuple[list[Value], bool]:
        """Everything that waits, at least one value; and whether it is the last."""
        found = [self._values.get()]
        while not self._values.empty():
            found.append(self._values.get())
        return [one for one in found if one is not None], None in found


@contextmanager
def live_curves(name: str, run_id: str, workspace: Workspace) -> Iterator[Live | None]:
    """A run of MLflow that takes learning curves while the block runs; None where MLflow does not answer.

    It stays open behind the block, for `pipelines.tracking.finished.record` to fill; an exception ends it as FAILED, an
    interrupt as KILLED, and the next training ends those whose process is gone.
    """
    feed = _open(name, run_id, workspace)
    if feed is None:
        yield None
        return
    try:
        yield feed
    except BaseException as error:
        feed.close()
        _end(feed.run, "FAILED" if isinstance(error, Exception) else "KILLED")
        raise
    feed.close()


def _open(name: str, run_id: str, workspace: Workspace) -> Feed | None:
    if not answers(workspace.mlflow_uri):
        _log.info("no learning curves while this training runs: nothing answers at %s", workspace.mlflow_uri)
        return None
    try:
        from pipelines.tracking.finished import is_tracked
        from pipelines.tracking.moved import follow
        from pipelines.tracking.tracker import Tracker

        follow(workspace)
        tracker = Tracker.local(workspace, name)
        tracker.end_orphans()
        return None if is_tracked(tracker, run_id) else Feed(tracker.begin_live(run_id, {"bot4.name": name}))
    except Exception as error:  # noqa: BLE001 - of MLflow, its database or the network: training goes on
        _log.info("no learning curves in MLflow while this training runs: %s", error)
        return None


def _end(run: TrackedRun, status: str) -> None:
    try:
        run.tracker.client.set_terminated(run.run_id, status)
    except Exception as error:  # noqa: BLE001 - the training's own error is on its way
        _log.info("MLflow does not take the end of run %s: %s", run.run_id, error)


def answers(uri: str) -> bool:
    """Whether a server accepts connections; MLflow itself would try for minutes. A local store always does.

    Examples
    --------
    >>> answers("sqlite:///mlflow.db"), answers("http://127.0.0.1:9")
    (True, False)
    """
    parts = urlsplit(uri)
    if parts.scheme not in ("http", "https") or parts.hostname is None:
        return True
    try:
        port = parts.port or (443 if parts.scheme == "https" else 80)
        socket.create_connection((parts.hostname, port), timeout=REACH).close()
    except OSError:
        return False
    return True


def this_process() -> str:
    """Host and process id, as in `LIVE_TAG`."""
    return f"{socket.gethostname()} {os.getpid()}"


def is_gone(process: str) -> bool:
    """Whether a process of this host has ended; those of other hosts are not known.

    Examples
    --------
    >>> is_gone(this_process()), is_gone("elsewhere 1")
    (False, False)
    """
    host, _, number = process.rpartition(" ")
    if host != socket.gethostname() or not number.isdecimal():
        return False
    try:
        os.kill(int(number), 0)
    except ProcessLookupError:
        return True
    except PermissionError:
        return False
    return False
