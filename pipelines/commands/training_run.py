"""What ``bot4 train`` and ``bot4 demo`` share: the run under a progress display, and its summary."""

from __future__ import annotations

from pathlib import Path

import typer

from pipelines.config import load
from pipelines.prefect_settings import configure
from pipelines.results import RunResult
from pipelines.workspace import Workspace


def run(path: Path, workspace: Workspace, command: str) -> None:
    """Train a configuration and say what came of it."""
    config = load(path)
    configure(workspace)
    from pipelines.progress import showing
    from pipelines.training import train

    with showing(config.name) as progress:
        finished = train(config, path.parent.resolve(), workspace, progress, command)
    typer.echo(summary(finished.result))
    root = "" if workspace == Workspace.default() else f" --workspace {workspace.root}"
    typer.echo(f"\nreport      {finished.report}")
    typer.echo(f"experiments bot4 ui{root}")
    typer.echo(f"the model   bot4 models show {config.name} challenger{root}")
    typer.echo(f"live paper  bot4 serve {finished.serve}{root}")
    typer.echo(f"the journal bot4 replay {workspace.journals / finished.result.run_id}")


def summary(result: RunResult) -> str:
    """The verdict, every predictor, the backtest, the laboratory and the parity, on a terminal."""
    from pipelines.audit.text import headline
    from pipelines.commands.options import table
    from pipelines.report.laboratory import laboratory_lines
    from pipelines.report.view import performance_rows
    from pipelines.verdict import interval, verdict

    said = verdict(result)
    rows = [
        (one.name, *[interval(one.scores[metric], digits) for metric, digits in (("auc", 3), ("information_gain", 5))])
        for one in result.predictors
    ]
    leaks = [] if result.audit is None or result.audit.clean else [headline(result.audit), ""]
    lines = [
        *leaks,
        said.headline,
        "",
        *said.sentences,
        "",
        table(("out of fold", "AUC", "information gain, nats"), rows),
    ]
    if result.backtest is not None:
        lines += ["", table(("backtest", "after costs", "before costs"), performance_rows(result.backtest))]
    lines += ["", table(("laboratory", ""), laboratory_lines(result))]
    if result.paper is not None:
        rows = [(one.what, f"{one.equal:,}", f"{one.rows:,}") for one in result.paper.parity]
        lines += ["", table(("live on paper", "equal in every byte", "of"), rows)]
    stages = ", ".join(f"{one.name} {one.seconds:.0f} s{' (cached)' if one.cached else ''}" for one in result.stages)
    return "\n".join([*lines, "", f"stages: {stages}"])
