"""Trials on the workers of a Dask cluster: over as many processes and machines as its scheduler knows.

Each worker takes one trial at a time and writes it into the study's storage and the ledger itself, as a process of this
machine does (`pipelines.tuning.processes`); what comes back are the losses from which trials are compared. So a worker
that dies leaves what a killed process leaves, and the same rules hold.
"""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from pipelines.tuning.crew import Crew, key
from pipelines.tuning.errors import TuningError
from pipelines.tuning.handout import hand_out
from pipelines.tuning.storage import BEAT, PROCESS, RETRY_OF, ended, recover
from pipelines.tuning.trials import Bench, losses_of, quiet
from pipelines.workspace import Workspace

ANSWER = 10
"""Seconds in which a scheduler must answer."""
PATIENCE = 60.0
"""Seconds to wait for a worker when there is none."""
LOOK, STEP = 0.5, 0.05
"""Seconds between looks at storage and scheduler, and between looks at what has come back."""
LOSSES = 3
"""Workers that one trial may lose: what kills one after another is the trial."""


def run_on_cluster(
    bench: Bench, workspace: Workspace, address: str, watch: Callable[[], None]
) -> tuple[int, tuple[str, ...]]:
    """Try what is missing on the workers of a cluster.

    Parameters
    ----------
    address
        Of the scheduler, such as ``tcp://scheduler:8786``.
    watch
        Called again and again meanwhile.

    Returns
    -------
    How many trials were broken off and tried again, and what a user should know of the workers.

    Raises
    ------
    TuningError
        If no scheduler answers, it has no workers, one of those that are there at the start runs other code or sees
        other data or databases, or all are lost.
    """
    with connected(address) as client:
        crew = Crew(client, hand_out(bench, workspace))
        look_at_all(crew, address, watch)
        try:
            return try_all(bench, crew, address, watch), crew.notes()
        finally:
            crew.release()


@contextmanager
def connected(address: str) -> Iterator[Any]:
    """A client of a scheduler.

    Raises
    ------
    TuningError
        If Dask is not installed, or no scheduler answers.
    """
    try:
        from distributed import Client
    except ModuleNotFoundError as error:
        raise TuningError(
            f"a study over machines needs {error.name}, which is not installed: make setup-cluster, or install bot4 "
            "with the extra 'cluster'"
        ) from None
    try:
        client = Client(address, timeout=ANSWER, set_as_default=False, name="bot4-tune")
    except (OSError, ValueError) as error:
        why = str(error) or type(error).__name__
        raise TuningError(f"no Dask scheduler answers at {address} ({why}): start one with `dask scheduler`") from error
    try:
        yield client
    except OSError as error:
        if client.status == "running":
            raise
        raise TuningError(
            f"the scheduler at {address} is gone; workers end what they are trying: run the same command to go on"
        ) from error
    finally:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            client.close(timeout=ANSWER)


def look_at_all(crew: Crew, address: str, watch: Callable[[], None]) -> None:
    """Look at the workers that are there, and refuse to begin if one cannot take part.

    Raises
    ------
    TuningError
        Naming that worker and the reason; or if none comes.
    """
    until = time.monotonic() + PATIENCE
    crew.muster()
    while crew.looking or not crew.hands:
        for _ in crew.hear():
            pass
        if crew.refused:
            worker, why = next(iter(sorted(crew.refused.items())))
            raise TuningError(f"worker {worker} cannot try trials of this study: {why}")
        if not crew.hands and time.monotonic() > until:
            raise TuningError(f"the scheduler at {address} has no workers: start some with `dask worker {address}`")
        watch()
        time.sleep(LOOK)
        crew.muster()


def try_all(bench: Bench, crew: Crew, address: str, watch: Callable[[], None]) -> int:
    """Give out trials until the study has its number; returns how many were broken off and tried again."""
    recovered, looked, heard, until = 0, 0.0, time.monotonic(), time.monotonic() + PATIENCE
    while True:
        for number, losses in crew.hear():
            keep(bench, number, losses)
        now = time.monotonic()
        if now - looked >= LOOK:
            looked = now
            crew.muster()
            if crew.hands:
                until = now + PATIENCE
            elif now > until:
                raise TuningError(
                    f"no worker is left at {address}; what they were trying is queued again: start some with `dask "
                    "worker` and run the same command to go on" + "".join(f". {one}" for one in crew.notes())
                )
            recovered += recover(bench.study, bench.ledger)
            if now - heard >= BEAT:
                heard = now
                fail_stale(bench)
            check_losses(bench, crew)
            trials = bench.study.get_trials(deepcopy=False)
            missing = bench.config.tuning.trials - len(ended(trials))
            if missing <= 0 and not crew.trying:
                return recovered
            crew.give(missing - being_tried(trials, crew))
            watch()
        time.sleep(STEP)


def fail_stale(bench: Bench) -> None:
    """Give up trials of other machines that show no sign of life (`pipelines.tuning.storage.GRACE`)."""
    import optuna

    with quiet():
        optuna.storages.fail_stale_trials(bench.study)


def being_tried(trials: list[Any], crew: Crew) -> int:
    """How many trials may still end: of workers that were given one, and those that others run or have left behind.

    A worker's trial is there a moment after it was given out, so its workers are counted and not its trials.
    """
    mine = crew.trying
    others = (
        one
        for one in trials
        if one.state.name == "RUNNING" and (PROCESS not in one.user_attrs or key(one.user_attrs[PROCESS]) not in mine)
    )
    return len(mine) + sum(1 for _ in others)


def check_losses(bench: Bench, crew: Crew) -> None:
    """Refuse to give a trial to one worker after another.

    Raises
    ------
    TuningError
        If it has lost `LOSSES` of them in this run.
    """
    if len(crew.lost) < LOSSES:
        return
    trials = {one.number: one for one in bench.study.get_trials(deepcopy=False)}
    for trial in trials.values():
        tried, lost = trial, 0
        while RETRY_OF in tried.user_attrs:
            tried = trials[tried.user_attrs[RETRY_OF]]
            lost += PROCESS in tried.user_attrs and key(tried.user_attrs[PROCESS]) in crew.lost
        if lost >= LOSSES:
            raise TuningError(
                f"trial {tried.number} was broken off {lost} times, each time with its worker: see the workers' logs "
                f"(memory?). It has {', '.join(f'{name} = {value}' for name, value in tried.params.items())}"
            )


def keep(bench: Bench, number: int, losses: bytes) -> None:
    """Keep a trial's losses, which its worker has in its own workspace, beside those of all others."""
    path = losses_of(bench.folder, str(number))
    if losses and not (path.is_file() and path.read_bytes() == losses):
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(losses)
