"""Trials in several processes that share a storage, and none that outlives the one that started them."""

from __future__ import annotations

import multiprocessing
import os
import threading
import time
from collections.abc import Callable
from typing import Any

from features.plugins import install_sources
from pipelines.tuning.config import StudyConfig
from pipelines.tuning.trials import run_trials, set_up
from pipelines.workspace import Workspace

WATCH = 0.5
"""Seconds between looks at other processes."""


def threads_each(jobs: int) -> int:
    """Fits side by side in each process, so that all of them together have the machine's processors.

    Examples
    --------
    >>> threads_each(10_000)
    1
    """
    return max(1, len(os.sched_getaffinity(0)) // jobs)


def run_processes(
    config: StudyConfig, workspace: Workspace, trials: int, jobs: int, watch: Callable[[], None]
) -> list[int]:
    """Run trials in processes; returns the exit codes of those that ended early.

    Parameters
    ----------
    trials
        How many, over all processes.
    watch
        Called again and again while they run.
    """
    context = multiprocessing.get_context("spawn")
    left = context.Value("q", trials)
    given = (config, config.sources(), workspace, left, threads_each(jobs), os.getpid())
    started: list[Any] = [context.Process(target=work, args=given, daemon=True) for _ in range(min(jobs, trials))]
    for one in started:
        one.start()
    try:
        while any(one.is_alive() for one in started):
            time.sleep(WATCH)
            watch()
    finally:
        for one in started:
            one.terminate()
            one.join()
    return [int(one.exitcode) for one in started if one.exitcode]


def work(
    config: StudyConfig, sources: dict[str, str], workspace: Workspace, left: Any, threads: int, parent: int
) -> None:
    """What one of the processes does; ``sources`` as `pipelines.tuning.config.StudyConfig.sources`."""
    end_with(parent)
    install_sources(sources)
    bench = set_up(config, workspace)

    def ticket() -> bool:
        with left.get_lock():
            left.value -= 1
            return bool(left.value >= 0)

    run_trials(bench, ticket, threads, lambda number, folds: None, lambda: None)


def end_with(parent: int) -> None:
    """End this process when the one that started it is gone, killed ones included."""

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(WATCH)
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()
