"""``bot4 halt``: stop trading now: working entries are cancelled, no new ones are sent."""

from __future__ import annotations

from typing import Annotated

import typer

from pipelines.commands.options import WORKSPACE, WorkspaceOption, command_app

app = command_app("Stop trading now: working entries are cancelled, no new ones are sent.")


@app.command(epilog="Example: bot4 halt demo-paper")
def halt(
    name: Annotated[str | None, typer.Argument(help="The live process; default: the only one.")] = None,
    workspace: WorkspaceOption = WORKSPACE,
) -> None:
    """Stop trading now: working entries are cancelled, no new ones are sent."""
    from market.events import Control
    from pipelines.commands.control import ask

    ask(workspace, name, Control.HALT)
