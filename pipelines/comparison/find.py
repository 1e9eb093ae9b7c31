"""The runs that people mean by a run's id, ``latest``, a name, or a model's version or alias."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from models.bundle.names import reference as as_stored
from models.bundle.store import ModelStore
from pipelines.errors import StageError
from pipelines.predictions import OutOfFold
from pipelines.results import RESULT_FILE, RunResult
from pipelines.runs import Run, finished_runs
from pipelines.workspace import Workspace

LATEST = "latest"


@dataclass(frozen=True, slots=True, eq=False)
class Contender:
    """A run that is compared: what it is called, what it found, and what it predicted, if that was kept."""

    label: str
    result: RunResult
    predictions: OutOfFold | None


def contenders(references: Sequence[str], workspace: Workspace) -> tuple[Contender, ...]:
    """The runs to compare, in the order in which they are named.

    Raises
    ------
    StageError
        If fewer than two are named, one is not to be found, or two are the same run.
    """
    if len(references) < 2:
        raise StageError(
            f"there is nothing to compare {', '.join(references) or 'nothing'} with: name two runs or more"
        )
    folders = [find(reference, workspace) for reference in references]
    for place, folder in enumerate(folders):
        if folder in folders[:place]:
            raise StageError(
                f"{references[folders.index(folder)]} and {references[place]} are the same run, {folder.name}"
            )
    results = [RunResult.load(folder) for folder in folders]
    predictions = [OutOfFold.load(folder) for folder in folders]
    return tuple(map(Contender, labels(results), results, predictions))


def find(reference: str, workspace: Workspace) -> Path:
    """The folder of the run that a reference means.

    Parameters
    ----------
    reference
        A run's id or folder, ``latest``, ``NAME`` (its newest run), ``NAME:VERSION`` or ``NAME@ALIAS``.

    Raises
    ------
    StageError
        If there is no such run.
    StoreError
        If the model store has no such version or alias.
    """
    for folder in (workspace.runs / reference, Path(reference)):
        if (folder / RESULT_FILE).is_file():
            return folder.resolve()
    runs = list(finished_runs(workspace.runs))
    chosen = [run for run in runs if _meant(run, reference, workspace)] if runs else []
    if not chosen:
        names = ", ".join(dict.fromkeys(run.name for run in runs)) or "none yet: train one with `bot4 train`"
        raise StageError(
            f"no finished run in {workspace.runs} is meant by {reference!r}: give a run's id, {LATEST}, a name, "
            f"NAME:VERSION or NAME@ALIAS; runs are named {names}"
        )
    return (workspace.runs / chosen[0].run_id).resolve()


def _meant(run: Run, reference: str, workspace: Workspace) -> bool:
    digest = _digest(reference, workspace)
    if digest is not None:
        return run.bundle is not None and run.bundle.digest == digest
    return reference in (LATEST, run.name)


def _digest(reference: str, workspace: Workspace) -> str | None:
    """The bundle that a model reference means; None for other references."""
    for mark in "@:":
        name, found, which = reference.partition(mark)
        if found:
            return ModelStore(workspace.store).resolve(name, as_stored(which)).digest
    return None


def labels(results: Sequence[RunResult]) -> list[str]:
    """Short names that tell runs apart: the model's name and version, or the run's id where two would be alike."""
    told = [
        result.name
        if result.bundle is None or result.bundle.version is None
        else f"{result.name}:{result.bundle.version}"
        for result in results
    ]
    count = Counter(told)
    return [result.run_id if count[label] > 1 else label for result, label in zip(results, told, strict=True)]
