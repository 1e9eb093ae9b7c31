"""``python -m tests.pipelines.train_work WHAT CONF WORKSPACE [POINT …]``: a training, killed at each point in turn.

``train`` is all that ``bot4 train`` does, ``stages`` the bare stages up to the bundle. The libraries are imported once;
each training is a process forked from there that kills itself (-9) at its point. The last one, with no point, runs to
its end. A line per training says how it ended and where.

Points: ``ready STAGE``, ``filled STAGE``, ``made STAGE`` are before an artefact is begun, when it is filled but has no
name yet, and when it is there; ``during STAGE`` is a progress report of the work, in the middle of a fit for example.
Those of registration, ledger, paper trading, report and tracking are ``before`` and ``after`` a call, with the call's
number where it is not the first. A stage's point is deadly when it is first reached.
"""

from __future__ import annotations

import dataclasses
import itertools
import os
import signal
import sys
import threading
from pathlib import Path

from models.blas import one_blas_thread
from models.bundle.store import ModelStore
from pipelines.ledger.store import Ledger
from pipelines.prefect_settings import configure
from pipelines.progress import Lines, showing
from pipelines.results import RunResult
from pipelines.stages.artefacts import Artefacts
from pipelines.workspace import Workspace
from tests.pipelines.stages_alone import bundle_of


class Points:
    """Writes down which points are reached, and kills the process at one."""

    def __init__(self, deadly: str, file: Path, artefacts: Path) -> None:
        self.deadly, self.file, self.artefacts, self.lock = deadly, file, artefacts, threading.Lock()

    def reached(self, name: str) -> None:
        with self.lock:
            with self.file.open("a") as file:
                file.write(f"{name}\n")
            if name == self.deadly:
                os.kill(os.getpid(), signal.SIGKILL)

    def around(self, owner: object, name: str) -> None:
        call = getattr(owner, name)
        what = f"{getattr(owner, '__name__', owner).rpartition('.')[2]}.{name}"

        numbers = itertools.chain([""], (f" {number}" for number in itertools.count(2)))

        def counted(*arguments, **options):
            number = next(numbers)
            self.reached(f"before {what}{number}")
            found = call(*arguments, **options)
            self.reached(f"after {what}{number}")
            return found

        setattr(owner, name, counted)

    def around_stages(self) -> None:
        make = Artefacts.make

        def counted(artefacts, job, *progress):
            if artefacts.root != self.artefacts:
                return make(artefacts, job, *progress)  # the auditor's own, which do not outlive it

            def build(draft, told):
                def during(what, fraction):
                    if 0.0 < fraction < 1.0:
                        self.reached(f"during {job.stage}")
                    told(what, fraction)

                job.build(draft, during)
                self.reached(f"filled {job.stage}")

            self.reached(f"ready {job.stage}")
            found = make(artefacts, dataclasses.replace(job, build=build), *progress)
            self.reached(f"made {job.stage}")
            return found

        Artefacts.make = counted


def train_once(what: str, conf: Path, workspace: Workspace, deadly: str) -> None:
    """In a process of its own that ends here."""
    points = Points(deadly, conf.parent / "points", workspace.artefacts)
    points.around_stages()
    if what == "stages":
        with one_blas_thread():
            bundle_of(conf, workspace)
        return
    from pipelines.config import load
    from pipelines.flows import release
    from pipelines.tracking import finished
    from pipelines.training import train

    for owner, name in (
        (Ledger, "_append"),
        (ModelStore, "put"),
        (ModelStore, "promote"),
        (RunResult, "save"),
        (release, "paper_run"),
        (release, "write_card"),
        (release, "write_report"),
        (finished, "record"),
        (finished, "mirror_aliases"),
    ):
        points.around(owner, name)

    with showing("killed", Lines(sys.stderr)) as progress:
        train(load(conf), conf.parent, workspace, progress, "bot4 train")


def main(what: str, conf: Path, workspace: Workspace, points: list[str]) -> None:
    configure(workspace)
    if what == "train":
        import pipelines.training  # noqa: F401 - so that no training has to

    for deadly in [*points, ""]:
        child = os.fork()
        if child == 0:
            try:
                train_once(what, conf, workspace, deadly)
            except BaseException:  # noqa: BLE001 - a forked process ends here, whatever it was
                import traceback

                traceback.print_exc()
                os._exit(1)
            os._exit(0)
        _, status = os.waitpid(child, 0)
        print(os.waitstatus_to_exitcode(status), deadly, flush=True)


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]), Workspace(Path(sys.argv[3])), sys.argv[4:])
