"""The folds of the training flow: members fitted side by side, scores one fold after another."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from models.ensemble.nested import Combination
from pipelines.config import RunConfig
from pipelines.flows.jobs import Pending, Scheduler
from pipelines.progress import Stage
from pipelines.stages.artefacts import Artefact
from pipelines.stages.fit import Live, Window, fit_job
from pipelines.stages.fitted import window_job
from pipelines.stages.panel import load_panel, panel_facts
from pipelines.stages.score import Scored, load_scores, next_combination, score_job


def fit_features(panel: Artefact, windows: Sequence[Window], jobs: Scheduler, progress: Stage) -> list[Artefact]:
    """The panel of every window: the run's own, or if features are fitted, with what they are fitted to there."""
    if not panel_facts(panel).fitted:
        progress.skip("no feature is fitted")
        return [panel] * len(windows)
    wanted = [window_job(panel, window) for window in windows]
    parts = progress.plan({one.title: 1.0 for one in wanted})
    pending = [jobs.submit(one, parts[one.title]) for one in wanted]
    return [one.result() for one in pending]


def fit_all(
    config: RunConfig,
    panels: Sequence[Artefact],
    windows: Sequence[Window],
    jobs: Scheduler,
    progress: Stage,
    live: Live | None = None,
) -> list[dict[str, Artefact]]:
    """Fit every member on every window, in parallel; ``panels`` of each window, ``live`` is told the curves."""
    planned = {
        (window.index, name): f"{name}, fold {window.index + 1}" for window in windows for name in config.members
    }
    parts = progress.plan(dict.fromkeys(planned.values(), 1.0))
    pending: list[dict[str, Pending]] = [
        {
            name: jobs.submit(fit_job(config, panel, window, name, live), parts[planned[window.index, name]])
            for name in config.members
        }
        for panel, window in zip(panels, windows, strict=True)
    ]
    return [{name: one.result() for name, one in fold.items()} for fold in pending]


def score_all(
    config: RunConfig,
    panels: Sequence[Artefact],
    windows: Sequence[Window],
    fits: Sequence[Mapping[str, Artefact]],
    jobs: Scheduler,
    progress: Stage,
) -> tuple[list[Artefact], list[Scored], list[Combination]]:
    """Score fold after fold, each with what the folds before it say about combining members."""
    samples = load_panel(panels[0]).samples
    made: list[Artefact] = []
    scored: list[Scored] = []
    combinations: list[Combination] = []
    parts = progress.plan({f"fold {window.index + 1}": 1.0 for window in windows})
    for panel, window, fit in zip(panels, windows, fits, strict=True):
        combination = next_combination(config, samples, scored, combinations, window.test_start)
        job = score_job(config, panel, window, fit, combination)
        made.append(jobs.run(job, parts[f"fold {window.index + 1}"]))
        scored.append(load_scores(load_panel(panel), window, made[-1]))
        combinations.append(combination)
    return made, scored, combinations
