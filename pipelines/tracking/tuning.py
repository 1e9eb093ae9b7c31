"""A study in MLflow: a parent run, a nested run a trial, figures and a table. A projection: it can be made again.

Metric names are a training's: ``oof/<predictor>/<metric>`` of a trial and of the best one on the parent, ``by_fold/…``
with one step a fold. What only studies have lies below ``tuning/``.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipelines.figures.tuning import study_pictures
from pipelines.tracking.content import Metrics, Table, known, metric_name, table
from pipelines.tracking.tracker import TrackedRun, Tracker
from pipelines.workspace import Workspace

if TYPE_CHECKING:
    from pipelines.tuning.summary import StudySummary, TrialRow

KIND, STUDY, TRIAL = "bot4.kind", "bot4.study", "bot4.trial_number"
"""Tags: what a run is of, which study, and which trial."""
STATUS = {"finished": "FINISHED", "pruned": "KILLED", "failed": "FAILED"}
"""MLflow's words; it has none for a trial that was stopped because it was losing."""


class StudyMirror:
    """The runs of one study in the experiment of its training.

    Parameters
    ----------
    workspace
        Where MLflow is.
    name, training
        The study's and the training's; the latter names the experiment.
    config
        The study's configuration as plain values: the parent's parameters.
    """

    def __init__(self, workspace: Workspace, name: str, training: str, config: Mapping[str, Any]) -> None:
        self._tracker = Tracker.local(workspace, training)
        self._parent = self._find(name) or self._begin(name)
        self._describe(config)
        self._logged = self._trials()

    def _find(self, name: str) -> TrackedRun | None:
        """The study's parent run, running again."""
        wanted = f"tags.`{STUDY}` = '{name}' and tags.`{KIND}` = 'study'"
        found = self._tracker.client.search_runs([self._tracker.experiment_id], wanted, max_results=1)
        if not found:
            return None
        self._tracker.client.update_run(found[0].info.run_id, status="RUNNING")
        return TrackedRun(self._tracker, found[0].info.run_id)

    def _begin(self, name: str) -> TrackedRun:
        return self._tracker.start(f"tune {name}", {KIND: "study", STUDY: name, "mlflow.source.type": "LOCAL"})

    def _describe(self, config: Mapping[str, Any]) -> None:
        """The parent's parameters, unless it has them: a kill leaves it without."""
        if not self._tracker.client.get_run(self._parent.run_id).data.params:
            self._parent.parameters(config)

    def _trials(self) -> set[int]:
        """The numbers of the trials that are written whole; what a kill left half written is removed."""
        client, found = self._tracker.client, set()
        wanted = f"tags.`mlflow.parentRunId` = '{self._parent.run_id}'"
        for run in _all_runs(client, self._tracker.experiment_id, wanted):
            if run.info.status == "RUNNING":
                client.delete_run(run.info.run_id)
            else:
                found.add(int(run.data.tags[TRIAL]))
        return found

    def write(self, trials: Iterable[TrialRow]) -> None:
        """A nested run for every trial that has none."""
        for one in trials:
            if one.number not in self._logged:
                self._trial(one)
                self._logged.add(one.number)

    def _trial(self, one: TrialRow) -> None:
        client = self._tracker.client
        labels = {KIND: "trial", TRIAL: str(one.number), "bot4.status": one.status, "bot4.ledger": one.ledger}
        run = client.create_run(
            self._tracker.experiment_id,
            start_time=one.begun // 10**6,
            run_name=f"trial {one.number}",
            tags={**labels, "mlflow.parentRunId": self._parent.run_id},
        )
        nested = TrackedRun(self._tracker, run.info.run_id)
        nested.parameters(dict(one.parameters))
        nested.metrics(trial_metrics(one))
        nested.curve("by_fold/excess_log_loss", one.excess)
        if one.values:
            self._parent.metrics({f"tuning/{name}": value for name, value in one.values.items()}, step=one.number)
        client.set_terminated(run.info.run_id, STATUS[one.status], end_time=one.ended // 10**6)

    def finish(self, summary: StudySummary, files: Iterable[Path]) -> None:
        """The best trial's metrics, the figures, the table and the files on the parent, which is then finished."""
        client, parent = self._tracker.client, self._parent
        parent.metrics(study_metrics(summary))
        parent.tags({"bot4.best_trial": str(summary.best), "mlflow.note.content": "\n".join(_said(summary))})
        for picture in study_pictures(summary):
            client.log_figure(parent.run_id, picture.figure, f"figures/{picture.name}.png")
        parent.table("trials", trial_table(summary))
        for path in files:
            parent.file(path)
        client.set_terminated(parent.run_id)


def _said(summary: StudySummary) -> list[str]:
    from pipelines.tuning.text import sentences

    return [f"- {one}" for one in sentences(summary)]


def _all_runs(client: Any, experiment: str, wanted: str) -> Iterable[Any]:
    token = None
    while True:
        page = client.search_runs([experiment], wanted, max_results=1000, page_token=token)
        yield from page
        token = page.token
        if not token:
            return


def trial_metrics(one: TrialRow) -> Metrics:
    """``oof/<predictor>/<metric>`` as a training has them, the objectives, and what trading it made."""
    scores = {
        metric_name("oof", predictor, metric): value
        for predictor, found in one.scores.items()
        for metric, value in found.items()
    }
    traded = {f"backtest/net/{name}": one.metrics.get(name) for name in ("total_return", "turnover")}
    found = {f"tuning/{name}": value for name, value in one.values.items()}
    found |= {"tuning/seconds": one.seconds, "tuning/folds": float(len(one.excess))}
    return known(scores | traded | {"backtest/net/sharpe": one.metrics.get("net_sharpe")}) | found


def study_metrics(summary: StudySummary) -> Metrics:
    """The best trial's scores with the loss' interval, the base's loss, and what luck makes of it."""
    best = summary.trial(summary.best)
    loss = metric_name("oof", summary.predictor, "log_loss")
    found = {key: value for key, value in trial_metrics(best).items() if key.startswith(("oof/", "backtest/"))}
    count = {f"tuning/trials/{status}": float(len(summary.of(status))) for status in STATUS}
    rest = {
        f"{loss}/low": best.loss.low,
        f"{loss}/high": best.loss.high,
        "tuning/best/loss": best.values["loss"],
        "tuning/base/loss": summary.base["loss"],
        "tuning/best/minus_base": summary.difference.value,
        "tuning/best/minus_base/low": summary.difference.low,
        "tuning/best/minus_base/high": summary.difference.high,
        "tuning/luck": summary.luck,
        "tuning/luck_probability": summary.luck_probability,
    }
    return found | count | known(rest) | {f"tuning/importance/{key}": one for key, one in summary.importances.items()}


def trial_table(summary: StudySummary) -> Table:
    """A row a trial: what it was, what it tried, what came of it."""
    rows = [
        (
            one.number,
            one.status,
            *(one.parameters.get(key) for key in summary.keys),
            *(one.values.get(name) for name in summary.objectives),
            len(one.excess),
            one.seconds,
            one.ledger,
        )
        for one in summary.trials
    ]
    return table(("trial", "status", *summary.keys, *summary.objectives, "folds", "seconds", "ledger"), rows)


def open_mirror(workspace: Workspace, name: str, training: str, config: Mapping[str, Any]) -> StudyMirror:
    """The mirror of a study, in a store that may have been moved."""
    from pipelines.tracking.moved import follow

    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
    follow(workspace)
    return StudyMirror(workspace, name, training, config)
