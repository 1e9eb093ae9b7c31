"""What the template shows, as plain rows of text: all arithmetic and formatting happens here."""

from __future__ import annotations

import base64
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import msgspec

from market.time import DAY, HOUR, SECOND, format_time
from pipelines.figures.gallery import Picture, gallery
from pipelines.figures.style import house_order, svg
from pipelines.report.audit import audit_view
from pipelines.report.ensembles import ensembles_view
from pipelines.report.features import features_view, off_rows
from pipelines.report.importance import importance_view
from pipelines.report.laboratory import laboratory_view
from pipelines.report.meta import meta_view
from pipelines.results import (
    METRICS,
    Backtest,
    Estimate,
    Fold,
    Latency,
    Number,
    Performance,
    Predictor,
    RunResult,
    SeriesData,
    Span,
)
from pipelines.verdict import (
    CONFIDENT,
    day,
    information_gain,
    interval,
    laboratory_deflated,
    number,
    percent,
    percent_between,
    period,
    verdict,
)

STYLE = Path(__file__).parent / "templates" / "style.css"
DIGITS = {"information_gain": 5, "log_loss": 4, "brier": 4}
"""Digits of a metric; 3 of the others."""
HEADINGS = {
    "information_gain": "information gain",
    "log_loss": "log loss",
    "brier": "Brier",
    "auc": "AUC",
    "accuracy": "accuracy",
    "calibration_error": "calibration error",
    "information_coefficient": "information coefficient",
}

Row = dict[str, Any]


def cell(estimate: Estimate, digits: int, signed: bool = False) -> Row:
    """A table cell: the value, its interval beneath, and whether the interval excludes zero."""
    bounds = [number(bound, digits, signed) for bound in (estimate.low, estimate.high)]
    return {"value": number(estimate.value, digits, signed), "interval": f"{bounds[0]} to {bounds[1]}"}


def duration(nanoseconds: int) -> str:
    """A stretch of time for reading.

    Examples
    --------
    >>> duration(3 * DAY), duration(36 * HOUR)
    ('3.0 days', '1.5 days')
    """
    days = nanoseconds / DAY
    return f"{days:,.1f} days" if days >= 1 else f"{nanoseconds / HOUR:,.1f} hours"


def covered(span: Span | None) -> str:
    """A stretch for reading, with its length.

    Examples
    --------
    >>> covered(Span(0, 3 * DAY))
    '1970-01-01 to 1970-01-04 (3.0 days)'
    """
    return f"{period(span)} ({duration(span.end - span.start)})" if span is not None else ""


