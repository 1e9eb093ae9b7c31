"""``bot4 tune``: search a space of a training's configurations on its own purged folds."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from pipelines.commands.options import WORKSPACE, WorkspaceOption, command_app, open_workspace, table

if TYPE_CHECKING:
    from pipelines.tuning.tune import Tuned

app = command_app("Search a space of a training's configurations on its own purged folds.")


@app.command(epilog="Example: bot4 tune conf/tune-spot-15m.toml --trials 40 --jobs 2")
def tune(
    config: Annotated[Path, typer.Argument(help="The study's configuration (TOML).", metavar="CONF")],
    trials: Annotated[
        int | None, typer.Option(help="How many trials are to have ended in all; else as the file says.", min=1)
    ] = None,
    jobs: Annotated[int | None, typer.Option(help="Processes side by side; else as the file says.", min=1)] = None,
    cluster: Annotated[
        str | None,
        typer.Option(
            help="A Dask scheduler whose workers try the trials, such as tcp://scheduler:8786; else as the file says. "
            "Needs the extra 'cluster' (make setup-cluster).",
            metavar="ADDRESS",
        ),
    ] = None,
    workspace: WorkspaceOption = WORKSPACE,
) -> None:
    """Try configurations of a training, and write the best one as a training's configuration.

    The file names the training it starts from, says in its table `tuning` how the study goes, and gives in its table
    `space` every searched key as { low, high, log, step } or { values }:

      name = "spot-15m-trees"
      training = "spot-15m.toml"
      tuning.trials = 40
      space."members.lightgbm.learning_rate" = { low = 0.01, high = 0.1, log = true }

    Each trial runs the training's own purged folds, forward in time, and is judged by the log loss out of fold; one
    that loses to the best so far, fold by fold, is stopped early. The untouched last stretch stays untouched.

    Every trial is in the ledger (bot4 trials --kind optuna), stopped and failed ones too, and counts in every verdict
    on the same data; each is a nested run in MLflow.

    Run it again after a stop, a crash or a kill and it goes on to the same number of trials. With one job the same
    seed gives the same trials, however often it was stopped; with several, which trial knows of which depends on their
    timing, and latency is measured while others compute.

    Over machines: `dask scheduler` on one, `dask worker tcp://scheduler:8786 --nworkers 4 --nthreads 1` on each, and
    --cluster tcp://scheduler:8786 here. Each worker must run the same code and libraries and have the same bars in its
    workspace ($BOT4_WORKSPACE there, else this one's path); this is checked before anything is tried. Machines share a
    PostgreSQL database for the study (BOT4_STUDIES_URL) and one for the ledger (BOT4_LEDGER_URL).
    """
    import os

    import msgspec

    from pipelines.errors import ConfigError
    from pipelines.prefect_settings import configure
    from pipelines.progress import showing
    from pipelines.tuning.config import load_study

    study, place = load_study(config, os.environ), open_workspace(workspace)
    told = {
        key: value for key, value in (("trials", trials), ("jobs", jobs), ("cluster", cluster)) if value is not None
    }
    try:
        study = msgspec.structs.replace(study, tuning=msgspec.structs.replace(study.tuning, **told))
    except ValueError as error:
        raise ConfigError(str(error)) from None
    configure(place)
    from pipelines.tuning.tune import tune as run

    with showing(study.name) as progress:
        found = run(study, place, progress)
    typer.echo(summary(found))
    for note in found.notes:
        typer.echo(f"note: {note}")
    _say_next(found, workspace)


def summary(found: Tuned) -> str:
    """The best trials, what they are worth, and what is to be done with them."""
    from pipelines.tuning.text import sentences, trial_lines

    headings, rows = trial_lines(found.summary)
    again = f"Broken off before and tried again: {found.recovered}." if found.recovered else ""
    return "\n".join([table(headings, rows), "", *sentences(found.summary), *([again] if again else [])])


def _say_next(found: Tuned, workspace: Path) -> None:
    from pipelines.errors import PipelineError
    from pipelines.workspace import Workspace

    place = open_workspace(workspace)
    root = "" if place == Workspace.default() else f" --workspace {place.root}"
    typer.echo("")
    for number, path in found.winners.items():
        typer.echo(f"{f'trial {number}' if found.summary.front else 'train it':<11} bot4 train {path}{root}")
    typer.echo(f"figures     {found.folder / 'figures'}")
    typer.echo(f"experiments bot4 ui{root}")
    if found.untracked:
        raise PipelineError(
            f"MLflow at {place.mlflow_uri} did not take the study: {found.untracked}. Nothing is lost: trials, ledger "
            "and winner are kept. When it answers again, run the same command: it writes what is missing"
        )
