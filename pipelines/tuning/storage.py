"""Where studies are kept, and what a killed process leaves behind there."""

from __future__ import annotations

import socket
import time
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import psutil
from sqlalchemy import URL, make_url
from sqlalchemy.exc import ArgumentError, SQLAlchemyError

from pipelines.ledger.record import finish_trial
from pipelines.ledger.store import Ledger
from pipelines.ledger.study import begun
from pipelines.postgresql import with_driver
from pipelines.tuning.errors import TuningError
from pipelines.workspace import Workspace

VARIABLE = "BOT4_STUDIES_URL"
FILE = "studies.db"
PATIENCE = 60
"""Seconds that a writer waits for another one's transaction."""
BEAT, GRACE = 30, 180
"""Seconds between a trial's signs of life, and without one until a trial of another machine is given up."""
CLAIM = 10.0
"""Seconds within which whoever begins a trial says so on it, which takes milliseconds."""
PROCESS, RETRY_OF, INTERRUPTED, BASE = "bot4.process", "bot4.retry_of", "bot4.interrupted", "bot4.base"
"""User attributes of Optuna's trials: who runs it, which one it tries again, whether it was broken off by hand, and
whether it is the training's own configuration."""


def studies_url(workspace: Workspace, storage: str, environment: Mapping[str, str]) -> URL:
    """The database of studies: ``BOT4_STUDIES_URL``, else what the study's file names, else SQLite in the workspace.

    Raises
    ------
    TuningError
        If it is not a SQLite file's or a PostgreSQL database's URL.

    Examples
    --------
    >>> studies_url(Workspace(Path("/w")), "", {}).database
    '/w/studies.db'
    """
    text = environment.get(VARIABLE) or storage
    if not text:
        return URL.create("sqlite", database=str(workspace.root / FILE))
    try:
        url = make_url(with_driver(text))
    except ArgumentError:
        raise TuningError(
            f"tuning.storage (or {VARIABLE}) is not an SQL URL such as postgresql://user@host/database"
        ) from None
    kind = url.get_backend_name()
    if kind not in ("sqlite", "postgresql") or (kind == "sqlite" and (url.database or ":memory:") == ":memory:"):
        raise TuningError(f"a study cannot be kept in {kind} {url.database or ''}: name a SQLite file or PostgreSQL")
    return url


def open_storage(url: URL) -> Any:
    """Optuna's storage at a URL.

    Raises
    ------
    TuningError
        If the database cannot be reached.
    """
    from optuna.exceptions import ExperimentalWarning, StorageInternalError
    from optuna.storages import RDBStorage

    sqlite = url.get_backend_name() == "sqlite"
    if sqlite:
        Path(str(url.database)).parent.mkdir(parents=True, exist_ok=True)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ExperimentalWarning)
            return RDBStorage(
                url.render_as_string(hide_password=False),
                engine_kwargs={"connect_args": {"timeout": PATIENCE}} if sqlite else {},
                heartbeat_interval=BEAT,
                grace_period=GRACE,
                heartbeat_stale_trial_callback=try_again,
            )
    except (SQLAlchemyError, StorageInternalError, OSError) as error:
        cause = str(getattr(error, "orig", None) or error).strip().splitlines()[0]
        raise TuningError(f"the studies in {url.render_as_string(hide_password=True)}: {cause}") from error


def this_process() -> dict[str, Any]:
    """What tells this process from every other: the machine's name, the process' number and when it began."""
    own = psutil.Process()
    return {"host": socket.gethostname(), "pid": own.pid, "began": own.create_time()}


def alive(process: Mapping[str, Any]) -> bool:
    """Whether a process of this machine is still there; a number that was given to another one is not it.

    Examples
    --------
    >>> alive(this_process()), alive({**this_process(), "began": 0.0})
    (True, False)
    """
    try:
        found = psutil.Process(process["pid"])
        there = found.status() != psutil.STATUS_ZOMBIE
        return there and abs(float(found.create_time() - process["began"])) < 1.0
    except psutil.NoSuchProcess:
        return False


def gone(trial: Any) -> bool:
    """Whether the process of this machine that claimed a running trial is no more.

    Of another machine's trial this process cannot tell: Optuna gives it up after `GRACE` seconds without a heartbeat.
    """
    process = trial.user_attrs.get(PROCESS)
    return process is not None and process["host"] == socket.gethostname() and not alive(process)


def never_claimed(study: Any) -> set[int]:
    """The numbers of running trials that nobody claims within `CLAIM` seconds: whoever began them was killed at once.

    Should a process have been held up for longer, its claim fails, before its trial is in the ledger.
    """
    found, until = unclaimed(study), time.monotonic() + CLAIM
    while found and time.monotonic() < until:
        time.sleep(CLAIM / 50)
        found &= unclaimed(study)
    return found


def unclaimed(study: Any) -> set[int]:
    """The numbers of running trials that do not say who runs them."""
    trials = study.get_trials(deepcopy=False)
    return {one.number for one in trials if one.state.name == "RUNNING" and PROCESS not in one.user_attrs}


def try_again(study: Any, trial: Any) -> None:
    """Queue a trial that was broken off; the new one says whose place it takes."""
    if trial.number not in retried(study.get_trials(deepcopy=False)):
        same = {BASE: True} if trial.user_attrs.get(BASE) else {}
        # What it was queued with and had not come to when it was broken off is still to be tried.
        values = {**trial.system_attrs.get("fixed_params", {}), **trial.params}
        study.enqueue_trial(values, user_attrs={RETRY_OF: trial.number, **same})


def retried(trials: list[Any]) -> set[int]:
    """The numbers of the trials that another one takes the place of."""
    return {one.user_attrs[RETRY_OF] for one in trials if RETRY_OF in one.user_attrs}


def ended(trials: list[Any]) -> list[Any]:
    """The trials that count: complete, pruned, or failed by themselves; one that was broken off is tried again.

    They are given in the order of their numbers.
    """
    again = retried(trials)
    return [
        one
        for one in trials
        if one.state.is_finished() and one.number not in again and not one.user_attrs.get(INTERRUPTED)
    ]


def recover(study: Any, ledger: Ledger) -> int:
    """End what killed or interrupted processes left behind and queue it again; returns how many trials that were.

    In the ledger such a trial has failed; the one that takes its place is the same trial there (the same
    configuration, data and code), so that it is counted once.
    """
    from optuna.trial import TrialState

    found, nobodys = 0, never_claimed(study)
    for trial in study.get_trials(deepcopy=False, states=(TrialState.RUNNING, TrialState.FAIL)):
        if trial.state == TrialState.RUNNING and (trial.number in nobodys or gone(trial)):
            # Queued, then ended, last in the study: a kill in between leaves a trial that is ended the next time.
            try_again(study, trial)
            _end_in_ledger(ledger, trial)
            study.tell(trial.number, state=TrialState.FAIL)
            found += 1
        elif trial.state == TrialState.FAIL and trial.user_attrs.get(INTERRUPTED):
            found += trial.number not in retried(study.get_trials(deepcopy=False))
            try_again(study, trial)
    return found


def _end_in_ledger(ledger: Ledger, trial: Any) -> None:
    entry = begun(ledger, trial)
    if entry is not None and entry.outcome is None:
        finish_trial(ledger, entry.trial, status="failed", note="its process was killed; it is tried again")
