"""``bot4 backtest``: trade a registered model over the bars behind its training data."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from pipelines.commands.options import WORKSPACE, WorkspaceOption, command_app, open_workspace

app = command_app("Trade a registered model over history, after costs.")


@app.command(epilog="Example: bot4 backtest conf/serve.toml")
def backtest(
    config: Annotated[Path, typer.Argument(help="A live process's configuration, as for bot4 serve.", metavar="CONF")],
    workspace: WorkspaceOption = WORKSPACE,
) -> None:
    """Trade the same model over the same bars, with the same limits and costs, as `bot4 serve` with this file would.

    Only bars behind the model's training data are traded on; an earlier source.start is refused.
    """
    from pipelines.commands.options import table
    from pipelines.paper import research, summarised
    from pipelines.report.view import performance_rows
    from pipelines.toml import load_toml
    from serving.config import ServeConfig
    from serving.start import load_bundle

    place = open_workspace(workspace)
    chosen = load_toml(config, ServeConfig)
    bundle = load_bundle(chosen.model, place.store)
    found = summarised(research(bundle, chosen, place), bundle, chosen)
    typer.echo(table(("backtest", "after costs", "before costs"), performance_rows(found)))
