"""Every trial of an Optuna study in the ledger, without its author having to think of it.

`StudyRecorder.objective` makes the objective: it registers a trial as soon as its configuration is known and before it
is evaluated. The recorder is also Optuna's callback, which records what objectives of other makes have tried.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar

import msgspec

from pipelines.ledger.record import finish_trial, record_error
from pipelines.ledger.store import Ledger
from pipelines.ledger.trial import Entry, Returns, Status, Trial, fresh_id
from pipelines.toml import digest

T = TypeVar("T")
BEGAN, ENDED = "bot4.trial", "bot4.recorded"
"""User attributes of Optuna's trials: the id of the ledger's, and whether its outcome is there."""
STATUS: dict[str, Status] = {"COMPLETE": "finished", "PRUNED": "pruned"}
"""Of Optuna's states; any other is a failure."""


@dataclass(frozen=True, slots=True)
class Evaluation:
    """What an evaluation found: the study's value (of several objectives, one each), and what the ledger keeps."""

    value: float | tuple[float, ...]
    metrics: Mapping[str, float | None] = field(default_factory=dict)
    returns: Returns | None = None
    bundle: str = ""


class StudyRecorder:
    """Records an Optuna study's trials.

    Parameters
    ----------
    ledger
        Where.
    base
        A trial of the study's base configuration (`pipelines.ledger.record.new_trial`), which need not be in the
        ledger: person, name, data, code and touched stretches are every trial's.

    Examples
    --------
    >>> def configure(trial):  # doctest: +SKIP
    ...     return replace(config, seed=trial.suggest_int("seed", 0, 9))
    >>> recorder = StudyRecorder(ledger, new_trial(config, facts))  # doctest: +SKIP
    >>> study.optimize(recorder.objective(configure, evaluate), n_trials=50, callbacks=[recorder])  # doctest: +SKIP
    """

    def __init__(self, ledger: Ledger, base: Trial) -> None:
        self._ledger = ledger
        self._base = base

    def objective(
        self, configure: Callable[[Any], T], evaluate: Callable[[T], Evaluation]
    ) -> Callable[[Any], float | tuple[float, ...]]:
        """An objective that is recorded before and after it is evaluated.

        Parameters
        ----------
        configure
            Suggests: an ``optuna.Trial`` to a configuration (a struct or plain values), whose digest is the trial's.
        evaluate
            Fits and scores a configuration. What it raises is recorded and raised on.
        """

        def recorded(trial: Any) -> float | tuple[float, ...]:
            config = configure(trial)
            mine = self._made(digest(config), trial.params, _place(trial.study, trial.number))
            # Named first, then begun: a kill in between leaves a name of nothing, and no record that nobody ends.
            trial.set_user_attr(BEGAN, mine.id)
            self._ledger.begin(mine)
            try:
                found = evaluate(config)
            except BaseException as error:
                record_error(self._ledger, mine, error)
                trial.set_user_attr(ENDED, True)
                raise
            metrics = {**named(found.value), **found.metrics}
            finish_trial(self._ledger, mine, metrics=metrics, returns=found.returns, bundle=found.bundle)
            trial.set_user_attr(ENDED, True)
            return found.value

        return recorded

    def __call__(self, study: Any, trial: Any) -> None:
        """Optuna's callback after each trial: records what `objective` has not."""
        if trial.user_attrs.get(ENDED):
            return
        entry = begun(self._ledger, trial)
        if entry is None:
            mine = self._made(
                digest([self._base.configuration, trial.params]), trial.params, _place(study, trial.number)
            )
            self._ledger.begin(mine)
        else:
            mine = entry.trial
        metrics = named(tuple(trial.values or ()))
        finish_trial(self._ledger, mine, status=STATUS.get(trial.state.name, "failed"), metrics=metrics)

    def _made(self, configuration: str, parameters: Mapping[str, Any], note: str) -> Trial:
        return msgspec.structs.replace(
            self._base,
            id=fresh_id(),
            created=time.time_ns(),
            kind="optuna",
            configuration=configuration,
            parameters=dict(parameters),
            note=note,
        )


def begun(ledger: Ledger, trial: Any) -> Entry | None:
    """The ledger's entry of one of Optuna's trials; None if it never began there."""
    name = trial.user_attrs.get(BEGAN)
    return next((one for one in ledger.entries() if one.trial.id == name), None)


def named(value: float | tuple[float, ...]) -> dict[str, float | None]:
    """A study's value as the ledger names it; those of several objectives are numbered.

    Examples
    --------
    >>> named(0.5), named((0.5,)), named((0.5, 2.0))
    ({'value': 0.5}, {'value': 0.5}, {'value_0': 0.5, 'value_1': 2.0})
    """
    values = value if isinstance(value, tuple) else (value,)
    return {"value": values[0]} if len(values) == 1 else {f"value_{n}": one for n, one in enumerate(values)}


def _place(study: Any, number: int) -> str:
    return f"study {study.study_name}, trial {number}"
