"""The ``bot4`` command: one table of commands, each in a file of its own that is imported when it runs.

To add a command ``name``: write ``pipelines/commands/name.py`` with an ``app = typer.Typer(...)``, and give it a
row in `COMMANDS`. The row's summary is what ``bot4 --help`` shows, so that the listing imports nothing.

Expected errors (`pipelines.expected`) end in one paragraph on standard error and exit code 2; anything else is a
defect and shows its traceback, with exit code 1.
"""

from __future__ import annotations

import traceback
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from typing import Any, NamedTuple

import typer
from typer.core import TyperCommand, TyperGroup
from typer.main import get_command

from pipelines.expected import describe, expected_errors, of_the_machine


class Row(NamedTuple):
    """One command of the listing."""

    panel: str
    summary: str


RESEARCH, TRADING, LOOK = "Research", "Trading", "Looking"
COMMANDS: dict[str, Row] = {
    "demo": Row(RESEARCH, "The whole road on embedded data: train, certify, register, backtest, trade on paper."),
    "data": Row(RESEARCH, "Download, import, list and check market data."),
    "record": Row(RESEARCH, "Record a venue's live trades and order book, and turn recordings into bars."),
    "features": Row(RESEARCH, "List, show and plot features."),
    "train": Row(RESEARCH, "Train, certify, track and register an ensemble from a configuration."),
    "retrain": Row(
        RESEARCH, "Train a run again on what is new, if anything is: data, drift, challenger, gates, report."
    ),
    "deploy": Row(RESEARCH, "Register a retraining and its schedule with Prefect."),
    "tune": Row(RESEARCH, "Search a space of a training's configurations on its own purged folds."),
    "backtest": Row(RESEARCH, "Trade a registered model over history, after costs."),
    "models": Row(RESEARCH, "List, show, promote and roll back models."),
    "audit": Row(RESEARCH, "Look for leaks: does anything know what it cannot know yet?"),
    "trials": Row(RESEARCH, "List, show and verify the ledger of everything that was tried."),
    "serve": Row(TRADING, "Run the trading loop with a promoted model."),
    "status": Row(TRADING, "What the trading loop is doing."),
    "halt": Row(TRADING, "Stop trading now; positions stay under their stops."),
    "resume": Row(TRADING, "Let a halted trading loop trade again."),
    "replay": Row(TRADING, "Replay a journal and check that it gives the same state."),
    "ui": Row(LOOK, "Open the MLflow and Prefect UIs on the local stores."),
    "report": Row(LOOK, "Write a finished run's HTML report again."),
    "compare": Row(LOOK, "Compare finished runs: is one better, and where do they differ?"),
    "track": Row(LOOK, "Write a finished run to MLflow, if that failed when it ran."),
}
MODULES = "pipelines.commands"
FOLDER = Path(__file__).parent / "commands"


def load(name: str) -> Any:
    """Import a command's module and build it."""
    command = get_command(import_module(f"{MODULES}.{name}").app)
    command.name = name
    return command


class Commands(TyperGroup):
    """Lists commands from the table; imports one only to run it; turns expected errors into one paragraph."""

    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings)
        for name, row in COMMANDS.items():
            if (FOLDER / f"{name}.py").is_file():
                self.add_command(TyperCommand(name, help=row.summary, rich_help_panel=row.panel))

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """Replace the listed command with the real one."""
        name, _, rest = super().resolve_command(ctx, args)
        return (name, load(name) if name else None, rest)

    def invoke(self, ctx: Any) -> Any:
        """Run a command; see the module about errors."""
        try:
            return super().invoke(ctx)
        except expected_errors() as error:
            raise self._told(error, ctx) from None
        except OSError as error:
            if not of_the_machine(error):
                raise
            raise self._told(error, ctx) from None

    def _told(self, error: BaseException, ctx: Any) -> typer.Exit:
        """Say an error in one paragraph; what ends the command."""
        if ctx.params["debug"]:
            traceback.print_exc()
        typer.echo(f"{typer.style('error:', fg='red', bold=True)} {describe(error)}", err=True)
        return typer.Exit(2)


app = typer.Typer(
    cls=Commands,
    name="bot4",
    add_completion=False,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    epilog="Example: bot4 data list, then bot4 train conf/spot-15m.toml, then bot4 ui",
)


def _show_version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        typer.echo(f"bot4 {version('bot4')}")
        raise typer.Exit


@app.callback()
def options(
    debug: bool = typer.Option(False, "--debug", envvar="BOT4_DEBUG", help="Show tracebacks of expected errors too."),
    version: bool = typer.Option(False, "--version", callback=_show_version, is_eager=True, help="Show the version."),
) -> None:
    """From raw market data to orders on a venue: what runs live is bit for bit what was researched."""


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line; exits with its code."""
    get_command(app)(args=arguments, prog_name="bot4")
