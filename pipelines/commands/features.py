"""``bot4 features``: what can be computed from bars, feature by feature, and what it looks like."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from pipelines.catalogue.kinds import Kind
from pipelines.commands.options import command_app, json_text, table

if TYPE_CHECKING:
    from pipelines.catalogue.entries import Entry

app = command_app("List, show and plot features; write their page of the manual.")

Files = Annotated[
    list[Path] | None,
    typer.Option("--file", exists=True, dir_okay=False, help="A file of features of your own (FEATURES); repeat it."),
]


def _entries(files: list[Path] | None) -> dict[str, Entry]:
    """The house's features, those of installed packages, and those of files."""
    from features.plugins import extended_catalogue
    from pipelines.catalogue.entries import entries

    return entries(extended_catalogue(files or ()))


@app.command("list", epilog="Example: bot4 features list --group volatility, or: --needs taker_buy_volume --kind cheap")
def list_(
    group: Annotated[str | None, typer.Option(help="Only this group's: returns, trend, volatility, ...")] = None,
    needs: Annotated[
        list[str] | None, typer.Option(help="Only those that read this bar field; repeat it.", metavar="FIELD")
    ] = None,
    search: Annotated[
        str | None, typer.Option(help="Only those with this text in name, formula, unit or source.", metavar="TEXT")
    ] = None,
    kind: Annotated[
        Kind | None,
        typer.Option(help="Only of this kind; a feature may be of several."),
    ] = None,
    file: Files = None,
    json: Annotated[bool, typer.Option("--json", help="One JSON array, with whole formulas.")] = False,
) -> None:
    """List features: unit, bars until it is defined, bars it remembers, bar fields it reads, cost of a bar, formula.

    Cheap features cost a few operations a bar; for others it says what was measured.
    """
    from pipelines.catalogue.entries import selected
    from pipelines.catalogue.text import HEADINGS, line, plain

    found = _entries(file)
    chosen = selected(found, group, needs or (), search, kind)
    if json:
        typer.echo(json_text([plain(one) for one in chosen]))
        return
    if chosen:
        typer.echo(table(HEADINGS, [line(one) for one in chosen]))
    typer.echo(f"\n{len(chosen):,} of {len(found):,} features" if chosen else "no feature fits")


@app.command(epilog="Example: bot4 features show rsi_14")
def show(
    name: Annotated[str, typer.Argument(help="A feature's name.", metavar="NAME")],
    file: Files = None,
    json: Annotated[bool, typer.Option("--json", help="As JSON.")] = False,
) -> None:
    """Show everything about one feature: formula, source, warm-up, memory, cost, what disables it, steps, kernels.

    A kernel's text is what is compiled for research and live alike, and what a model's digest covers.
    """
    from pipelines.catalogue.entries import choose
    from pipelines.catalogue.text import constants, disabled_by, facts, plain, sources, steps, whole

    one = choose(_entries(file), name)
    if json:
        code = {"steps": steps(one.feature), "kernels": sources(one.feature), "constants": constants(one.feature)}
        typer.echo(json_text(plain(one) | {"disabled_by": disabled_by(one)} | code))
        return
    typer.echo(whole(one, table(("", ""), facts(one)).lstrip("\n")))


@app.command(epilog="Example: bot4 features page --out docs/features.md")
def page(
    out: Annotated[Path | None, typer.Option(dir_okay=False, help="The file; default: print it.")] = None,
) -> None:
    """Write the page of the manual that lists every feature of the house."""
    from pipelines.catalogue.page import page as written

    text = written()
    if out is None:
        typer.echo(text, nl=False)
        return
    from pipelines.report.write import write_whole

    typer.echo(f"wrote {write_whole(out, text.encode())}")
