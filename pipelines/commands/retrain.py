"""``bot4 retrain``: the scheduled retraining once, by hand."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from pipelines.commands.options import WORKSPACE, WorkspaceOption, command_app, open_workspace

app = command_app("Train a run again on what is new, if anything is.")


@app.command(epilog="Example: bot4 retrain conf/retrain.toml")
def retrain(
    config: Annotated[Path, typer.Argument(help="The retraining's configuration (TOML).", metavar="CONF")],
    workspace: WorkspaceOption = WORKSPACE,
) -> None:
    """Bring the lake up to date, check quality and drift, train, register as @challenger, and run the champion's gates.

    If nothing is new, nothing is done. Killed at any moment and run again, it goes on: no version and no trial is made
    twice. The champion is for a person to move (bot4 models promote).
    """
    from pipelines.prefect_settings import configure
    from pipelines.retraining import load_plan

    place = open_workspace(workspace)
    load_plan(config)
    configure(place)
    from pipelines.flows.console import keep_runs_off_the_terminal
    from pipelines.flows.lifeline import server_ends_with_us
    from pipelines.flows.retrain import retrain_flow

    keep_runs_off_the_terminal()
    server_ends_with_us()
    typer.echo(retrain_flow(str(config.resolve()), str(place.root)).text)
