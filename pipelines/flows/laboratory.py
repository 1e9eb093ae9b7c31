"""The laboratory of the training flow: strategies and paths made side by side, and judged with every trial counted."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import msgspec
import numpy as np
from numpy.typing import NDArray

from market.instruments import Instrument
from market.time import DAY
from models.dataset import Panel
from models.ensemble.nested import Combination, compared_folds
from pipelines.config import RunConfig
from pipelines.flows.jobs import Scheduler
from pipelines.importances import ImportanceStudy
from pipelines.laboratory import Laboratory
from pipelines.ledger.against import count_against
from pipelines.ledger.store import Ledger
from pipelines.ledger.summary import TrialSummary
from pipelines.ledger.trial import Returns, Stretch, Trial
from pipelines.progress import Stage
from pipelines.results import ENSEMBLE
from pipelines.stages.artefacts import Artefact
from pipelines.stages.evaluate import Compared
from pipelines.stages.fit import Window
from pipelines.stages.importance import importance_jobs, joined_studies, load_study
from pipelines.stages.judgement import judge
from pipelines.stages.panel import load_panel, panel_facts
from pipelines.stages.paths import paths_job, split_count, split_jobs, split_panel_jobs
from pipelines.stages.regimes import regimes
from pipelines.stages.strategies import strategies_job

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Examined:
    """What the laboratory made: the strategies' trading, and the paths' where there are any."""

    strategies: Artefact
    paths: Artefact | None

    @property
    def days(self) -> NDArray[np.int64]:
        """Each day's last moment, ns."""
        return self.strategies.array("days")

    @property
    def returns(self) -> Floats:
        """The ensemble's daily returns after costs."""
        number = self.strategies.json("strategies")["names"].index(ENSEMBLE)
        return self.strategies.array(f"returns-{number}")

    @property
    def by_day(self) -> Returns:
        """The same as the ledger keeps them."""
        days = (self.days - 1) // DAY
        return Returns(tuple(days.tolist()), tuple(self.returns.tolist()))


def examine(
    config: RunConfig,
    panel: Artefact,
    panels: Sequence[Artefact],
    windows: Sequence[Window],
    scores: Sequence[Artefact],
    combinations: Sequence[Combination],
    instruments: Sequence[Instrument],
    jobs: Scheduler,
    progress: Stage,
) -> Examined:
    """Trade every predictor, and every path of combinatorial cross-validation; ``panels`` of each window."""
    fitted = split_panel_jobs(config, panel) if panel_facts(panel).fitted else []
    count = split_count(config, load_panel(panel))
    splits = [f"split {number + 1}" for number in range(count)]
    planned = {one.title: 1.0 for one in fitted} | {"strategies": 10.0} | dict.fromkeys(splits, 4.0) | {"paths": 10.0}
    parts = progress.plan(planned)
    ready = [jobs.submit(one, parts[one.title]) for one in fitted]
    split_panels = [one.result() for one in ready] if fitted else [panel] * count
    pending = [jobs.submit(one, parts[one.title]) for one in split_jobs(config, split_panels)]
    strategies = jobs.run(
        strategies_job(config, panels, windows, scores, combinations, instruments), parts["strategies"]
    )
    made = [one.result() for one in pending]
    paths = jobs.run(paths_job(config, split_panels, made, instruments), parts["paths"]) if made else None
    if paths is None:
        parts["paths"].skip()
    return Examined(strategies, paths)


def study_features(
    config: RunConfig,
    panels: Sequence[Artefact],
    windows: Sequence[Window],
    fits: Sequence[Mapping[str, Artefact]],
    jobs: Scheduler,
    progress: Stage,
) -> ImportanceStudy | None:
    """What the fits make of their features, member beside member; None if the configuration has it off."""
    wanted = importance_jobs(config, panels, windows, fits)
    parts = progress.plan({one.title: 1.0 for one in wanted})
    pending = [jobs.submit(one, parts[one.title]) for one in wanted]
    return joined_studies([load_study(one.result()) for one in pending])


def count_trials(ledger: Ledger, trial: Trial, examined: Examined) -> tuple[TrialSummary, Floats]:
    """The ledger's count for the traded stretch, and the daily returns of its distinct trials there (days, trials)."""
    start, stop = int(examined.days[0]) - DAY, int(examined.days[-1])
    touched: tuple[Stretch, ...] = tuple(
        msgspec.structs.replace(one, start=max(start, one.start), stop=min(stop, one.stop))
        for one in trial.touched
        if one.start < stop and start < one.stop
    )
    return count_against(ledger, trial.id, touched)


def judge_all(
    config: RunConfig,
    panel: Panel,
    windows: Sequence[Window],
    compared: Compared,
    examined: Examined,
    trials: TrialSummary,
    others: Floats,
) -> Laboratory:
    """The laboratory's findings, regimes among them."""
    first = windows[compared_folds(len(windows))[0]].test_start
    found = regimes(
        panel,
        config.labels.horizon,
        first,
        compared.index,
        compared.outcomes,
        compared.predictors[ENSEMBLE],
        compared.blocks,
        examined.days,
        examined.returns,
    )
    return judge(config, examined.strategies, examined.paths, trials, others, found)
