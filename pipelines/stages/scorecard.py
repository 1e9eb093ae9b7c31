"""The scorecard stage: every predictor's scores with intervals. The bootstrap takes seconds; its inputs decide it."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from models.ensemble.nested import Combination
from models.members.protocol import Progress
from pipelines import results
from pipelines.config import RunConfig
from pipelines.stages.artefacts import Artefact, Draft, Job
from pipelines.stages.evaluate import Compared, predictors
from pipelines.stages.fit import Window
from pipelines.stages.score_study import score_study_job

SCORECARD = "scorecard"


def scorecard_job(
    config: RunConfig,
    panel_artefact: Artefact,
    windows: Sequence[Window],
    scores: Sequence[Artefact],
    combinations: Sequence[Combination],
    compared: Compared,
) -> Job:
    """The scores of every predictor on the compared rows, which follow from everything else that is given."""

    def build(draft: Draft, progress: Progress) -> None:
        progress("intervals", 0.3)
        draft.json(SCORECARD, predictors(compared))

    about = (config, panel_artefact, windows, scores, combinations)
    return score_study_job("scorecard", "scores and their intervals", *about, build)


def load_scorecard(artefact: Artefact) -> tuple[results.Predictor, ...]:
    """Read the scores back."""
    return msgspec.convert(artefact.json(SCORECARD), tuple[results.Predictor, ...])
