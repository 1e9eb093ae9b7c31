"""``bot4 train``: from a configuration to a certified, tracked, registered challenger and its report."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from pipelines.commands.options import WORKSPACE, WorkspaceOption, command_app, open_workspace

app = command_app("Train, certify, track and register an ensemble from a configuration.")


@app.command(epilog="Example: bot4 train conf/spot-15m.toml")
def train(
    config: Annotated[Path, typer.Argument(help="The run's configuration (TOML).", metavar="CONF")],
    workspace: WorkspaceOption = WORKSPACE,
) -> None:
    """Train with purged walk-forward validation, certify the graph, register it as @challenger, backtest, and trade
    the untouched last stretch on paper.

    Unchanged stages of an earlier run are not run again.
    """
    from pipelines.commands.training_run import run

    run(config, open_workspace(workspace), f"bot4 train {config}")
