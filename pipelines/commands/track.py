"""``bot4 track``: write a finished run to MLflow."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from pipelines.commands.options import WORKSPACE, WorkspaceOption, command_app, open_workspace

app = command_app("Write a finished run to MLflow, if that failed when it ran.")


@app.command(epilog="Example: bot4 track workspace/runs/20250101T120000-0a1b2c3d")
def track(
    run: Annotated[Path, typer.Argument(exists=True, file_okay=False, help="The run's folder.", metavar="RUN_FOLDER")],
    workspace: WorkspaceOption = WORKSPACE,
) -> None:
    """Write a finished run's result, report and bundle to MLflow, and show its aliases in MLflow's registry.

    For a run whose tracking failed, or for another server in MLFLOW_TRACKING_URI; what is there already is not
    written twice. The workspace is the one whose model store has the run's model.
    """
    from pipelines.flows.console import keep_runs_off_the_terminal
    from pipelines.prefect_settings import configure
    from pipelines.results import RunResult
    from pipelines.tracking.finished import explained, mirror_aliases, record

    place, result = open_workspace(workspace), RunResult.load(run)
    configure(place)
    keep_runs_off_the_terminal()
    with explained(result, run, place):
        written = record(result, run, place)
        aliases = mirror_aliases(result, place)
    shown = ", ".join(f"@{alias}" for alias in aliases) or "no alias"
    typer.echo(f"run {result.run_id} is {'now' if written else 'already'} in {place.mlflow_uri}, which shows {shown}")
