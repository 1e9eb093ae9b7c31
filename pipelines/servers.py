"""Local servers in processes of their own: started on a free loopback port, probed until ready, stopped together."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import FrameType

from pipelines.errors import PipelineError

HOST = "127.0.0.1"
PATIENCE = 120.0
GRACE = 10.0


@dataclass(frozen=True, slots=True)
class ServerPlan:
    """A server to start: its command line for a port, what it adds to the environment, and where it says it is well."""

    name: str
    port: int
    command: Sequence[str]
    environment: Mapping[str, str]
    health: str

    @property
    def url(self) -> str:
        """Where people open it."""
        return f"http://{HOST}:{self.port}"


def free_port() -> int:
    """A loopback port that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        return int(probe.getsockname()[1])


def answers(url: str, timeout: float = 2.0) -> bool:
    """Whether a GET of this address succeeds."""
    try:
        with urllib.request.urlopen(url, timeout=timeout) as reply:
            return bool(reply.status == 200)
    except (urllib.error.URLError, OSError):
        return False


def _last_lines(log: Path, count: int = 8) -> str:
    return "\n".join(log.read_text(errors="replace").splitlines()[-count:])


def wait_until_ready(
    plan: ServerPlan, process: subprocess.Popen[bytes], log: Path, patience: float = PATIENCE
) -> float:
    """Wait for a server's health address; returns the seconds it took.

    Raises
    ------
    PipelineError
        If the process ends or is not ready in time; the end of its log is in the message.
    """
    begun = time.monotonic()
    while not answers(plan.url + plan.health):
        if process.poll() is not None:
            raise PipelineError(f"{plan.name} stopped with code {process.returncode}; {log} ends:\n{_last_lines(log)}")
        if time.monotonic() - begun > patience:
            raise PipelineError(f"{plan.name} was not ready after {patience:.0f} s; {log} ends:\n{_last_lines(log)}")
        time.sleep(0.2)
    return time.monotonic() - begun


def stop(process: subprocess.Popen[bytes]) -> None:
    """End a server and its workers: asked first, forced after a grace period or once their parent is gone."""
    for sign in (signal.SIGTERM, signal.SIGKILL):
        try:
            os.killpg(process.pid, sign)
            process.wait(GRACE)
        except ProcessLookupError:
            return
        except subprocess.TimeoutExpired:
            continue


@contextmanager
def stopping_on_signals() -> Iterator[None]:
    """Let a polite kill or a closed terminal end the block as Ctrl-C does, so that servers are stopped."""

    def interrupt(number: int, frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    before = {number: signal.signal(number, interrupt) for number in (signal.SIGTERM, signal.SIGHUP)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextmanager
def running(
    plans: Sequence[ServerPlan], logs: Path, ready: Callable[[ServerPlan, float], None]
) -> Iterator[list[subprocess.Popen[bytes]]]:
    """Run servers side by side while the block runs; ``ready`` is told of each one with its seconds."""
    logs.mkdir(parents=True, exist_ok=True)
    with ExitStack() as stack:
        processes = []
        for plan in plans:
            output = stack.enter_context((logs / f"{plan.name}.log").open("wb"))
            # A session of its own, so that Ctrl-C reaches us alone and workers can be stopped as one group.
            process = subprocess.Popen(
                plan.command,
                env={**os.environ, **plan.environment},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
            stack.callback(stop, process)
            processes.append(process)
        for plan, process in zip(plans, processes, strict=True):
            ready(plan, wait_until_ready(plan, process, logs / f"{plan.name}.log"))
        yield processes
