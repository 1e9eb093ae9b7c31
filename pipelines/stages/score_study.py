"""What is studied of out-of-fold scores as a job: scorecard, other ensembles and second stage depend on the same."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from models.ensemble.nested import Combination
from models.members.protocol import Progress
from pipelines.config import RunConfig
from pipelines.stages.artefacts import Artefact, Draft, Job, job
from pipelines.stages.fit import Window

LIBRARIES = ("numpy", "scipy")


def score_study_job(
    stage: str,
    title: str,
    config: RunConfig,
    panel_artefact: Artefact,
    windows: Sequence[Window],
    scores: Sequence[Artefact],
    combinations: Sequence[Combination],
    build: Callable[[Draft, Progress], None],
    libraries: Sequence[str] = LIBRARIES,
) -> Job:
    """A job that depends on every fold's scores, on what combined them, and on how intervals are drawn.

    Parameters
    ----------
    stage, title, build, libraries
        As of `pipelines.stages.artefacts.job`.
    panel_artefact
        The run's panel, of which labels and weights are.
    windows, scores, combinations
        Of every fold.
    """
    inputs = (
        panel_artefact.digest,
        windows,
        [one.digest for one in scores],
        combinations,
        tuple(config.members),
        config.ensemble,
        config.labels,
        config.validation.draws,
        config.seed,
    )
    return job(stage, title, inputs, build, libraries)
