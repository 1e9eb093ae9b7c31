"""``bot4 status``: what a trading loop is doing, from its status block."""

from __future__ import annotations

from typing import Annotated

import typer

from pipelines.commands.options import WORKSPACE, WorkspaceOption, command_app, table

app = command_app("What the trading loop is doing.")
STATES = {0: "HALTED", 1: "ACTIVE", 2: "REDUCING"}


@app.command(epilog="Example: bot4 status demo-paper")
def status(
    name: Annotated[str | None, typer.Argument(help="The live process; default: the only one.")] = None,
    workspace: WorkspaceOption = WORKSPACE,
) -> None:
    """Show what a trading loop is doing: state, counters, cash and equity."""
    from market.events import MONEY
    from market.time import format_time
    from pipelines.commands.control import find_status
    from serving.status import is_alive, read_status

    path = find_status(workspace, name)
    found = read_status(path)
    running = "running" if is_alive(found) else ("finished" if found["finished"] else "not running: it died")
    rows = [
        ("process", f"{path.stem}, pid {found['pid']}, {running}"),
        ("state", STATES.get(found["trading_state"], str(found["trading_state"]))),
        ("last event", format_time(found["last_event"]) if found["last_event"] else "none yet"),
        ("heartbeat", format_time(found["heartbeat"])),
        *[(key.replace("_", " "), f"{found[key]:,}") for key in COUNTERS],
        *[(key, f"{found[key] / MONEY:,.2f}") for key in ("cash", "equity")],
    ]
    typer.echo(table(("", ""), rows).lstrip("\n"))


COUNTERS = ("bars", "signals", "orders", "fills", "denials", "open_positions", "records")
