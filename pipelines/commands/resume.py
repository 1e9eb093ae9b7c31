"""``bot4 resume``: let a halted trading loop trade again."""

from __future__ import annotations

from typing import Annotated

import typer

from pipelines.commands.options import WORKSPACE, WorkspaceOption, command_app

app = command_app("Let a halted trading loop trade again.")


@app.command(epilog="Example: bot4 resume demo-paper")
def resume(
    name: Annotated[str | None, typer.Argument(help="The live process; default: the only one.")] = None,
    workspace: WorkspaceOption = WORKSPACE,
) -> None:
    """Let a halted trading loop trade again."""
    from market.events import Control
    from pipelines.commands.control import ask

    ask(workspace, name, Control.RESUME)
