"""What a study found: its trials, the best of them, and how much of that is luck."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from models.statistics.best_of import drawn_losses, expected_luck, luck_probability
from models.statistics.bootstrap import percentiles
from pipelines.estimate import Estimate, Number
from pipelines.ledger.study import BEGAN
from pipelines.tuning.config import Objective
from pipelines.tuning.dimensions import Range
from pipelines.tuning.errors import TuningError
from pipelines.tuning.evaluate import Evaluated
from pipelines.tuning.storage import BASE, RETRY_OF, ended
from pipelines.tuning.trials import EXCESS, METRICS, SCORES, Bench, losses_of

SUMMARY_FILE = "study.json"
LEVEL = 0.95
Floats = NDArray[np.float64]


class TrialRow(msgspec.Struct, frozen=True):
    """One trial that ended; ``status`` as in the ledger. ``excess``: each fold's loss beyond the base rate's.

    ``parameters``: the searched keys' values. ``retry_of``: the trial whose place it took. ``is_base``: whether it is
    the training's own configuration.
    """

    number: int
    status: str
    parameters: dict[str, Any]
    values: dict[str, float] = {}
    loss: Estimate = Estimate(None)
    metrics: dict[str, Number] = {}
    scores: dict[str, dict[str, float]] = {}
    excess: tuple[float, ...] = ()
    ledger: str = ""
    retry_of: int | None = None
    is_base: bool = False
    seconds: float = 0.0
    begun: int = 0
    ended: int = 0


class StudySummary(msgspec.Struct, frozen=True, kw_only=True):
    """Everything a study found.

    Parameters
    ----------
    base, base_loss
        The training's own configuration: its objectives, and its loss with interval.
    best
        The number of the trial with the least loss.
    front
        Of several objectives the trials that none beats in all of them.
    difference
        The best trial's loss minus the base's, paired in time; the interval knows nothing of the choice among trials.
    luck
        By how much the best of as many equally good trials would beat the truth; of ``compared`` trials.
    luck_probability
        White's: how often trials no better than the base would beat it by as much as was seen.
    decisions, effective
        On how many decisions losses are compared, and how many effectively.
    """

    name: str
    training: str
    predictor: str
    objectives: tuple[Objective, ...]
    trials: tuple[TrialRow, ...]
    keys: dict[str, str]
    logarithmic: tuple[str, ...] = ()
    base: dict[str, float]
    base_loss: Estimate
    best: int
    front: tuple[int, ...] = ()
    difference: Estimate
    luck: Number
    luck_probability: Number
    compared: int
    importances: dict[str, float] = {}
    decisions: int
    effective: float
    folds: int

    def trial(self, number: int) -> TrialRow:
        """One trial by number.

        Raises
        ------
        KeyError
            If there is none.
        """
        for one in self.trials:
            if one.number == number:
                return one
        raise KeyError(f"the study has no trial {number} that ended")

    def of(self, status: str) -> tuple[TrialRow, ...]:
        """The trials of one status."""
        return tuple(one for one in self.trials if one.status == status)

    @property
    def ranked(self) -> tuple[TrialRow, ...]:
        """The finished trials, the least loss first."""
        return tuple(sorted(self.of("finished"), key=lambda one: (one.values["loss"], one.number)))

    def save(self, folder: Path) -> Path:
        """Write it into the study's folder."""
        path = folder / SUMMARY_FILE
        path.write_bytes(msgspec.json.format(msgspec.json.encode(self), indent=1))
        return path

    @classmethod
    def load(cls, folder: Path) -> StudySummary:
        """Read it back."""
        return msgspec.json.decode((folder / SUMMARY_FILE).read_bytes(), type=cls)


STATUS = {"COMPLETE": "finished", "PRUNED": "pruned", "FAIL": "failed"}


def trial_row(trial: Any, objectives: Sequence[Objective], keys: Mapping[str, Any]) -> TrialRow:
    """One of Optuna's trials that ended; ``keys`` are the study's dimensions by key."""
    metrics = trial.user_attrs.get(METRICS, {})
    complete = trial.state.name == "COMPLETE"
    begun, over = trial.datetime_start, trial.datetime_complete
    return TrialRow(
        number=trial.number,
        status=STATUS[trial.state.name],
        parameters={key: keys[key].given(value) for key, value in trial.params.items()},
        values=dict(zip(objectives, trial.values, strict=True)) if complete else {},
        loss=Estimate(*(metrics.get(name) for name in ("log_loss", "log_loss_low", "log_loss_high"))),
        metrics=dict(metrics),
        scores=trial.user_attrs.get(SCORES, {}),
        excess=tuple(trial.user_attrs.get(EXCESS, ())),
        ledger=trial.user_attrs.get(BEGAN, ""),
        retry_of=trial.user_attrs.get(RETRY_OF),
        is_base=bool(trial.user_attrs.get(BASE)),
        seconds=(over - begun).total_seconds() if begun is not None and over is not None else 0.0,
        begun=nanoseconds(begun),
        ended=nanoseconds(over),
    )


