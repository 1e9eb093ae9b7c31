"""A real Dask cluster on loopback: a scheduler and workers, each a process of its own, as their commands start them."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from contextlib import contextmanager

import msgspec

HOST = "127.0.0.1"
PATIENCE = 60.0


class LocalCluster:
    """A scheduler at ``address`` and its workers by name; their logs lie in ``folder``."""

    def __init__(self, folder):
        self.folder = folder
        self.processes = {}
        self.address = ""

    def start(self, name, *command, environment=None):
        with open(self.folder / f"{name}.log", "w") as log:
            self.processes[name] = subprocess.Popen(
                [sys.executable, "-m", "dask", *command],
                stdout=log,
                stderr=subprocess.STDOUT,
                cwd=self.folder,
                env={**os.environ, **(environment or {})},
            )
        return self.processes[name]

    def start_scheduler(self):
        file = self.folder / "scheduler.json"
        self.start("scheduler", "scheduler", "--host", HOST, "--port", "0", "--no-dashboard", "--scheduler-file", file)
        until = time.monotonic() + PATIENCE
        while not self.address and time.monotonic() < until:
            assert self.processes["scheduler"].poll() is None, self.said("scheduler")
            if file.is_file() and file.read_bytes():
                self.address = msgspec.json.decode(file.read_bytes())["address"]
            time.sleep(0.05)
        assert self.address, self.said("scheduler")

    def start_worker(self, name, *options, environment=None):
        """A worker process alone: no nanny starts it again."""
        words = ("worker", self.address, "--name", name, "--nthreads", "1", "--no-dashboard", "--host", HOST)
        return self.start(name, *words, *(options or ("--no-nanny",)), environment=environment)

    def said(self, name):
        return (self.folder / f"{name}.log").read_text()

    def kill(self, name):
        self.processes[name].send_signal(signal.SIGKILL)
        self.processes[name].wait()

    def stop(self):
        for one in self.processes.values():
            one.terminate()
        for one in self.processes.values():
            try:
                one.wait(10)
            except subprocess.TimeoutExpired:
                one.kill()
                one.wait()


@contextmanager
def dask_cluster(folder, workers=("ada", "bob"), environment=None):
    """A running cluster; ``environment`` adds to each worker's, by name."""
    folder.mkdir(parents=True, exist_ok=True)
    cluster = LocalCluster(folder)
    try:
        cluster.start_scheduler()
        for name in workers:
            cluster.start_worker(name, environment=(environment or {}).get(name))
        yield cluster
    finally:
        cluster.stop()
