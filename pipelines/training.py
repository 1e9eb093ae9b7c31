"""A training from its configuration to a tracked, registered challenger with a report: what ``bot4 train`` does."""

from __future__ import annotations

from pathlib import Path

from pipelines.config import RunConfig
from pipelines.flows.console import keep_runs_off_the_terminal
from pipelines.flows.lifeline import server_ends_with_us
from pipelines.flows.train import Finished, train_flow
from pipelines.progress import Stage
from pipelines.workspace import Workspace


def train(config: RunConfig, folder: Path, workspace: Workspace, progress: Stage, command: str) -> Finished:
    """Train, register, trade the untouched stretch on paper, report, track: one Prefect flow.

    Parameters
    ----------
    folder
        The configuration file's.
    command
        As the user gave it, for the report.
    """
    keep_runs_off_the_terminal()
    server_ends_with_us()
    finished: Finished = train_flow(config.name, config, str(folder), workspace, progress, command)
    return finished
