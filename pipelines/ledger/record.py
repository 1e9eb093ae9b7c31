"""A training's two records: begun when its data are known, ended when its result is.

Between the two the flow may look at whatever it likes: the trial counts already.
"""

from __future__ import annotations

import getpass
import math
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from market.universe import clipped
from pipelines.ledger.errors import LedgerError
from pipelines.ledger.store import Ledger
from pipelines.ledger.trial import SHARPE, Outcome, Returns, Status, Stretch, Trial, fresh_id

MANUAL, RETRAINED = "manual", "retraining"
"""Kinds of trainings: by hand, and by the retraining flow."""

if TYPE_CHECKING:
    from market.instruments import Instrument
    from pipelines.config import DataConfig, RunConfig
    from pipelines.results import Backtest, Predictor
    from pipelines.stages.data import DataFacts


def stretches(data: DataConfig, facts: DataFacts, instruments: Iterable[Instrument] = ()) -> tuple[Stretch, ...]:
    """Everything a run reads: each symbol from its first bar to its last, the untouched stretch included.

    Paper trading shows that stretch at the end of the same run, so it is touched too. An instrument that was renamed is
    touched under each of its names in its time.

    Parameters
    ----------
    instruments
        Where the base assets come from, which counting by asset needs.
    """
    assets = {one.symbol: one.base for one in instruments}
    return tuple(
        Stretch(data.venue, named.symbol, named.start, named.stop or one.end, data.interval, assets.get(one.symbol, ""))
        for one in facts.series
        for named in clipped(data.spans(one.symbol), one.start, one.end)
    )


def new_trial(
    config: RunConfig,
    facts: DataFacts,
    *,
    code: str,
    instruments: Iterable[Instrument] = (),
    kind: str = MANUAL,
    run: str = "",
    person: str | None = None,
    parameters: Mapping[str, Any] | None = None,
    note: str = "",
    created: int | None = None,
) -> Trial:
    """A trial of a configuration on its data.

    Parameters
    ----------
    code
        Digest of the code that is running, as the stages' artefacts know it.
    person
        Default: the user of this process.
    created
        Default: now, ns.
    """
    from pipelines.toml import digest

    return Trial(
        id=fresh_id(),
        created=time.time_ns() if created is None else created,
        person=getpass.getuser() if person is None else person,
        kind=kind,
        name=config.name,
        configuration=digest(config),
        code=code,
        data={one.symbol: one.fingerprint for one in facts.series},
        touched=stretches(config.data, facts, instruments),
        parameters=dict(parameters or {}),
        run=run,
        note=note,
    )


def begin_trial(ledger: Ledger, config: RunConfig, facts: DataFacts, **details: Any) -> Trial:
    """Register a trial before its result is looked at; details as `new_trial`, errors as `Ledger.begin`."""
    trial = new_trial(config, facts, **details)
    ledger.begin(trial)
    return trial


def resume_trial(ledger: Ledger, config: RunConfig, facts: DataFacts, **details: Any) -> Trial:
    """The record of the same trial and kind that a killed process left, or, if there is none, a new one, begun.

    Whoever resumes knows that no other process works on that trial. Details and errors as `begin_trial`.
    """
    return resume(ledger, new_trial(config, facts, **details))


def resume(ledger: Ledger, trial: Trial) -> Trial:
    """As `resume_trial`, for a trial that is made but not begun; a record of another note is another's."""
    wanted = trial.identity, trial.kind, trial.note
    for entry in reversed(ledger.entries()):
        known = entry.trial.identity, entry.trial.kind, entry.trial.note
        if known == wanted and entry.status in ("begun", "finished"):
            return entry.trial
    ledger.begin(trial)
    return trial


def has_outcome(ledger: Ledger, trial: Trial) -> bool:
    """Whether a trial has its outcome, as one that is resumed may have."""
    return any(one.trial.id == trial.id and one.outcome is not None for one in ledger.entries())


def finish_trial(
    ledger: Ledger,
    trial: Trial,
    *,
    status: Status = "finished",
    metrics: Mapping[str, float | None] | None = None,
    returns: Returns | None = None,
    bundle: str = "",
    run: str = "",
    note: str = "",
    created: int | None = None,
) -> Outcome:
    """Append what came of a trial; undefined metrics become None. Errors as `Ledger.finish`."""
    outcome = Outcome(
        trial=trial.id,
        created=time.time_ns() if created is None else created,
        status=status,
        metrics=known(metrics or {}),
        returns=returns,
        bundle=bundle,
        run=run,
        note=note,
    )
    ledger.finish(outcome)
    return outcome


@contextmanager
def failing(ledger: Ledger, trial: Trial) -> Iterator[None]:
    """Whatever ends the block early is recorded as the trial's failure, and raised on.

    If that cannot be recorded, the error says so; the trial stays begun, and counts.
    """
    try:
        yield
    except BaseException as error:
        record_error(ledger, trial, error)
        raise


def record_error(ledger: Ledger, trial: Trial, error: BaseException) -> None:
    """Append that a trial failed, or was pruned if the error is Optuna's; never raises another error over this one."""
    status: Status = "pruned" if type(error).__name__ == "TrialPruned" else "failed"
    try:
        finish_trial(ledger, trial, status=status, note=f"{type(error).__name__}: {error}"[:500])
    except LedgerError as other:
        error.add_note(str(other))


def known(metrics: Mapping[str, float | None]) -> dict[str, float | None]:
    """Metrics with None for what is undefined.

    Examples
    --------
    >>> known({"auc": 0.5, "net_sharpe": float("nan")})
    {'auc': 0.5, 'net_sharpe': None}
    """
    return {
        name: float(value) if value is not None and math.isfinite(value) else None for name, value in metrics.items()
    }


def headline(predictors: Sequence[Predictor], backtest: Backtest | None) -> dict[str, float | None]:
    """What the ledger keeps of a training's scores: the ensemble's, out of fold, and of trading on them after costs."""
    from pipelines.results import ENSEMBLE

    found: dict[str, float | None] = {}
    for one in predictors:
        if one.name == ENSEMBLE:
            found |= {name: one.scores[name].value for name in ("information_gain", "auc") if name in one.scores}
    if backtest is not None:
        net = backtest.net_performance
        found |= {SHARPE: net.sharpe.value, "total_return": net.total_return, "max_drawdown": net.max_drawdown}
    return known(found)


def returns_by_day(time: NDArray[np.int64], equity: NDArray[np.float64], capital: float) -> Returns:
    """Simple returns by UTC day from an equity curve, the first from ``capital``.

    Parameters
    ----------
    time, equity
        Shape (n,); a point at midnight belongs to the day that ends there, as in `pipelines.stages.performance`.
        From a thinned curve a day's return runs between its last kept points.
    """
    from market.time import DAY
    from pipelines.stages.performance import daily_returns
    from pipelines.stages.redrawn import last_of_each

    if not len(time):
        return Returns((), ())
    days = (time[last_of_each(time, DAY)] - 1) // DAY
    return Returns(tuple(days.tolist()), tuple(daily_returns(time, equity, capital).tolist()))
