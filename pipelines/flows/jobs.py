"""Jobs as Prefect tasks: cached by content, named by their stage, tried again after errors of disks and networks."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any

from prefect import task
from prefect.context import TaskRunContext
from prefect.futures import PrefectFuture
from prefect.logging import get_run_logger

from models.members.protocol import Progress
from pipelines.flows.retries import RETRIES
from pipelines.progress import Stage
from pipelines.stages.artefacts import Artefact, Artefacts, Job


def content_key(context: TaskRunContext, parameters: dict[str, Any]) -> str:
    """A job's digest is its cache key: the same inputs, configuration, code and libraries are the same result."""
    job: Job = parameters["job"]
    return f"{job.stage}-{job.digest}"


@task(
    task_run_name="{title}",
    persist_result=True,
    result_serializer="json",
    cache_key_fn=content_key,
    viz_return_value={},
    **RETRIES,
)
def make(title: str, job: Job, artefacts: Artefacts, progress: Progress) -> dict[str, str]:
    """Run one job; its result names the artefact, and not where the workspace lies today."""
    logger, begun = get_run_logger(), time.monotonic()
    logger.info("making %s (%s-%s)", title, job.stage, job.digest)
    made = artefacts.make(job, progress)
    progress(title, 1.0)
    logger.info("made %s in %.1f s", title, time.monotonic() - begun)
    return {"stage": made.stage, "digest": made.digest}


@dataclass(frozen=True, slots=True)
class Pending:
    """A scheduled job; ``cached``: its artefact was there already."""

    future: PrefectFuture[dict[str, str]]
    artefacts: Artefacts
    cached: bool

    def result(self) -> Artefact:
        """Wait for it; its error, if it failed, is raised here."""
        return self.artefacts.at(**self.future.result())


class Scheduler:
    """Schedules the jobs of one run over one folder of artefacts, and remembers whether anything had to be made."""

    def __init__(self, artefacts: Artefacts) -> None:
        self.artefacts = artefacts
        self.cached: list[bool] = []

    def submit(self, job: Job, progress: Stage) -> Pending:
        """Schedule a job. A cached result whose folder was deleted is made again."""
        there = self.artefacts.find(job) is not None
        self.cached.append(there)
        if there:
            progress.skip()
        chosen = make.with_options(name=job.stage, refresh_cache=None if there else True)
        return Pending(chosen.submit(job.title, job, self.artefacts, progress), self.artefacts, there)

    def run(self, job: Job, progress: Stage) -> Artefact:
        """Schedule a job and wait for it."""
        return self.submit(job, progress).result()

    def all_cached(self) -> bool:
        """Whether every job since this was last asked was there already, and there was one."""
        found, self.cached = bool(self.cached) and all(self.cached), []
        return found
