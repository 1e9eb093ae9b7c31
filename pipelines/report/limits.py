"""What is not known of a model, or left out: each limit is derived from what the run has, and from what it lacks."""

from __future__ import annotations

from collections.abc import Sequence

from features.catalogue import GROUPS
from models.bundle.store import AliasRecord
from pipelines.report.meta import second_stage_limits
from pipelines.report.paths import paths_trade
from pipelines.report.view import duration
from pipelines.results import ENSEMBLE, RunResult
from pipelines.verdict import (
    FEW_DAYS,
    few_days_sentence,
    information_gain,
    listed,
    number,
    overfitted,
    period,
    unlearned_sentence,
    verdict,
)


def limits(result: RunResult, history: Sequence[AliasRecord] = ()) -> tuple[str, ...]:
    """The limits of a run's model, in words.

    Parameters
    ----------
    history
        Of the model's aliases.
    """
    found = (
        _known_of(result),
        _power(result),
        few_days_sentence(result),
        _book(result),
        _funding(result),
        _missing(result),
        _regimes(result),
        _members(result),
        unlearned_sentence(result),
        _ledger(result),
        _overfitting(result),
        *(() if result.meta_study is None else second_stage_limits(result.meta_study)),
        _paths(result),
        _paper(result),
        _certificate(result),
        _audit(result),
        *(_override(one) for one in history if one.override),
    )
    return tuple(one for one in found if one)


def _known_of(result: RunResult) -> str:
    places = dict.fromkeys((one.interval, one.venue) for one in result.data)
    symbols = "; ".join(
        f"{listed(tuple(one.symbol for one in result.data if (one.interval, one.venue) == (bars, venue)))} at {bars} "
        f"on {venue}"
        for bars, venue in places
    )
    stretch = result.compared_stretch
    if stretch is None:
        return f"Nothing was scored out of fold; it has seen {symbols} and nothing else."
    return (
        f"What is known of it is of {symbols}, out of fold {period(stretch)} "
        f"({duration(stretch.end - stretch.start)}): of other instruments, venues, bars and times it says nothing."
    )


def _power(result: RunResult) -> str:
    gain = information_gain(result)
    if gain.bounds is None:
        return "The interval of its information gain is undefined."
    if gain.above_zero or gain.below_zero:
        return ""
    half = (gain.bounds[1] - gain.bounds[0]) / 2
    return (
        f"There is not enough power: an information gain much below {number(half, 5)} nats per decision could not be "
        f"seen in about {number(result.comparison_effective, 0)} independent decisions."
    )


def _book(result: RunResult) -> str:
    if set(result.features.names) & {feature.name for feature in GROUPS["book"]}:
        return "The order book is in its features; fills are still simulated from bars, by a pessimistic rule."
    return "It knows bars only, no order book, and its fills are simulated from bars, by a pessimistic rule."


def _funding(result: RunResult) -> str:
    if not result.without_funding:
        return ""
    return "Funding is left out: perpetuals were traded as if they neither paid nor received any."


def _missing(result: RunResult) -> str:
    holes = {one.symbol: one.missing_bars for one in result.data if one.missing_bars}
    if not holes:
        return ""
    return f"Bars are missing: {listed(tuple(f'{count:,} of {symbol}' for symbol, count in holes.items()))}."


def _regimes(result: RunResult) -> str:
    found = result.laboratory.regimes if result.laboratory else ()
    if not found:
        return "It was not examined by regime, so nothing is known of how it does in one state of the market."
    rare = tuple(f"{one.kind} {one.name} ({one.days:,})" for one in found if one.days < FEW_DAYS)
    return f"Regimes with fewer than {FEW_DAYS} days: {listed(rare)}." if rare else ""


def _members(result: RunResult) -> str:
    better = verdict(result).better_members
    return f"A member alone predicted better than the {ENSEMBLE}: {listed(better)}." if better else ""


def _ledger(result: RunResult) -> str:
    return "" if result.trials.verified else f"The ledger of trials is not whole: {result.trials.problem}."


def _overfitting(result: RunResult) -> str:
    sets = tuple(one.among for one in overfitted(result.laboratory))
    return f"Choosing by past performance was worse than a coin among {listed(sets)}." if sets else ""


def _paths(result: RunResult) -> str:
    paths = result.laboratory.paths if result.laboratory else None
    return paths_trade(result, paths) if paths else ""


def _paper(result: RunResult) -> str:
    if result.paper is None:
        return "It never traded live, not even on paper."
    text = f"Live it is known on paper only, {period(result.paper.backtest.stretch)}"
    return f"{text}." if result.paper.identical else f"{text}, and there it did NOT agree with research."


def _certificate(result: RunResult) -> str:
    return "" if result.certificate.get("passed") else "Its graph is not certified."


def _audit(result: RunResult) -> str:
    if result.audit is None:
        return "It was not audited for leaks."
    return "" if result.audit.clean else "The audit found a leak, or could not look everywhere."


def _override(one: AliasRecord) -> str:
    failed = listed(tuple(gate.gate for gate in one.verdicts if not gate.passed))
    return f"{one.person} put it at @{one.alias} although {failed} failed: “{one.override}”."
