"""Jobs as Prefect tasks: cached by content, named for people, visible in the Prefect UI."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeAlias, cast

import msgspec
from prefect import task
from prefect.context import TaskRunContext
from prefect.futures import PrefectFuture

from models.members.protocol import Progress
from pipelines.stages.artefacts import Artefact, Artefacts, Job

Pending: TypeAlias = "PrefectFuture[dict[str, str]]"


def content_key(context: TaskRunContext, parameters: dict[str, Any]) -> str:
    """A job's digest is its cache key: the same inputs, configuration and code are the same result."""
    job: Job = parameters["job"]
    return f"{job.stage}-{job.digest}"


@task(
    name="job",
    task_run_name="{title}",
    persist_result=True,
    result_serializer="json",
    cache_key_fn=content_key,
    viz_return_value={},
)
def make(title: str, job: Job, artefacts: Artefacts, progress: Progress) -> dict[str, str]:
    """Run one job; its result is where the artefact lies."""
    made = artefacts.make(job, progress)
    progress(title, 1.0)
    return {"stage": made.stage, "digest": made.digest, "folder": made.folder}


def submit(job: Job, artefacts: Artefacts, progress: Progress) -> Pending:
    """Schedule a job. A cached result whose folder was deleted is made again."""
    gone = artefacts.find(job) is None
    chosen = make.with_options(refresh_cache=True) if gone else make
    return cast(Pending, chosen.submit(job.title, job, artefacts, progress))


def result(pending: Pending) -> Artefact:
    """Wait for a job; its error, if it failed, is raised here."""
    return msgspec.convert(pending.result(), Artefact)


def results(pending: Sequence[Pending]) -> list[Artefact]:
    """Wait for several jobs."""
    return [result(one) for one in pending]


def was_cached(pending: Pending) -> bool:
    """Whether Prefect found the job's result instead of running it."""
    return str(pending.state.name) == "Cached"


def run(job: Job, artefacts: Artefacts, progress: Progress) -> Artefact:
    """Schedule a job and wait for it."""
    return result(submit(job, artefacts, progress))