def nanoseconds(time: datetime | None) -> int:
    """A time of Optuna's (local, without a zone) in nanoseconds UTC; 0 for none."""
    return 0 if time is None else round(time.timestamp() * 1e6) * 1000


def rows(bench: Bench) -> tuple[TrialRow, ...]:
    """The trials that ended, by number."""
    keys = {one.key: one for one in bench.config.space}
    found = ended(bench.study.get_trials(deepcopy=False))
    return tuple(trial_row(one, bench.config.tuning.objectives, keys) for one in found)


def summarise(bench: Bench, base: Evaluated) -> StudySummary:
    """The study so far.

    Raises
    ------
    TuningError
        If no trial finished.
    """
    config, found = bench.config, rows(bench)
    finished = [one for one in found if one.status == "finished"]
    if not finished:
        failed = [one for one in found if one.status == "failed"]
        told = f": {_note(bench, failed[-1])}" if failed else ""
        raise TuningError(f"of {len(found)} trials none finished{told}")
    best = min(finished, key=lambda one: (one.values["loss"], one.number))
    several = len(config.tuning.objectives) > 1
    difference, luck, probability, compared = judged(bench.folder, finished, best, base)
    return StudySummary(
        name=config.name,
        training=config.base.name,
        predictor=config.tuning.predictor,
        objectives=config.tuning.objectives,
        trials=found,
        keys={one.key: one.text() for one in config.space},
        logarithmic=tuple(one.key for one in config.space if isinstance(one, Range) and one.log),
        base={str(name): value for name, value in base.values.items()},
        base_loss=Estimate(base.loss.value, base.loss.low, base.loss.high),
        best=best.number,
        front=tuple(sorted(one.number for one in bench.study.best_trials)) if several else (),
        difference=difference,
        luck=luck,
        luck_probability=probability,
        compared=compared,
        importances=importances(bench.study, config.tuning.objectives, config.tuning.seed),
        decisions=len(base.compared.index),
        effective=float(base.mass.sum()),
        folds=config.base.validation.folds,
    )


def _note(bench: Bench, row: TrialRow) -> str:
    entry = bench.ledger.entry(row.ledger)
    return "no reason is known" if entry.outcome is None else entry.outcome.note


def judged(
    folder: Path, finished: Sequence[TrialRow], best: TrialRow, base: Evaluated
) -> tuple[Estimate, Number, Number, int]:
    """The best trial against the base, the luck of the best, White's p-value, and how many trials that rests on.

    A trial of another machine has left its losses there, and is not among them.
    """
    kept = {one.number: losses_of(folder, str(one.number)) for one in finished}
    known = {number: np.load(path, allow_pickle=False) for number, path in kept.items() if path.is_file()}
    if best.number not in known:
        return Estimate(None), None, None, 0
    cells, mass, counts = np.stack(list(known.values())), base.mass, base.compared.blocks.counts
    pair = drawn_losses(np.stack([known[best.number], base.cells]), mass, counts)
    value = float((known[best.number] - base.cells).sum() / mass.sum())
    difference = Estimate(value, *percentiles(pair[:, 0] - pair[:, 1], LEVEL))
    luck = expected_luck(cells, mass, counts)
    return difference, luck, luck_probability(cells, base.cells, mass, counts), len(known)


def importances(study: Any, objectives: Sequence[Objective], seed: int) -> dict[str, float]:
    """How much of the loss' variance over the finished trials each key explains (functional ANOVA, Hutter 2014).

    Empty where there are too few different trials to tell.
    """
    import optuna

    target = None if len(objectives) == 1 else lambda trial: trial.values[objectives.index("loss")]
    evaluator = optuna.importance.FanovaImportanceEvaluator(seed=seed)
    try:
        found = optuna.importance.get_param_importances(study, evaluator=evaluator, target=target)
    except (ValueError, RuntimeError):
        return {}
    return {name: float(value) for name, value in found.items()}
