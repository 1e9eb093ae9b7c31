"""What ``bot4 status``, ``halt`` and ``resume`` share: finding the live process and asking it for something."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from pipelines.commands.options import open_workspace
from pipelines.errors import PipelineError

if TYPE_CHECKING:
    from market.events import Control

PATIENCE = 5.0
"""Seconds a request waits to be obeyed before the command says that nothing answered."""


def find_status(workspace: Path, name: str | None) -> Path:
    """The status block of the live process of this name, or of the only one there is.

    Raises
    ------
    PipelineError
        If there is none, or several and no name was given.
    """
    place = open_workspace(workspace)
    if name is not None:
        return place.status(name)
    found = sorted(place.journals.glob("*.status"))
    if len(found) == 1:
        return found[0]
    names = ", ".join(path.stem for path in found)
    if found:
        raise PipelineError(f"there are {len(found)} live processes' status blocks ({names}): name one")
    raise PipelineError(f"no live process has run in {place.root}: start one with `bot4 serve CONF`")


def ask(workspace: Path, name: str | None, control: Control) -> None:
    """Ask the live process for something and wait until it obeyed.

    Raises
    ------
    PipelineError
        If no process runs there, or it did not obey in time.
    """
    from serving.status import is_alive, read_status, request

    path = find_status(workspace, name)
    if not is_alive(read_status(path)):
        raise PipelineError(f"the live process of {path.stem} is not running, so there is nothing to ask")
    asked = request(path, control)
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        status = read_status(path)
        if status["obeyed"] >= asked:
            typer.echo(f"{path.stem}: {control.name.lower()} obeyed")
            return
        if not is_alive(status):
            raise PipelineError(f"the live process of {path.stem} ended before it obeyed")
        time.sleep(0.02)
    raise PipelineError(f"{path.stem} has not obeyed within {PATIENCE:.0f} s: look at its heartbeat with `bot4 status`")
