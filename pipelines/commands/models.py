"""``bot4 models``: list, show, promote and roll back models in the model store."""

from __future__ import annotations

import getpass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from pipelines.commands.options import WORKSPACE, WorkspaceOption, command_app, open_workspace, table
from pipelines.errors import StageError

if TYPE_CHECKING:
    from models.bundle.manifest import Manifest
    from models.bundle.store import AliasRecord, ModelStore
    from pipelines.workspace import Workspace

app = command_app("List, show, promote and roll back models; print their cards.")

Name = Annotated[str, typer.Argument(help="The model.")]
Reference = Annotated[str, typer.Argument(help="A version number or an alias.", metavar="VERSION")]
ToOption = Annotated[str, typer.Option("--to", help="challenger or champion.")]


def _store(workspace: Workspace) -> ModelStore:
    from models.bundle.store import ModelStore

    return ModelStore(workspace.store)


@app.command("list", epilog="Example: bot4 models list")
def list_(workspace: WorkspaceOption = WORKSPACE) -> None:
    """List every version of every model, with its aliases."""
    from market.time import format_time

    place = open_workspace(workspace)
    store = _store(place)
    rows = []
    for name in store.names():
        aliases = store.aliases(name)
        for one in store.versions(name):
            marks = " ".join(f"@{alias}" for alias, record in aliases.items() if record.version == one.version)
            rows.append((name, str(one.version), one.digest[:12], format_time(one.put // 10**9 * 10**9), marks))
    if not rows:
        typer.echo(f"the model store {place.store} is empty: train a model with `bot4 train` or `bot4 demo`")
        return
    typer.echo(table(("model", "version", "bundle", "stored", "aliases"), rows))
    for name in store.names():
        _tell_moved(place, name)


@app.command(epilog="Example: bot4 models show spot-15m champion")
def show(name: Name, version: Reference, workspace: WorkspaceOption = WORKSPACE) -> None:
    """Show one version: what it is, what it was trained on, its certificate, and the history of its aliases."""
    from market.time import format_time
    from models.bundle.names import reference
    from pipelines.report.view import flattened, latency_text
    from pipelines.results import Latency

    store = _store(open_workspace(workspace))
    bundle = store.resolve(name, reference(version))
    manifest = bundle.manifest
    training = manifest.training
    facts = {
        "bundle": bundle.digest,
        "folder": str(bundle.folder),
        "members": ", ".join(member.name for member in manifest.members),
        "instruments": ", ".join(sorted(training.fingerprints)),
        "features": f"{len(manifest.features.names)} of {manifest.features.bars_name} bars",
        "decides": decides(manifest),
        "trained": f"{format_time(training.start)} to {format_time(training.trained_through)}",
        "rows": f"{training.rows:,} (effectively {training.effective_rows:,.0f})",
        "trials": str(training.trials),
        "configuration": training.config_digest,
        "graph": f"{len(bundle.model):,} bytes",
        "latency": latency_text(Latency.attested(bundle.attestation)),
    }
    certificate = {f"certificate.{key}": value for key, value in flattened(manifest.certificate)}
    typer.echo(table(("", ""), [*facts.items(), *certificate.items()]).lstrip("\n"))
    for record in store.history(name):
        if record.digest == bundle.digest:
            typer.echo(_history_line(record))


def decides(manifest: Manifest) -> str:
    """Where a model makes decisions, in words."""
    words = f"where {manifest.features.events} is not 0" if manifest.features.events else "at every bar"
    held = manifest.conformal is not None and manifest.conformal.one_sided
    return f"{words}, if the prediction set holds one side" if held else words


def _history_line(record: AliasRecord) -> str:
    from market.time import format_time

    failed = [verdict.gate for verdict in record.verdicts if not verdict.passed]
    note = f"; overruled {', '.join(failed)}: {record.override}" if failed else ""
    return f"{format_time(record.at // 10**9 * 10**9)}  {record.action} to @{record.alias} by {record.person}{note}"


@app.command(epilog="Example: bot4 models card spot-15m champion --html card.html")
def card(
    name: Name,
    version: Reference,
    html: Annotated[Path | None, typer.Option(help="Also write the card as one HTML file.", dir_okay=False)] = None,
    workspace: WorkspaceOption = WORKSPACE,
) -> None:
    """Print a version's card as Markdown: what is known of it, its limits, and what it was made from."""
    from models.bundle.names import reference
    from pipelines.gates import find_result
    from pipelines.report.card import card as card_of
    from pipelines.report.markdown import markdown
    from pipelines.report.write import render_document, write_whole

    place = open_workspace(workspace)
    store = _store(place)
    bundle = store.resolve(name, reference(version))
    result = find_result(place.runs, bundle.digest)
    if result is None:
        raise StageError(
            f"no run in {place.runs} made bundle {bundle.digest[:12]}, so there is nothing to make a card of: show the "
            f"bundle itself with `bot4 models show {name} {version}`, or bring the run's folder here"
        )
    found = card_of(result, store.history(name))
    typer.echo(markdown(found))
    if html is not None:
        write_whole(html, render_document(found).encode())


@app.command(epilog='Example: bot4 models promote spot-15m challenger --to champion --override "paper trial"')
def promote(
    name: Name,
    version: Reference,
    to: ToOption = "champion",
    gates: Annotated[
        Path | None, typer.Option(dir_okay=False, help="The gates' thresholds (TOML); default: the house's.")
    ] = None,
    override: Annotated[str | None, typer.Option(help="Promote although gates failed, for this reason.")] = None,
    person: Annotated[str | None, typer.Option(help="Who promotes; default: the user of this process.")] = None,
    workspace: WorkspaceOption = WORKSPACE,
) -> None:
    """Run the gates of an alias over a version, and point the alias to it if they pass.

    Refusal is the default. Verdicts, person and reason are recorded with the alias. Serving follows the store.
    """
    from models.bundle.names import reference
    from pipelines.gates import load_gates
    from pipelines.gates.text import verdict_table
    from pipelines.promotion import judge
    from pipelines.promotion import promote as move

    place = open_workspace(workspace)
    judged = judge(place, name, reference(version), to, load_gates(gates))
    typer.echo(verdict_table(judged.verdicts))
    _tell_moved(place, name)
    record = move(place, judged, person or getpass.getuser(), override)
    typer.echo(_moved_line(record, _store(place)))
    _mirror(place, record)


def _moved_line(record: AliasRecord, store: ModelStore) -> str:
    """Where a promotion left its alias, and whether it was there already."""
    from market.time import format_time

    now = f"{record.name} @{record.alias} is version {record.version}"
    for one in store.history(record.name):
        if (one.alias, one.change, one.digest) == (record.alias, record.change - 1, record.digest):
            moment = format_time(one.at // 10**9 * 10**9)
            return f"{now}, as before ({one.action} by {one.person}, {moment}): recorded again, nothing moved"
    return now


@app.command(epilog="Example: bot4 models rollback spot-15m --to champion")
def rollback(name: Name, to: ToOption = "champion", workspace: WorkspaceOption = WORKSPACE) -> None:
    """Point an alias at the version before; again, and it goes one further back."""
    place = open_workspace(workspace)
    _tell_moved(place, name)
    record = _store(place).rollback(name, to)
    typer.echo(f"{name} @{to} is version {record.version} again")
    _mirror(place, record)


def _tell_moved(workspace: Workspace, name: str) -> None:
    """Say what MLflow shows otherwise than the store has it."""
    from pipelines.tracking.by_hand import moved_by_hand

    for sentence in moved_by_hand(workspace, name):
        typer.echo(typer.style(sentence, fg="yellow"), err=True)


def _mirror(workspace: Workspace, record: AliasRecord) -> None:
    """Let MLflow's registry show the alias too; the store has decided already, so a failure here is only told."""
    from pipelines.tracking.mirror import mirror

    typer.echo(mirror(workspace, record.name, record.digest, record.alias))
