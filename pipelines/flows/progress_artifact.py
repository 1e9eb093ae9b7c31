"""A run's progress in the Prefect UI: one progress artifact, brought up to date while the run goes on."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import copy_context
from uuid import UUID

import httpx
from prefect.artifacts import create_progress_artifact, update_progress_artifact
from prefect.logging import get_run_logger

EVERY = 3.0
"""Seconds between updates."""


@contextmanager
def shown_progress(key: str, description: str, fraction: Callable[[], float], every: float = EVERY) -> Iterator[UUID]:
    """Show a fraction between 0 and 1 as a progress artifact of the flow run that this is called in.

    A server that does not answer an update is no reason to stop a training: it is logged, and asked again.
    """
    artifact = create_progress_artifact(progress=0.0, key=key, description=description)
    ended, logger, last = threading.Event(), get_run_logger(), [0.0]

    def update() -> None:
        now = round(100.0 * fraction(), 1)
        if now == last[0]:
            return
        try:
            update_progress_artifact(artifact, now)
            last[0] = now
        except httpx.HTTPError as error:
            logger.warning("the progress artifact was not updated: %s", error)

    def watch() -> None:
        while not ended.wait(every):
            update()

    context = copy_context()
    watcher = threading.Thread(target=context.run, args=(watch,), name="progress artifact", daemon=True)
    watcher.start()
    try:
        yield artifact
    finally:
        ended.set()
        watcher.join()
        update()
