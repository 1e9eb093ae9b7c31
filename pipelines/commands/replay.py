"""``bot4 replay``: replay a journal and check that it gives the same decisions and the same state."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from pipelines.commands.options import command_app

app = command_app("Replay a journal and check that it gives the same state.")


@app.command(epilog="Example: bot4 replay workspace/journals/demo")
def replay(
    journal: Annotated[Path, typer.Argument(help="The journal's folder.", metavar="JOURNAL")],
    state: Annotated[Path | None, typer.Option(help="Write the state's bytes to this file.", dir_okay=False)] = None,
) -> None:
    """Feed the core with a journal's inputs; every decision and every digest must come out as written."""
    import hashlib

    from market.events import MONEY
    from trading.replay import replay as replayed

    found = replayed(journal)
    content = found.state.to_bytes()
    if state is not None:
        state.write_bytes(content)
    core = found.state.core[0]
    typer.echo(
        f"{len(found.content.events):,} records: {found.inputs:,} inputs led to the same {found.decisions:,} decisions;"
        f" {found.digests} state digests confirmed\n"
        f"equity {int(core['equity']) / MONEY:,.2f}, {int((found.state.books['position'] != 0).sum())} open positions,"
        f" {int(core['fills']):,} fills\n"
        f"state sha256 {hashlib.sha256(content).hexdigest()}"
    )
