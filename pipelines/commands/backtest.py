"""``bot4 backtest``: trade a registered model over the bars behind its training data."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from pipelines.commands.options import WORKSPACE, WorkspaceOption, command_app, open_workspace

if TYPE_CHECKING:
    from pipelines.workspace import Workspace
    from serving.config import ServeConfig

app = command_app("Trade a registered model over history, after costs.")


@app.command(epilog="Example: bot4 backtest conf/spot-15m.toml, or bot4 backtest conf/serve.toml")
def backtest(
    config: Annotated[
        Path,
        typer.Argument(help="A training's configuration, or a live process's as for bot4 serve.", metavar="CONF"),
    ],
    workspace: WorkspaceOption = WORKSPACE,
) -> None:
    """Trade a model over the bars behind its training data, with costs, in the compiled loop.

    With a training's configuration (conf/spot-15m.toml): the model of its newest finished run, over the untouched
    holdout and whatever was imported since, under the file's [trading] and [exchange] as they are now; changing those
    needs no new training. With a live process's configuration (conf/serve.toml): the same model, bars, limits and
    costs as bot4 serve with that file. Nothing before the end of the training data is traded on.

    Every set of limits and costs that is looked at is a trial, and goes into the ledger (bot4 trials).
    """
    place = open_workspace(workspace)
    _trade(live_config(config, place), place)


def _trade(chosen: ServeConfig, place: Workspace) -> None:
    """Trade, enter the trial into the ledger, and print what came of it."""
    from market.time import format_time
    from pipelines.commands.options import table
    from pipelines.ledger.backtests import backtest_trial
    from pipelines.ledger.record import failing, finish_trial, headline, returns_by_day
    from pipelines.ledger.store import Ledger
    from pipelines.paper import research, summarised
    from pipelines.report.view import performance_rows
    from pipelines.stages.environment import code_digest
    from serving.start import load_bundle

    bundle, ledger = load_bundle(chosen.model, place.store), Ledger.open(place)
    trial = backtest_trial(bundle, chosen, place, code_digest())
    ledger.begin(trial)
    with failing(ledger, trial):
        found = summarised(research(bundle, chosen, place), bundle, chosen)
        returns = returns_by_day(found.net.time, found.net.equity, float(chosen.trading.capital))
        finish_trial(ledger, trial, metrics=headline((), found), returns=returns, bundle=bundle.digest)
    begin, end = (format_time(int(found.net.time[at]) // 10**9 * 10**9) for at in (0, -1))
    typer.echo(f"{bundle.manifest.name}, bundle {bundle.digest[:12]}, from {begin} to {end}\n")
    typer.echo(table(("backtest", "after costs", "before costs"), performance_rows(found)))


def live_config(path: Path, workspace: Workspace) -> ServeConfig:
    """What to trade: a live process's configuration as it stands, or that of a training's newest finished run.

    Raises
    ------
    ConfigError
        If the file is neither.
    StageError
        If no run was made with this training configuration.
    """
    from pipelines.live import load_live
    from pipelines.toml import read_toml

    if "data" not in read_toml(path):  # every training has it, no live process does
        return load_live(path)
    from pipelines.config import load
    from pipelines.paper import serve_config
    from pipelines.runs import run_of

    config = load(path)
    run = run_of(config, workspace.runs)
    version = None if run.bundle is None else run.bundle.version
    return serve_config(config, run.run_id, version or 0)
