"""One MLflow experiment: a parent run per training with nested fold runs, and the registry's mirror.

MLflow's client is used, never its global "active run", so several trackers can live in one process and in
threads. MLflow is imported when a tracker is made, after its telemetry was switched off. Nothing is pickled.
"""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from models.bundle.store import AliasRecord
from pipelines.figures.gallery import gallery
from pipelines.results import Fold, RunResult, SeriesData
from pipelines.tracking.audit import audit_metrics, audit_tables, audit_tags
from pipelines.tracking.card import card_text, standing_tags, version_tags
from pipelines.tracking.content import (
    Metrics,
    curve_name,
    data_table,
    fold_metrics,
    fold_parameters,
    fold_scores,
    fold_table,
    parameters,
    predictor_table,
    run_metrics,
    tags,
)
from pipelines.tracking.database import make_database
from pipelines.tracking.datasets import dataset
from pipelines.tracking.ensembles import ensemble_tables
from pipelines.tracking.features import feature_metrics, feature_tables
from pipelines.tracking.importance import importance_tables
from pipelines.tracking.laboratory import laboratory_metrics, laboratory_tables, laboratory_tags, trial_metrics
from pipelines.tracking.live import LIVE_TAG, RUN_TAG, is_gone, this_process
from pipelines.tracking.meta import meta_metrics, meta_tables
from pipelines.tracking.registry import Registry
from pipelines.workspace import Workspace

ABOUT = """A run is a training; the runs nested in it are its folds.

| metrics | |
| --- | --- |
| `oof/<predictor>/…` | out of fold, on the decisions that all of them share; `_low` and `_high`: 95 % interval |
| `by_fold/<predictor>/…` | the same fold by fold, a step each |
| `backtest/net/…`, `paper/net/…` | out of sample and on paper, after costs |
| `lab/…`, `trials/…` | what is left when every trial is counted |
| `features/…`, `audit/…` | the data and features; the leakage audit |

Sets of runs are told apart by the tags `bot4.members`, `bot4.instruments`, `bot4.bars` and `bot4.profit_supported`.
Whether one is better than another is what `bot4 compare` tests: two values side by side do not say it.
"""
EXPERIMENT_TAGS = {"mlflow.experimentKind": "custom_model_development", "mlflow.note.content": ABOUT}
"""Tells MLflow's UI to show its model-training pages for the experiment, and people what they see there."""
LONGEST_VALUE = 6000
METRICS_AT_ONCE = 1000
PARAMETERS_AT_ONCE = 100


def mlflow_client(uri: str) -> Any:
    """A client of the store at ``uri``, with telemetry off."""
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
    os.environ.setdefault("DO_NOT_TRACK", "true")
    import mlflow

    # Creating its tables is no news to anybody.
    logging.getLogger("mlflow").setLevel(logging.WARNING)
    make_database(uri)
    return mlflow.MlflowClient(tracking_uri=uri, registry_uri=uri)


