"""``python -m tests.pipelines.train_work WHAT CONF WORKSPACE [POINT …]``: a training, killed at each point in turn.

``train`` is all that ``bot4 train`` does, ``stages`` the bare stages up to the bundle. The last one, with no point,
runs to its end. A line per training says how it ended and where. The names of the points that were reached go into
``points`` beside the configuration; see `tests.pipelines.points`.
"""

from __future__ import annotations

import sys
from functools import partial
from pathlib import Path

from models.blas import one_blas_thread
from models.bundle.store import ModelStore
from pipelines.ledger.store import Ledger
from pipelines.prefect_settings import configure
from pipelines.progress import Lines, showing
from pipelines.results import RunResult
from pipelines.workspace import Workspace
from tests.pipelines.points import Points, one_after_another
from tests.pipelines.stages_alone import bundle_of


def train_once(what: str, conf: Path, workspace: Workspace, deadly: str) -> None:
    points = Points(deadly, conf.parent / "points")
    points.around_stages(workspace.artefacts)
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

    one_after_another(partial(train_once, what, conf, workspace), [*points, ""])


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]), Workspace(Path(sys.argv[3])), sys.argv[4:])
