"""``bot4 features``: what can be computed from bars, feature by feature, and what it looks like."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from pipelines.catalogue.kinds import Kind
from pipelines.commands.options import (
    WORKSPACE,
    LakeOption,
    WorkspaceOption,
    command_app,
    json_text,
    open_workspace,
    table,
)

if TYPE_CHECKING:
    from pipelines.catalogue.entries import Entry

app = command_app("List, show and plot features; write their page of the manual.")

MOST = 20
"""Features in one figure."""
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
    from pipelines.catalogue.text import constants, disabled_by, facts, plain, sources, steps, whole, wrapped

    one = choose(_entries(file), name)
    if json:
        code = {"steps": steps(one.feature), "kernels": sources(one.feature), "constants": constants(one.feature)}
        typer.echo(json_text(plain(one) | {"disabled_by": disabled_by(one)} | code))
        return
    typer.echo(whole(one, table(("", ""), wrapped(facts(one))).lstrip("\n")))


@app.command(
    epilog="Example: bot4 features plot rsi_14 adx_14 --on BTCUSDT --interval 15m --from 2025-06-01 --to 2025-07-01"
)
def plot(
    names: Annotated[list[str], typer.Argument(help="Features by name, drawn in this order.", metavar="NAME...")],
    on: Annotated[str, typer.Option(help="The instrument, as `bot4 data list` names it.", metavar="SYMBOL")],
    venue: Annotated[str | None, typer.Option(help="Its venue, if the lake has it of several.")] = None,
    interval: Annotated[str | None, typer.Option(help="Its bars' interval, if the lake has several.")] = None,
    from_: Annotated[str | None, typer.Option("--from", help="First time shown (ISO 8601, UTC).")] = None,
    to: Annotated[str | None, typer.Option("--to", help="Time before which all shown bars start.")] = None,
    panel: Annotated[
        str | None,
        typer.Option(help="The other instruments, for features that compare.", metavar="SYMBOL,SYMBOL"),
    ] = None,
    fit_share: Annotated[float, typer.Option(help="Fit fitted features on this first part of what is shown.")] = 0.5,
    out: Annotated[
        Path | None,
        typer.Option(dir_okay=False, help="A .png or .html file; both without ending. Default: named after it all."),
    ] = None,
    file: Files = None,
    lake: LakeOption = None,
    workspace: WorkspaceOption = WORKSPACE,
) -> None:
    """Draw the price and features of it over bars of the lake, and say in numbers what the values are like.

    The values are the engine's. It begins with the lake's first bar, or the first that has the fields it reads.

    Features that must be fitted are fitted on the first part of what is shown; that part is shaded.
    """
    from features.plugins import extended_catalogue
    from market.lake import Lake
    from market.time import parse_time
    from pipelines.catalogue.entries import choose, entries
    from pipelines.catalogue.series import find_series, show_series
    from pipelines.catalogue.summary import HEADINGS, summaries
    from pipelines.errors import ConfigError
    from pipelines.report.feature_plot import said, targets, write_plot

    catalogue = extended_catalogue(file or ())
    known = entries(catalogue)
    chosen = [choose(known, name) for name in names]
    if len(chosen) > MOST:
        raise ConfigError(f"{len(chosen)} features are too many for one figure; draw at most {MOST}")
    start, stop = (None if text is None else parse_time(text) for text in (from_, to))
    others = [one.strip() for one in panel.split(",") if one.strip()] if panel else []
    paths = targets(out or Path(f"{names[0] if len(names) == 1 else 'features'}-{on}"))
    stored = Lake(lake or open_workspace(workspace).lake)
    key = find_series(stored, on, venue, interval)
    shown = show_series(stored, key, names, catalogue, start, stop, others, fit_share)
    write_plot(shown, chosen, paths)
    typer.echo("\n".join([*said(shown), "", table(HEADINGS, [one.row for one in summaries(shown)]), ""]))
    for path in paths:
        typer.echo(f"wrote {path}")


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
