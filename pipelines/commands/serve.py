"""``bot4 serve``: run the trading loop with a promoted model."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from pipelines.commands.options import WORKSPACE, WorkspaceOption, command_app, open_workspace

if TYPE_CHECKING:
    from serving.loop import Served

app = command_app("Run the trading loop with a promoted model.")


@app.command(epilog="Example: bot4 serve conf/serve.toml, and in another terminal bot4 status")
def serve(
    config: Annotated[Path, typer.Argument(help="The live process's configuration (TOML).", metavar="CONF")],
    workspace: WorkspaceOption = WORKSPACE,
) -> None:
    """Trade a recorded stream of bars on paper, with the model an alias points to.

    Verifies the bundle byte for byte, checks its golden rows, catches up from its snapshot, then trades bar by bar.
    Ctrl-C stops in good order; the same command goes on from the journal.
    """
    import signal

    from pipelines.live import load_live
    from pipelines.tracking.by_hand import moved_by_hand_elsewhere
    from serving.start import Folders, bring_up

    place = open_workspace(workspace)
    chosen = load_live(config)
    asked: list[int] = []
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda got, _: asked.append(got))
    folders = Folders(place.store, place.lake, place.journals)
    if chosen.model.name and not chosen.model.alias.isdecimal():
        for sentence in moved_by_hand_elsewhere(place, chosen.model.name):
            typer.echo(sentence, err=True)
    loop, stream = bring_up(chosen, folders, lambda text: typer.echo(text, err=True))
    typer.echo("ready", err=True)
    typer.echo(said(loop.run(stream, lambda: bool(asked))))


def said(served: Served) -> str:
    """What a loop did, for people."""
    from market.events import MONEY

    end = "stopped" if served.stopped else "the stream ended"
    return (
        f"{end}: caught up on {served.caught_up:,} bars, traded on {served.traded:,}; so far"
        f" {served.signals:,} signals, {served.orders:,} orders, {served.fills:,} fills;"
        f" equity {served.equity / MONEY:,.2f}\n"
        f"journal: {served.journal}"
    )
