"""``bot4 trials``: the ledger of everything that was tried, and on which data."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from pipelines.commands.options import WORKSPACE, WorkspaceOption, json_text, open_workspace, table

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pipelines.ledger.chain import Verification
    from pipelines.ledger.store import Ledger
    from pipelines.ledger.trial import Entry

EXAMPLE = "Example: bot4 trials --symbol BTCUSDT --since 2025-01-01, then bot4 trials show 5f0c"
app = typer.Typer(
    help="List, show and verify the ledger of trials.",
    add_completion=False,
    pretty_exceptions_enable=False,
    epilog=EXAMPLE,
)
METRICS = ("information_gain", "net_sharpe", "value")
"""What the listing shows of a trial's metrics."""


@app.callback(invoke_without_command=True, epilog=EXAMPLE)
def list_(
    context: typer.Context,
    symbol: Annotated[str | None, typer.Option(help="Only trials that touched this instrument.")] = None,
    since: Annotated[str | None, typer.Option(help="Only trials begun at or after this time (ISO 8601, UTC).")] = None,
    name: Annotated[str | None, typer.Option(help="Only this configuration's; * stands for anything.")] = None,
    kind: Annotated[
        str | None, typer.Option(help="Only this kind: manual, backtest, optuna, cross-validation, ...")
    ] = None,
    overlapping: Annotated[
        str | None, typer.Option(help="Only trials that count against this run (or trial).", metavar="RUN")
    ] = None,
    by_asset: Annotated[
        bool, typer.Option("--by-asset", help="With --overlapping: count a base asset's instruments together.")
    ] = False,
    limit: Annotated[int, typer.Option(help="How many of the newest to list; 0 lists all.", min=0)] = 50,
    json: Annotated[bool, typer.Option("--json", help="One JSON array of trials, without their returns.")] = False,
    workspace: WorkspaceOption = WORKSPACE,
) -> None:
    """List what was tried, the newest first: trainings, backtests, recorded studies and cross-validations, finished or
    not.

    Trainings, backtests and `bot4 tune` record themselves; a study of one's own and a cross-validation do when they are
    run through pipelines.ledger (study.StudyRecorder, cross_validation.cross_validation). What is tried past the ledger
    is not counted.

    Trials that touched the same instrument at an overlapping time count together in every verdict.

    The ledger is BOT4_LEDGER_URL, else the SQL database of MLFLOW_TRACKING_URI, else trials.db in the workspace.
    """
    if context.invoked_subcommand is not None:
        _refuse_options(context)
        return
    from pipelines.ledger.store import choose

    ledger = _ledger(workspace)
    everything = ledger.entries()
    found = everything
    if overlapping is not None:
        from pipelines.ledger.count import overlapping as touching

        judged = choose(everything, overlapping, ledger.label).trial.touched
        found = touching(everything, judged, "asset" if by_asset else "instrument")
    elif by_asset:
        raise typer.BadParameter("--by-asset says how --overlapping counts; name a run with --overlapping RUN")
    chosen = _filtered(found, symbol, since, name, kind)
    shown = chosen[::-1][: limit or None]
    if json:
        typer.echo(json_text([_plain(one) for one in shown]))
    elif not everything:
        typer.echo(f"the ledger {ledger.label} is empty: `bot4 train` records its trials by itself")
    else:
        typer.echo(_listing(shown) if shown else "no trial fits")
        typer.echo(_footer(chosen, shown, len(everything), ledger.label))


def _refuse_options(context: typer.Context) -> None:
    """Options before ``show`` or ``verify`` are the listing's, and would be ignored in silence."""
    for name in context.params:
        source = context.get_parameter_source(name)
        if source is not None and source.name == "COMMANDLINE":
            option, word = f"--{name.replace('_', '-')}", context.invoked_subcommand
            raise typer.BadParameter(f"{option} stands before {word!r}: write `bot4 trials {word} … {option} …`")


def _ledger(workspace: Any) -> Ledger:
    from pipelines.ledger.store import Ledger

    ledger = Ledger.open(open_workspace(workspace))
    if ledger.note:
        typer.echo(f"note: {ledger.note}", err=True)
    return ledger


def _filtered(
    entries: Sequence[Entry], symbol: str | None, since: str | None, name: str | None, kind: str | None
) -> list[Entry]:
    from fnmatch import fnmatchcase

    from market.time import parse_time

    moment = None if since is None else parse_time(since)
    return [
        one
        for one in entries
        if (symbol is None or any(span.symbol.upper() == symbol.upper() for span in one.trial.touched))
        and (moment is None or one.trial.created >= moment)
        and (name is None or fnmatchcase(one.trial.name, name))
        and (kind is None or one.trial.kind == kind)
    ]


def _listing(entries: Sequence[Entry]) -> str:
    headings = ("when", "who", "kind", "name", "trial", "what", "instruments", "data", "status", "metrics")
    return table(headings, [_line(one) for one in entries])