class Tracker:
    """An experiment in an MLflow store.

    Parameters
    ----------
    uri
        The tracking store: ``sqlite:///…`` or a server's URL.
    artefacts
        The folder of artefacts, used when the experiment is created; None leaves it to the server.
    experiment
        The experiment's name.
    lake
        Where the bars lie, for the datasets' source; None leaves out where.
    """

    def __init__(self, uri: str, artefacts: Path | None, experiment: str, lake: Path | str | None = None) -> None:
        self.uri, self.lake = uri, lake
        self.client = mlflow_client(uri)
        self.experiment_id = self._experiment(experiment, artefacts)
        self.registry = Registry(self.client, uri)

    @classmethod
    def local(cls, workspace: Workspace, experiment: str) -> Tracker:
        """The tracker of a workspace: SQLite and a local folder, or the server in ``MLFLOW_TRACKING_URI``."""
        uri = workspace.mlflow_uri
        workspace.root.mkdir(parents=True, exist_ok=True)
        artefacts = workspace.mlflow_artefacts.resolve() if uri.startswith("sqlite:") else None
        return cls(uri, artefacts, experiment, workspace.lake)

    def _experiment(self, name: str, artefacts: Path | None) -> str:
        from mlflow.exceptions import MlflowException

        found = self.client.get_experiment_by_name(name)
        if found is None:
            location = artefacts.as_uri() if artefacts is not None else None
            try:
                return str(self.client.create_experiment(name, artifact_location=location, tags=EXPERIMENT_TAGS))
            except MlflowException:
                # Another process was faster.
                found = self.client.get_experiment_by_name(name)
                if found is None:
                    raise
        return str(found.experiment_id)

    @contextmanager
    def run(
        self, name: str, labels: Mapping[str, str] | None = None, begun: TrackedRun | None = None
    ) -> Iterator[TrackedRun]:
        """A parent run, or one that has ``begun``; it ends as FINISHED, as KILLED on an interrupt, else as FAILED."""
        tracked = begun or self.start(name, labels)
        status = "FAILED"
        try:
            yield tracked
            status = "FINISHED"
        except KeyboardInterrupt:
            status = "KILLED"
            raise
        finally:
            self.client.set_terminated(tracked.run_id, status)

    def start(self, name: str, labels: Mapping[str, str] | None = None, parent: str | None = None) -> TrackedRun:
        """Start a run that the caller ends; nested below the run ``parent``, if given."""
        nested = {"mlflow.parentRunId": parent} if parent else {}
        run = self.client.create_run(self.experiment_id, run_name=name, tags={**(labels or {}), **nested})
        return TrackedRun(self, run.info.run_id)

    def find_live(self, run_id: str) -> TrackedRun | None:
        """The run that took a training's learning curves and is not filled yet, whatever became of its process."""
        found = self.client.search_runs([self.experiment_id], f"tags.`{RUN_TAG}` = '{run_id}'")
        live = [one.info.run_id for one in found if LIVE_TAG in one.data.tags]
        return TrackedRun(self, live[0]) if live else None

    def begin_live(self, run_id: str, labels: Mapping[str, str]) -> TrackedRun:
        """A run for the learning curves of a training that runs: the one of a process that was killed, or a new one."""
        here = {LIVE_TAG: this_process()}
        found = self.find_live(run_id)
        if found is None:
            return self.start(run_id, {**labels, RUN_TAG: run_id, **here})
        self.client.update_run(found.run_id, status="RUNNING")
        found.tags(here)
        return found

    def end_orphans(self) -> None:
        """End the live runs of processes that are gone as KILLED: nobody else will."""
        for one in self.client.search_runs([self.experiment_id], "attributes.status = 'RUNNING'"):
            if is_gone(one.data.tags.get(LIVE_TAG, "")):
                self.client.set_terminated(one.info.run_id, "KILLED")

    def record(
        self,
        result: RunResult,
        files: Iterable[Path] = (),
        bundle: Path | None = None,
        history: Sequence[AliasRecord] = (),
    ) -> TrackedRun:
        """Track a finished result whole: parent run, fold runs, figures, tables, files, bundle and its card.

        The run that took its learning curves is filled, if there is one; were it broken off, another would be begun.
        """
        begun = self.find_live(result.run_id)
        if begun is not None:
            self.client.delete_tag(begun.run_id, LIVE_TAG)
        with self.run(result.run_id, {"bot4.name": result.name}, begun) as tracked:
            tracked.result(result, begun=begun is not None)
            for file in files:
                tracked.file(file)
            if bundle is not None and result.bundle is not None:
                name = result.bundle.name
                version = tracked.bundle(bundle, name, result.bundle.digest)
                said = version_tags(result) | standing_tags(result.bundle.digest, history)
                self.registry.describe(name, version, card_text(result, history), said)
        return tracked

    def mirror_alias(self, name: str, version: int, alias: str) -> None:
        """Let the alias of a registered model point to a version; see `Registry.mirror_alias`."""
        self.registry.mirror_alias(name, version, alias)