def second(nanoseconds: int) -> str:
    """A time to the second."""
    return format_time(nanoseconds // SECOND * SECOND)


def predictor_rows(result: RunResult) -> list[Row]:
    """One row a predictor: every metric with its interval, and how it stands against the ensemble."""
    against = {one.other: one.difference for one in result.differences if one.metric == "log_loss"}
    return [
        {
            "name": one.name,
            "role": one.role,
            "cells": [_metric_cell(one, metric) for metric in METRICS],
            "against": _standing(against.get(one.name)),
            "difference": cell(against[one.name], 5, signed=True) if one.name in against else None,
        }
        for one in result.predictors
    ]


def _metric_cell(predictor: Predictor, metric: str) -> Row:
    signed = metric in ("information_gain", "information_coefficient")
    return cell(predictor.scores.get(metric, Estimate(None)), DIGITS.get(metric, 3), signed)


def _standing(difference: Estimate | None) -> str:
    if difference is None:
        return ""
    if difference.above_zero:
        return "worse"
    return "better" if difference.below_zero else "undecided"


def fold_rows(folds: tuple[Fold, ...]) -> list[Row]:
    """One row a fold."""
    return [
        {
            "number": fold.number,
            "train": " and ".join(f"{day(span.start)} – {day(span.end)}" for span in fold.train),
            "purged": f"{fold.purged_rows:,}",
            "before": duration(fold.test.start - fold.purged.start) if fold.purged else "",
            "test": f"{day(fold.test.start)} – {day(fold.test.end)}",
            "train_rows": f"{fold.train_rows:,}",
            "train_effective": number(fold.train_effective, 0),
            "test_rows": f"{fold.test_rows:,}",
            "test_effective": number(fold.test_effective, 0),
            "compared": "yes" if fold.compared else "no",
            "gains": {
                name: number(scores.get("information_gain"), 5, signed=True) for name, scores in fold.scores.items()
            },
        }
        for fold in folds
    ]


def performance_rows(backtest: Backtest) -> list[tuple[str, str, str]]:
    """Name, net and before-costs value of every line of a strategy's summary."""
    net, gross = (_performance(one, backtest) for one in (backtest.net_performance, backtest.gross_performance))
    return [(name, net[name], gross[name]) for name in net]


def _performance(one: Performance, backtest: Backtest) -> dict[str, str]:
    unit = backtest.asset or "ledger asset"
    return {
        "Total return": percent_between(one.estimates["total_return"], 2, signed=True),
        "Sharpe ratio, annual": interval(one.sharpe_annual, 2, signed=True),
        "Sharpe ratio, daily": interval(one.sharpe, 4, signed=True),
        "Probability that the true ratio is above 0 (one trial)": percent(one.probabilistic_sharpe),
        "Maximal drawdown": percent_between(one.estimates["max_drawdown"], 2),
        "Longest time under water": duration(one.time_under_water),
        "Round trips": f"{one.trades:,}",
        "Of them with a profit": percent_between(one.estimates["hit_ratio"]),
        "Turnover (traded value over mean equity)": f"{number(one.turnover, 1)} ×",
        f"Fees, {unit}": _cost(one.fees, backtest),
        f"Spread and slippage, {unit}": _cost(one.slippage, backtest),
    }


def _cost(value: Number, backtest: Backtest) -> str:
    share = value / backtest.capital if value and backtest.capital else None
    return f"{number(value, 2)} ({percent(share, 2)} of the capital)" if share else number(value, 2)


def trading_facts(backtest: Backtest) -> str:
    """When a stretch was traded and with what."""
    capital = f", beginning with {number(backtest.capital, 0)} {backtest.asset}" if backtest.capital else ""
    return f"{covered(backtest.stretch)}{capital}"


def reference_rows(backtest: Backtest) -> list[Row]:
    """One row a buy-and-hold reference."""
    return [
        {
            "name": one.name,
            "return": percent_between(one.total_return_estimate, 1, signed=True),
            "sharpe": interval(one.sharpe_annual, 2, signed=True),
            "drawdown": percent_between(one.max_drawdown_estimate, 1),
        }
        for one in backtest.references
    ]


def tiles(result: RunResult) -> list[tuple[str, str, str]]:
    """The few numbers to see first: label, value, what it is."""
    level = f"{100 * result.confidence:.0f} % interval"
    gain = information_gain(result)
    found = [("Information gain", number(gain.value, 5, signed=True), _between(gain, 5, level, "nats per decision"))]
    if result.backtest is not None:
        net = result.backtest.net_performance
        sharpe = net.sharpe_annual
        text = _between(sharpe, 2, f"out of sample, after costs; {level}")
        found.append(("Net annual Sharpe", number(sharpe.value, 2, signed=True), text))
        found += _deflated_tile(result)
        text = f"out of sample, {period(result.backtest.stretch)}, after costs{_return_range(net, level)}"
        found.append(("Net return", percent(net.total_return, signed=True), text))
    if result.paper is not None:
        net = result.paper.backtest.net_performance
        returned = percent(net.total_return, signed=True)
        text = "equal to research in every byte" if result.paper.identical else "NOT equal to research"
        stretch = period(result.paper.backtest.stretch)
        found.append(
            ("Paper return", returned, f"untouched stretch, {stretch}, after costs{_return_range(net, level)}; {text}")
        )
    return found


def _return_range(net: Performance, level: str) -> str:
    bounds = net.estimates["total_return"].bounds
    between = f"; {level} {' to '.join(percent(one, signed=True) for one in bounds)}" if bounds else ""
    return f"{between}; drawdown {percent_between(net.estimates['max_drawdown'])}"


def _deflated_tile(result: RunResult) -> list[tuple[str, str, str]]:
    value = laboratory_deflated(result).deflated
    if value is None:
        return []
    trials = f"{result.trials.distinct:,} {'trial' if result.trials.distinct == 1 else 'trials'} counted"
    text = f"probability that the true ratio is above the luck of all trials; {trials}, {percent(CONFIDENT, 0)} needed"
    if not result.trials.verified:
        text = "not to be trusted: the ledger of trials is NOT WHOLE"
    return [("Deflated Sharpe", percent(value), text)]


def _between(estimate: Estimate, digits: int, level: str, unit: str = "") -> str:
    low, high = (number(bound, digits, signed=True) for bound in (estimate.low, estimate.high))
    return f"{unit + ', ' if unit else ''}{level} {low} to {high}"


def flattened(value: Any, name: str = "") -> Iterator[tuple[str, str]]:
    """A nested document as dotted names and texts.

    Examples
    --------
    >>> list(flattened({"rows": 10, "members": {"lstm": {"error": 0.5}}}))
    [('rows', '10'), ('members.lstm.error', '0.5')]
    >>> list(flattened({"decisions": [{"threshold": 0.5, "flips": 0}]}))
    [('decisions.1.threshold', '0.5'), ('decisions.1.flips', '0')]
    """
    if isinstance(value, Mapping):
        for key, inner in value.items():
            yield from flattened(inner, f"{name}.{key}" if name else str(key))
    elif isinstance(value, list | tuple) and any(isinstance(item, Mapping) for item in value):
        yield from flattened({str(place): item for place, item in enumerate(value, start=1)}, name)
    elif isinstance(value, list | tuple):
        yield name, ", ".join(str(item) for item in value)
    else:
        yield name, str(value)


KINDS = {
    "real": "real rows",
    "threshold": "rows on split thresholds",
    "extreme": "rows at extreme values",
    "subnormal": "rows at subnormal values",
    "missing": "rows with NaN",
}


def certificate_rows(certificate: Mapping[str, Any]) -> list[Row]:
    """One row a member, the ensemble and the second stage: bound, largest error and the rows it was sought in."""
    findings = {
        **certificate.get("members", {}),
        "ensemble": certificate.get("ensemble"),
        "second stage": certificate.get("second_stage"),
    }
    return [
        {
            "name": name,
            "bound": _error(found["bound"]),
            "cells": [
                f"{_error(found['errors'][kind])} in {found['rows'][kind]:,}" if kind in found["errors"] else "–"
                for kind in KINDS
            ],
        }
        for name, found in findings.items()
        if found
    ]


def _error(value: float) -> str:
    return f"{value:.1e}".replace("e-0", "e-").replace("-", "−") if value else "0"


def decision_sentences(certificate: Mapping[str, Any]) -> list[str]:
    """What the certificate says about decisions, in words."""
    band = _error(certificate.get("tolerance", 0.0))
    return [
        f"Decisions at {one['threshold']:g} that differ between graph and native members: {one['flips']:,} where the "
        f"probability is farther than {band} from it, {one['flips_inside']:,} of the {one['inside']:,} rows that are "
        "nearer."
        for one in certificate.get("decisions", ())
    ]


def set_sentences(certificate: Mapping[str, Any]) -> list[str]:
    """What the certificate says about prediction sets, in words; nothing where the graph has none."""
    found = certificate.get("sets")
    if not found:
        return []
    return [
        f"Prediction sets that differ between graph and NumPy: {found['differing']:,}, of those of {found['rows']:,} "
        f"rows and of {found['at_threshold']:,} probabilities at their threshold and next to it."
    ]


def carried_sentences(certificate: Mapping[str, Any]) -> list[str]:
    """Over how many rows in a row each network's state was compared, in words."""
    return [
        f"The state of {name} was carried over up to {found['carried']:,} rows in a row, and over "
        f"{found['longest']:,} real ones."
        for name, found in certificate.get("members", {}).items()
        if found.get("carried")
    ]


def second_stage_sentences(certificate: Mapping[str, Any]) -> list[str]:
    """How the second stage is compared, in words; nothing where the graph has none."""
    if not certificate.get("second_stage"):
        return []
    return [
        "The second stage is compared with the same in NumPy, of what the graph says of members and ensemble: how "
        "probably the side is right, and the probability that the bet follows."
    ]


def certificate_sentences(certificate: Mapping[str, Any]) -> list[str]:
    """Everything that the certificate says beside its table, in words."""
    return [
        *decision_sentences(certificate),
        *set_sentences(certificate),
        *second_stage_sentences(certificate),
        *carried_sentences(certificate),
        *certificate.get("notes", ()),
    ]


def latency_text(found: Latency | None) -> str:
    """What a decision takes, in words.

    Examples
    --------
    >>> latency_text(Latency(7.1e-05, 1.64e-04, 2_000, "x86_64")), latency_text(None)
    ('p50 71 µs, p99 164 µs of 2,000 real rows on one thread of x86_64', 'not measured')
    """
    if found is None:
        return "not measured"
    times = f"p50 {number(1e6 * found.p50, 0)} µs, p99 {number(1e6 * found.p99, 0)} µs"
    return f"{times} of {found.rows:,} real rows on one thread of {found.machine}"


def image(picture: Picture) -> Row:
    """A figure as an image inside the document."""
    data = base64.b64encode(svg(picture.figure)).decode()
    return {"name": picture.name, "caption": picture.caption, "source": f"data:image/svg+xml;base64,{data}"}


def called(series: SeriesData) -> str:
    """An instrument's symbol, with the names it had before or after.

    Examples
    --------
    >>> from pipelines.results import Named
    >>> called(SeriesData("POL", "x", "1h", 2, 0, 7, 0, 0, "", names=(Named("MATIC", 0, 5), Named("POL", 5, 7))))
    'POL (MATIC to 1970-01-01T00:00:00.000000005Z, then POL)'
    """
    if not series.names:
        return series.symbol
    units = {one.multiplier for one in series.names}
    told = [f"{one.symbol}{f' of {one.multiplier}' if len(units) > 1 else ''}" for one in series.names]
    ends = [f" to {format_time(one.end)}" for one in series.names[:-1]]
    return f"{series.symbol} ({', then '.join(name + end for name, end in zip(told, [*ends, ''], strict=True))})"


def series_rows(result: RunResult) -> list[Row]:
    """One row an instrument."""
    return [
        {
            "symbol": called(one),
            "venue": f"{one.venue}, {one.kind}" if one.kind else one.venue,
            "interval": one.interval,
            "rows": f"{one.rows:,}",
            "start": format_time(one.start),
            "end": format_time(one.end),
            "gaps": f"{one.gaps:,} ({one.missing_bars:,} bars)",
            "fingerprint": one.fingerprint,
            "findings": one.findings,
        }
        for one in result.data
    ]


def view(result: RunResult) -> Row:
    """Everything the template needs."""
    return {
        "result": result,
        "verdict": verdict(result),
        "style": STYLE.read_text(encoding="utf-8"),
        "created": second(result.created),
        "level": f"{100 * result.confidence:.0f} %",
        "tiles": tiles(result),
        "figures": {name: image(picture) for name, picture in gallery(result).items()},
        "headings": [(HEADINGS[metric], METRICS[metric]) for metric in METRICS],
        "predictors": predictor_rows(result),
        "compared": covered(result.compared_stretch),
        "compared_folds": sum(fold.compared for fold in result.folds),
        "weights": [(name, number(result.weights[name], 3, signed=True)) for name in house_order(result.weights)],
        "folds": fold_rows(result.folds),
        "fold_predictors": house_order(name for fold in result.folds for name in fold.scores),
        "backtest": performance_rows(result.backtest) if result.backtest else [],
        "backtest_facts": trading_facts(result.backtest) if result.backtest else "",
        "laboratory_rows": laboratory_view(result),
        "feature_rows": features_view(result),
        "off": off_rows(result.features.disabled),
        "importance_rows": importance_view(result),
        "ensembles": ensembles_view(result),
        "meta": meta_view(result),
        "audit": audit_view(result),
        "paper_facts": trading_facts(result.paper.backtest) if result.paper else "",
        "references": reference_rows(result.backtest) if result.backtest else [],
        "paper": performance_rows(result.paper.backtest) if result.paper else [],
        "parity": result.paper.parity if result.paper else (),
        "series": series_rows(result),
        "base_rate": percent(result.samples.base_rate, 2),
        "effective": number(result.samples.effective, 0),
        "certificate": certificate_rows(result.certificate),
        "certificate_kinds": tuple(KINDS.values()),
        "decisions": certificate_sentences(result.certificate),
        "stages": [(one.name, "cached" if one.cached else f"{one.seconds:,.1f} s") for one in result.stages],
        "seconds": f"{result.seconds:,.1f} s",
        "config": msgspec.json.format(msgspec.json.encode(result.config), indent=2).decode(),
    }