def _line(one: Entry) -> tuple[str, ...]:
    trial = one.trial
    symbols = list(dict.fromkeys(span.symbol for span in trial.touched))
    more = f" +{len(symbols) - 3}" if len(symbols) > 3 else ""
    start, stop = min(span.start for span in trial.touched), max(span.stop for span in trial.touched)
    return (
        _second(trial.created),
        trial.person,
        trial.kind,
        trial.name,
        trial.id[:8],
        trial.identity[:8],
        " ".join(symbols[:3]) + more,
        f"{_second(start)[:10]} to {_second(stop)[:10]}",
        one.status,
        " ".join(f"{name} {value:.4g}" for name in METRICS if (value := one.metric(name)) is not None),
    )


def _footer(chosen: Sequence[Entry], shown: Sequence[Entry], total: int, label: str) -> str:
    from pipelines.ledger.count import distinct

    trials = len(distinct(chosen))
    cut = f"; the newest {len(shown)} are listed (--limit 0 lists all)" if len(shown) < len(chosen) else ""
    records = f"{len(chosen):,} of {total:,} records, {trials:,} different {'trial' if trials == 1 else 'trials'}"
    return f"\n{records}{cut}. Ledger: {label}"


def _second(time: int) -> str:
    from market.time import format_time

    return format_time(time // 10**9 * 10**9)


def _plain(one: Entry) -> dict[str, Any]:
    import msgspec

    found = msgspec.to_builtins(one)
    found |= {"identity": one.trial.identity, "status": one.status, "run": one.run}
    if found["outcome"] is not None:
        del found["outcome"]["returns"]
    return found  # type: ignore[no-any-return]


@app.command(epilog="Example: bot4 trials show 5f0c2a91")
def show(
    trial: Annotated[str, typer.Argument(help="A trial's id, or a run's; the beginning is enough.")],
    json: Annotated[bool, typer.Option("--json", help="As JSON, with the returns.")] = False,
    workspace: WorkspaceOption = WORKSPACE,
) -> None:
    """Show one trial whole, and how many count against it."""
    from pipelines.ledger.count import distinct, overlapping
    from pipelines.ledger.store import choose

    ledger = _ledger(workspace)
    entries = ledger.entries()
    one = choose(entries, trial, ledger.label)
    if json:
        import msgspec

        typer.echo(json_text(_plain(one) | {"returns": msgspec.to_builtins(one.returns)}))
        return
    touching = overlapping(entries, one.trial.touched)
    same = sum(other.trial.identity == one.trial.identity for other in entries)
    rows = [*_facts(one), ("records of this trial", str(same)), ("trials on this data", str(len(distinct(touching))))]
    typer.echo(table(("", ""), rows).lstrip("\n"))


def _facts(one: Entry) -> list[tuple[str, str]]:
    trial = one.trial
    rows = [
        ("trial", trial.id),
        ("begun", f"{_second(trial.created)} by {trial.person}"),
        ("status", one.status),
        ("kind", trial.kind),
        ("name", trial.name),
        ("run", one.run),
        ("note", "; ".join(text for text in (trial.note, one.outcome.note if one.outcome else "") if text)),
        ("identity", trial.identity),
        ("configuration", trial.configuration),
        ("code", trial.code),
        *[(f"data {symbol}", fingerprint) for symbol, fingerprint in trial.data.items()],
        *[
            (f"touched {span.symbol}", f"{_second(span.start)} to {_second(span.stop)} {span.venue} {span.interval}")
            for span in trial.touched
        ],
        *[(f"parameter {key}", str(value)) for key, value in trial.parameters.items()],
    ]
    if one.outcome is not None:
        rows += [
            ("ended", _second(one.outcome.created)),
            ("bundle", one.outcome.bundle),
            *[(key, "unknown" if value is None else f"{value:.6g}") for key, value in one.outcome.metrics.items()],
            ("returns", f"{len(one.returns.days):,} days" if one.returns is not None else "not recorded"),
        ]
    return [(key, value) for key, value in rows if value]


@app.command(epilog="Example: bot4 trials verify")
def verify(
    head: Annotated[
        list[str] | None, typer.Option(help="A head that was counted before, as this command prints it; repeat it.")
    ] = None,
    workspace: WorkspaceOption = WORKSPACE,
) -> None:
    """Check that no record was changed or removed: the hash chain, the triggers, and the heads in this workspace's
    results; exit code 2 if one was.
    """
    from pipelines.ledger.chain import parse_head
    from pipelines.ledger.errors import LedgerError
    from pipelines.ledger.witness import heads

    ledger = _ledger(workspace)
    known = (*map(parse_head, head or ()), *heads(open_workspace(workspace).runs, ledger.label))
    found = ledger.verify(known)
    missing = ledger.missing_triggers()
    if not found.intact:
        raise LedgerError(f"the ledger {ledger.label} is not what was recorded: {found.reason}")
    if missing:
        raise LedgerError(f"the chain is whole, but nothing forbids changes: {', '.join(missing)} is missing")
    typer.echo(_whole(found, len(known), ledger.label))


def _whole(found: Verification, witnesses: int, label: str) -> str:
    if not found.rows:
        return f"the ledger {label} is empty"
    checked = f", {witnesses} known {'head' if witnesses == 1 else 'heads'} among them" if witnesses else ""
    return f"{found.rows:,} rows, every one as it was appended{checked}\nhead {found.head.text}\nLedger: {label}"
