"""``bot4 compare``: finished runs side by side, on the terminal and as one HTML page."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from pipelines.commands.options import WORKSPACE, WorkspaceOption, command_app, open_workspace, table

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pipelines.report.document import Document, Section

app = command_app("Compare finished runs: is one better, and where do they differ?")
FOLDER = "comparisons"


@app.command(epilog="Example: bot4 compare spot-15m@champion spot-15m@challenger")
def compare(
    runs: Annotated[
        list[str],
        typer.Argument(
            help="A run's id, latest, a name (its newest run), NAME:VERSION or NAME@ALIAS.", metavar="RUN..."
        ),
    ],
    html: Annotated[
        Path | None,
        typer.Option(help="Where to write the page; default: comparisons/ in the workspace.", dir_okay=False),
    ] = None,
    workspace: WorkspaceOption = WORKSPACE,
) -> None:
    """Compare two or more finished runs: paired tests on the rows that all predicted, then what differs.

    No run is called better unless the tests say so.
    """
    from pipelines.comparison.find import contenders
    from pipelines.report.comparison import comparison
    from pipelines.report.write import render_document, write_whole

    place = open_workspace(workspace)
    found = contenders(runs, place)
    page = comparison(found)
    path = html or place.root / FOLDER / f"{'-'.join(one.result.run_id for one in found)}.html"
    write_whole(path, render_document(page).encode())
    typer.echo("\n".join(lines(page)))
    typer.echo(f"\npage  {path}")


def lines(page: Document) -> Iterator[str]:
    """The page as plain text, without its figures."""
    yield page.headline
    for section in page.sections:
        if section.sentences or section.points or section.tables:
            yield from _section(section)


def _section(section: Section) -> Iterator[str]:
    yield from ("", typer.style(section.title, bold=True))
    yield from section.sentences
    yield from (f"- {point}" for point in section.points)
    for one in section.tables:
        yield from ("", table(one.headings, one.rows))
