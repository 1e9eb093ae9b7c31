"""``bot4 data bars``: bars of any kind from the lake's trades."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

import typer

from pipelines.commands.data_files import GapOption
from pipelines.commands.options import WORKSPACE, LakeOption, WorkspaceOption, open_workspace
from pipelines.errors import ConfigError

if TYPE_CHECKING:
    from market.bar_builders.spec import BarSpec
    from market.lake import SeriesKey
    from market.trades.lake import TradeLake

BarsOf = Literal[
    "time",
    "tick",
    "volume",
    "dollar",
    "tick-imbalance",
    "volume-imbalance",
    "dollar-imbalance",
    "tick-run",
    "volume-run",
    "dollar-run",
]
Source = Literal["trades", "agg_trades"]


def bars(
    symbols: Annotated[list[str], typer.Argument(help="The instruments, such as BTCUSDT.", metavar="SYMBOLS")],
    venue: Annotated[str, typer.Option(help="The venue of the trades.")],
    kind: Annotated[BarsOf, typer.Option(help="What ends a bar.")],
    threshold: Annotated[
        float | None, typer.Option(help="Of all but time bars: trades, base asset or quote asset.")
    ] = None,
    adaptive: Annotated[
        str | None,
        typer.Option(
            help="Of imbalance and run bars, instead of a threshold: expected_ticks:bar_span:trade_span:least_ticks:"
            "most_ticks, such as 500:20:2000:50:5000."
        ),
    ] = None,
    interval: Annotated[str | None, typer.Option(help="Of time bars, such as 1m.")] = None,
    sides: Annotated[
        Literal["source", "tick-rule"], typer.Option(help="Where a trade's side comes from: itself, or price changes.")
    ] = "source",
    source: Annotated[
        Source | None, typer.Option("--from", help="Which trades, where the lake has both; default: what it has.")
    ] = None,
    gaps: GapOption = "refuse",
    lake: LakeOption = None,
    workspace: WorkspaceOption = WORKSPACE,
) -> None:
    """Build bars from the lake's trades and store them as a series of their own, named after what ends a bar.

    Run again after more trades were imported, it goes on in the middle of a bar; the bars are those of one run over
    all trades.
    """
    from market.lake import Lake
    from market.trades.bars import build_from_lake
    from market.trades.lake import TradeLake
    from pipelines.progress import showing

    spec = bar_spec(kind, threshold, adaptive, interval, sides)
    store = Lake(lake or open_workspace(workspace).lake)
    keys = [trades_of(TradeLake(store.root), venue, symbol, source) for symbol in dict.fromkeys(symbols)]
    for key in keys:
        with showing("building") as progress:
            done = build_from_lake(store, key, spec, gaps=gaps, progress=progress)
        typer.echo(
            f"{done.key}: {done.trades:,} new trades, {done.added:,} new bars, {done.known:,} known;"
            f" {done.in_progress:,} trades are in the bar in progress"
        )
        if done.skipped:
            typer.echo(f"  {done.skipped:,} ids are missing: bars over the holes have too little volume")


def bar_spec(kind: BarsOf, threshold: float | None, adaptive: str | None, interval: str | None, sides: str) -> BarSpec:
    """The bars that options ask for.

    Examples
    --------
    >>> bar_spec("dollar", 1e6, None, None, "source").kind
    'dollar'
    """
    from market.bar_builders.names import parse_rule, spec_name
    from market.bar_builders.spec import BarSpec
    from market.time import parse_interval

    spec = BarSpec(
        kind.replace("-", "_"),  # type: ignore[arg-type]
        None if interval is None else parse_interval(interval),
        threshold,
        None if adaptive is None else parse_rule(adaptive),
        "tick_rule" if sides == "tick-rule" else "source",
    )
    spec_name(spec)
    return spec


def trades_of(lake: TradeLake, venue: str, symbol: str, source: Source | None) -> SeriesKey:
    """The lake's series of an instrument's trades: the one asked for, or the only one."""
    from market.trades.lake import trade_key

    keys = [trade_key(venue, symbol, kind) for kind in ((source,) if source else ("trades", "agg_trades"))]
    held = [key for key in keys if lake.holds(key)]
    if len(held) > 1:
        raise ConfigError(f"the lake has trades and agg_trades of {venue} {symbol}; say which with --from")
    if not held:
        raise ConfigError(
            f"the lake {lake.root} has no {source or 'trades'} of {venue} {symbol}: import them with"
            " `bot4 data import --kind trades`, or download them"
        )
    return held[0]