@dataclass(frozen=True, slots=True)
class TrackedRun:
    """A run being tracked. Every method may be called at any time before the run ends, in any order."""

    tracker: Tracker
    run_id: str

    @property
    def _client(self) -> Any:
        return self.tracker.client

    def result(self, result: RunResult, begun: bool = False) -> None:
        """Everything in a result: parameters, tags, data, folds, metrics, curves, figures and tables.

        ``begun``: the run has learning curves already; what they lack is added.
        """
        self.parameters(result.config)
        self.tags(tags(result) | laboratory_tags(result) | audit_tags(result))
        self.datasets(result.data)
        for fold in result.folds:
            self.fold(fold, result.config)
        found = run_metrics(result) | trial_metrics(result) | laboratory_metrics(result)
        self.metrics(found | feature_metrics(result) | audit_metrics(result) | meta_metrics(result))
        for curve in result.learning_curves:
            known = self.steps(curve_name(curve)) if begun else set()
            self.curve(curve_name(curve), curve.values.tolist(), curve.first, known)
        for picture in gallery(result).values():
            self._client.log_figure(self.run_id, picture.figure, f"figures/{picture.name}.png")
        self.table("predictors", predictor_table(result))
        self.table("folds", fold_table(result))
        self.table("data", data_table(result))
        tables = {
            **laboratory_tables(result),
            **ensemble_tables(result),
            **meta_tables(result),
            **feature_tables(result),
            **importance_tables(result),
            **audit_tables(result),
        }
        for name, columns in tables.items():
            self.table(name, columns)

    def parameters(self, config: Mapping[str, Any]) -> None:
        """A configuration, flattened."""
        from mlflow.entities import Param

        found = [Param(name, value[:LONGEST_VALUE]) for name, value in parameters(config)]
        for first in range(0, len(found), PARAMETERS_AT_ONCE):
            self._client.log_batch(self.run_id, params=found[first : first + PARAMETERS_AT_ONCE])

    def tags(self, values: Mapping[str, str]) -> None:
        """Set tags."""
        from mlflow.entities import RunTag

        self._client.log_batch(self.run_id, tags=[RunTag(name, value) for name, value in values.items()])

    def datasets(self, series: Iterable[SeriesData]) -> None:
        """Each instrument's bars as a dataset input of the run."""
        from mlflow.entities import DatasetInput, InputTag

        inputs = [
            DatasetInput(dataset(one, self.tracker.lake), [InputTag("mlflow.data.context", "training")])
            for one in series
        ]
        if inputs:
            self._client.log_inputs(self.run_id, inputs)

    def fold(self, fold: Fold, config: Mapping[str, Any]) -> TrackedRun:
        """One fold: a nested run of its own, and one step of the parent's ``by_fold/…`` metrics.

        Nobody but a fold's own run calls its scores ``oof/…``: MLflow shows a metric's last step, and where the last
        fold's value is undefined that would be another fold's.
        """
        nested = self.tracker.start(
            f"fold {fold.number}", {"bot4.fold": str(fold.number), "bot4.kind": "fold"}, parent=self.run_id
        )
        nested.parameters(fold_parameters(fold, config))
        nested.metrics(fold_metrics(fold))
        self._client.set_terminated(nested.run_id)
        self.metrics(fold_scores(fold, "by_fold"), step=fold.number)
        return nested

    def metrics(self, values: Metrics, step: int = 0) -> None:
        """Several metrics at one step."""
        self.values([(name, value, step) for name, value in values.items()])

    def curve(self, name: str, values: Iterable[float], first: int = 1, known: Collection[int] = ()) -> None:
        """One metric over steps, from ``first``, but for those that are ``known``."""
        self.values([(name, value, step) for step, value in enumerate(values, start=first) if step not in known])

    def steps(self, name: str) -> set[int]:
        """The steps at which a metric has a value."""
        return {one.step for one in self._client.get_metric_history(self.run_id, name)}

    def values(self, values: Sequence[tuple[str, float, int]]) -> None:
        """Names, values and steps of metrics."""
        from mlflow.entities import Metric

        now = int(time.time() * 1000)
        found = [Metric(name, value, now, step) for name, value, step in values]
        for first in range(0, len(found), METRICS_AT_ONCE):
            self._client.log_batch(self.run_id, metrics=found[first : first + METRICS_AT_ONCE])

    def table(self, name: str, columns: Mapping[str, list[Any]]) -> None:
        """A table, as ``tables/<name>.json``, which the UI shows as one."""
        self._client.log_table(self.run_id, dict(columns), f"tables/{name}.json")

    def file(self, path: Path, folder: str | None = None) -> None:
        """One file as an artefact."""
        self._client.log_artifact(self.run_id, str(path), folder)

    def bundle(self, folder: Path, name: str, digest: str) -> int:
        """The bundle as the run's model, registered under ``name``; returns the registry's version.

        Registering the same digest again returns the version that is there.
        """
        known = self.tracker.registry.find_version(name, digest)
        if known is not None:
            return known
        model_id = self._logged_model(folder, name, digest)
        return self.tracker.registry.register(name, model_id, self.run_id, digest)

    def _logged_model(self, folder: Path, name: str, digest: str) -> str:
        from mlflow.entities import LoggedModelOutput

        model = self._client.create_logged_model(
            self.tracker.experiment_id,
            name=name,
            source_run_id=self.run_id,
            tags={"bot4.bundle_digest": digest},
            model_type="bot4 bundle",
        )
        self._client.log_model_artifacts(model.model_id, str(folder))
        self._client.finalize_logged_model(model.model_id, "READY")
        self._client.log_outputs(self.run_id, [LoggedModelOutput(model.model_id, step=0)])
        return str(model.model_id)
