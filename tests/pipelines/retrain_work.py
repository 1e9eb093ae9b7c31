"""``python -m tests.pipelines.retrain_work POINT CONF WORKSPACE``: retrain, and kill -9 itself at a point.

A point is the moment before or after something is left behind: an artefact, a line of the ledger, a version, an alias,
a result, a report, a tracked run. It is given by its number or its name; 0 kills nobody. The names of those that were
reached go into ``points`` beside the configuration.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
from pathlib import Path

from models.bundle.store import ModelStore
from pipelines.flows import release
from pipelines.ledger.store import Ledger
from pipelines.prefect_settings import configure
from pipelines.results import RunResult
from pipelines.retraining import Retraining
from pipelines.stages.artefacts import Artefacts
from pipelines.tracking import finished
from pipelines.workspace import Workspace

LEAVES_BEHIND = (
    (Artefacts, "make"),
    (Ledger, "_append"),
    (ModelStore, "put"),
    (ModelStore, "promote"),
    (RunResult, "save"),
    (release, "paper_run"),
    (release, "write_report"),
    (finished, "record"),
    (finished, "mirror_aliases"),
    (Retraining, "save"),
)


class Points:
    """Counts the points, says their names, and kills the process at one."""

    def __init__(self, deadly: str, file: Path, artefacts: Path) -> None:
        self.deadly, self.file, self.artefacts = deadly, file, artefacts
        self.count, self.lock = 0, threading.Lock()

    def reached(self, name: str) -> None:
        with self.lock:
            self.count += 1
            with self.file.open("a") as file:
                file.write(f"{name}\n")
            if self.deadly in (str(self.count), name):
                os.kill(os.getpid(), signal.SIGKILL)

    def around(self, owner: object, name: str) -> None:
        call = getattr(owner, name)
        what = f"{getattr(owner, '__name__', owner).rpartition('.')[2]}.{name}"

        def counted(*arguments, **options):
            if isinstance(arguments[0], Artefacts) and arguments[0].root != self.artefacts:
                return call(*arguments, **options)  # the auditor's own, which do not outlive it
            self.reached(f"before {what}")
            found = call(*arguments, **options)
            self.reached(f"after {what}")
            return found

        setattr(owner, name, counted)


def main(deadly: str, conf: Path, workspace: Workspace) -> None:
    configure(workspace)
    points = Points(deadly, conf.parent / "points", workspace.artefacts)
    for owner, name in LEAVES_BEHIND:
        points.around(owner, name)
    from pipelines.flows.retrain import retrain_flow

    print(retrain_flow(str(conf), str(workspace.root)).text)


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]), Workspace(Path(sys.argv[3])))
