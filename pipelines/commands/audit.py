"""``bot4 audit``: whether anything in a pipeline knows what it cannot know yet."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from pipelines.commands.options import WORKSPACE, WorkspaceOption, command_app, open_workspace

if TYPE_CHECKING:
    from pipelines.audit.findings import Audit
    from pipelines.config import RunConfig
    from pipelines.progress import Stage
    from pipelines.workspace import Workspace

app = command_app("Look for leaks: change the future, the order and what is outside training windows.")
LEAKS = 3
"""The exit code of an audit that found a leak; 2 is that of one that could not be made, 1 a defect's."""


@app.command(
    epilog="Example: bot4 audit conf/spot-15m.toml, or bot4 audit conf/spot-15m.toml --full --json > audit.json"
)
def audit(
    config: Annotated[Path, typer.Argument(help="A training's configuration (TOML).", metavar="CONF")],
    full: Annotated[
        bool,
        typer.Option("--full", help="Fit, score and trade again in other worlds; every fold. Longer than a training."),
    ] = False,
    cuts: Annotated[
        int | None,
        typer.Option("--cuts", min=1, help="After how many moments the future is changed.", show_default="3 or 24"),
    ] = None,
    seed: Annotated[
        int | None,
        typer.Option("--seed", min=0, help="Draws the moments and changes.", show_default="the configuration's"),
    ] = None,
    pieces: Annotated[
        Path | None,
        typer.Option(
            "--pieces", help="Audit the list PIECES of this Python file, over the configuration's bars, instead."
        ),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the findings as JSON.")] = False,
    workspace: WorkspaceOption = WORKSPACE,
) -> None:
    """Change what must not matter, compute everything again, and name every column that noticed.

    The future: all bars after some moment are scaled, mirrored, permuted, flattened, cut off, and more. Whatever was
    known by then must keep its bytes: features, labels, weights, training rows, stacker, calibration and second stage,
    out-of-fold probabilities, orders and fills. The order: files in pieces, instruments the other way round. The
    training window: members are fitted again while everything outside it says something else. Splits must be purged,
    and no order may be filled on its signal's bar. Bytes are compared, so there is no tolerance to hide in.

    Every training does a sampled audit; with the same seed and cuts this command shows that one again. Without a
    training the first three folds are fitted here (with --full all). A column is "untouched" if no change reached it:
    of it nothing is shown.

    Your own feature, label, weight, splitter, model or trading function: wrap it as pipelines/audit/pieces.py shows,
    list it in PIECES, and give --pieces.

    Exit code: 0 if nothing leaks, 3 if something does, 2 if the audit cannot be made (an error and no table).
    """
    from pipelines.config import load
    from pipelines.progress import showing

    chosen, place = load(config), open_workspace(workspace)
    with showing(chosen.name) as progress:
        if pieces is not None:
            found = of_pieces(pieces, chosen, place, cuts, seed, progress)
        else:
            found = of_run(chosen, config.parent.resolve(), place, full, cuts, seed, progress)
    report(found, as_json)
    if not found.clean:
        raise typer.Exit(LEAKS)


def of_run(
    config: RunConfig, folder: Path, place: Workspace, full: bool, cuts: int | None, seed: int | None, progress: Stage
) -> Audit:
    """Audit a run's own pipeline."""
    from market.lake import Lake
    from models.blas import one_blas_thread
    from pipelines.audit.base import train_first
    from pipelines.audit.pipeline import needed_folds
    from pipelines.audit.stage import audit_job, load_audit
    from pipelines.stages import data
    from pipelines.stages.artefacts import Artefacts
    from pipelines.stages.foreseen import check_burn_in
    from pipelines.stages.windows import check_length

    parts = progress.plan({"run": 1.0, "audit": 2.0 if full else 1.0})
    lake, artefacts = Lake(place.lake), Artefacts(place.artefacts)
    instruments = data.instruments(config.data, str(folder))
    if config.data.source == "embedded":
        data.ingest_embedded(config.data, lake)
    facts = data.describe(config.data, lake)
    check_length(config, facts)
    check_burn_in(config, facts)
    with one_blas_thread():
        count = needed_folds(config.validation.folds, full, config.meta is not None)
        base = train_first(config, lake, instruments, count, artefacts, parts["run"])
        parts["run"].finish()
        found = load_audit(artefacts.make(audit_job(base, full, cuts, seed), parts["audit"]))
    parts["audit"].finish()
    return found


def of_pieces(
    path: Path, config: RunConfig, place: Workspace, cuts: int | None, seed: int | None, progress: Stage
) -> Audit:
    """Audit a user's pieces over the bars of a configuration, the untouched stretch left out."""
    from market.lake import Lake
    from pipelines.audit.audit import PIECE_CUTS, audit_pieces
    from pipelines.audit.files import load_pieces
    from pipelines.audit.world import World
    from pipelines.stages import data

    lake = Lake(place.lake)
    if config.data.source == "embedded":
        data.ingest_embedded(config.data, lake)
    facts, wanted = data.describe(config.data, lake), load_pieces(path)
    bars = [data.read_series(config.data, lake, symbol) for symbol in config.data.symbols]
    world = World(config.data.symbols, tuple(one[one["end"] <= facts.cut] for one in bars), config.data.interval_ns)
    chosen = config.seed if seed is None else seed
    return audit_pieces(wanted, world, PIECE_CUTS if cuts is None else cuts, chosen, progress)


def report(found: Audit, as_json: bool) -> None:
    """Print an audit: a table and its verdict, or JSON."""
    if as_json:
        import msgspec

        from pipelines.audit.text import document

        typer.echo(msgspec.json.format(msgspec.json.encode(document(found)), indent=1))
        return
    from pipelines.audit.text import HEADINGS, headline, rows, sentences
    from pipelines.commands.options import table

    typer.echo(table(HEADINGS, rows(found)))
    typer.echo("")
    for line in (*sentences(found), headline(found)):
        typer.echo(line)
