"""``python -m tests.pipelines.retrain_work POINT CONF WORKSPACE``: retrain, and kill -9 itself at a point.

A point is the moment before or after something is left behind: an artefact, a line of the ledger, a version, an alias,
a result, a report, a tracked run. It is given by its number or its name; 0 kills nobody. The names of those that were
reached go into ``points`` beside the configuration.
"""

from __future__ import annotations

import sys
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
from tests.pipelines.points import Points

LEAVES_BEHIND = (
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


def main(deadly: str, conf: Path, workspace: Workspace) -> None:
    configure(workspace)
    points = Points(deadly, conf.parent / "points")
    # The auditor's own artefacts do not outlive it.
    points.around(Artefacts, "make", lambda made, job, *_: job.stage if made.root == workspace.artefacts else None)
    for owner, name in LEAVES_BEHIND:
        points.around(owner, name)
    from pipelines.flows.retrain import retrain_flow

    print(retrain_flow(str(conf), str(workspace.root)).text)


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]), Workspace(Path(sys.argv[3])))
