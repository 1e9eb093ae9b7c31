"""``bot4 report``: write a finished run's HTML report again."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from pipelines.commands.options import command_app

app = command_app("Write a finished run's HTML report again.")


@app.command(epilog="Example: bot4 report workspace/runs/20250101T120000-0a1b2c3d")
def report(
    run: Annotated[Path, typer.Argument(exists=True, file_okay=False, help="The run's folder.", metavar="RUN_FOLDER")],
    output: Annotated[Path | None, typer.Option(help="Where to write; default: report.html in the folder.")] = None,
) -> None:
    """Write the HTML report of a finished run again, from its result.json."""
    from pipelines.report.write import write_report
    from pipelines.results import REPORT_FILE, RunResult
    from pipelines.verdict import verdict

    result = RunResult.load(run)
    path = write_report(result, output or run / REPORT_FILE)
    typer.echo(f"{verdict(result).headline}\n{path}")
