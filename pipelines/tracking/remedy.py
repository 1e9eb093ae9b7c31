"""The command that shows in MLflow what it does not show yet."""

from __future__ import annotations

from pathlib import Path
from shlex import quote

from pipelines.workspace import Workspace


def track_command(folder: Path, workspace: Workspace) -> str:
    """How a user has MLflow shown a finished run, its model and the aliases that the model has.

    Examples
    --------
    >>> track_command(Path("w/runs/r"), Workspace(Path("w")))
    '`bot4 track w/runs/r --workspace w`'
    """
    root = "" if workspace == Workspace.default() else f" --workspace {quote(str(workspace.root))}"
    return f"`bot4 track {quote(str(folder))}{root}`"
