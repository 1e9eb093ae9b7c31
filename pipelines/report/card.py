"""A model's card: what it is, what it was made from, what is known of it and what is not, for whoever may use it.

Everything is taken from the run's result and the model store's history. The same content is written as Markdown and as
HTML; see `pipelines.report.markdown`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from market.time import format_time
from models.bundle.store import AliasRecord
from pipelines.audit.text import headline as audit_headline
from pipelines.report.document import Document, Section, Table, cell_text, pairs
from pipelines.report.ensembles import NAMES, ensembles_view
from pipelines.report.laboratory import deflated_rows, regime_rows, sensitivity_rows, trial_rows
from pipelines.report.limits import limits
from pipelines.report.meta import meta_view
from pipelines.report.view import (
    HEADINGS,
    KINDS,
    certificate_rows,
    certificate_sentences,
    covered,
    flattened,
    latency_text,
    performance_rows,
    predictor_rows,
    reference_rows,
    second,
    series_rows,
    trading_facts,
)
from pipelines.results import ENSEMBLE, METRICS, RunResult
from pipelines.verdict import UNKNOWN, deflated_sentence, listed, number, percent, verdict

CARD_FILE, CARD_PAGE = "card.md", "card.html"
COSTS = ("exchange", "trading")
"""The sections of a configuration that say what trading costs and how it is done."""


def card(result: RunResult, history: Sequence[AliasRecord] = ()) -> Document:
    """The card of the model that a run made.

    Parameters
    ----------
    history
        The model store's records of the model's name; those of this bundle are shown.
    """
    said = verdict(result)
    mine = [one for one in history if result.bundle is not None and one.digest == result.bundle.digest]
    sections = (
        Section("What the statistics support", points=said.sentences),
        *_standing(result, history),
        Section("Limits", points=limits(result, mine)),
        _what(result, history),
        _data(result),
        _features(result),
        _labels(result),
        _trials(result),
        _predictions(result),
        *_ensembles(result),
        *_second_stage(result),
        _calibration(result),
        _regimes(result),
        _trading(result),
        _certificate(result),
        _audit(result),
        *_promotions(mine),
        _lineage(result),
    )
    return Document("model card", _title(result), said.headline, said.edge_supported, sections)


def _title(result: RunResult) -> str:
    version = result.bundle.version if result.bundle else None
    return result.name if version is None else f"{result.name}, version {version}"


def held(digest: str, history: Sequence[AliasRecord]) -> dict[str, AliasRecord]:
    """The aliases that point to a bundle by a model's history, each with the change that made it so."""
    since: dict[str, AliasRecord] = {}
    for one in history:
        if one.alias not in since or since[one.alias].digest != one.digest:
            since[one.alias] = one
    return {alias: one for alias, one in since.items() if one.digest == digest}


def lost(digest: str, history: Sequence[AliasRecord]) -> dict[str, AliasRecord]:
    """The aliases that pointed to a bundle and do so no more, each with the change that took it away."""
    found: dict[str, AliasRecord] = {}
    before: dict[str, str] = {}
    for one in history:
        if one.digest == digest:
            found.pop(one.alias, None)
        elif before.get(one.alias) == digest:
            found[one.alias] = one
        before[one.alias] = one.digest
    return found


def gates_text(one: AliasRecord) -> str:
    """What the gates said when an alias was moved, in words.

    Examples
    --------
    >>> from models.bundle.store import Verdict
    >>> gates_text(AliasRecord("spot", "champion", 1, "ab" * 32, 1, 0, 0, "Ada", (Verdict("drift", True),)))
    'all 1 gates were passed'
    """
    if one.action != "promote":
        return "without gates, by a rollback"
    failed = [verdict.gate for verdict in one.verdicts if not verdict.passed]
    return f"overruled: {', '.join(failed)}" if failed else f"all {len(one.verdicts)} gates were passed"


def _standing(result: RunResult, history: Sequence[AliasRecord]) -> tuple[Section, ...]:
    if result.bundle is None:
        return ()
    points = [
        f"@{alias} since {second(one.at)}, by {one.person}: {gates_text(one)}."
        for alias, one in held(result.bundle.digest, history).items()
    ]
    points += [
        f"@{alias} until {second(one.at)}, when it went to version {one.version}."
        for alias, one in lost(result.bundle.digest, history).items()
    ]
    return (Section("Standing", points=tuple(points)),) if points else ()


def _aliases(result: RunResult, history: Sequence[AliasRecord]) -> str:
    if result.bundle is None:
        return UNKNOWN
    known = tuple(held(result.bundle.digest, history)) if history else result.bundle.aliases
    return ", ".join(f"@{alias}" for alias in known) or "none"


def _what(result: RunResult, history: Sequence[AliasRecord]) -> Section:
    members = tuple(one.name for one in result.predictors if one.role == "member")
    rows = [
        ("Predicts", f"the direction in which a trade on {listed(tuple(one.symbol for one in result.data))} ends"),
        ("Members", listed(members) if members else UNKNOWN),
        ("Combined by", _combined(result)),
        ("Weights", ", ".join(f"{name} {number(value, 3, signed=True)}" for name, value in result.weights.items())),
        ("Trained through", UNKNOWN if result.trained_through is None else format_time(result.trained_through)),
        ("Made", f"{second(result.created)} by run {result.run_id}"),
        ("Aliases", _aliases(result, history)),
    ]
    return Section("What it is", tables=(pairs((name, value or UNKNOWN) for name, value in rows),))


def _combined(result: RunResult) -> str:
    found = result.config.get("ensemble", {})
    pool, calibration = (NAMES.get(found.get(key, "")) for key in ("method", "calibration"))
    return f"{pool}; calibrated by: {calibration}" if result.weights and pool and calibration else UNKNOWN


def _data(result: RunResult) -> Section:
    rows = tuple(
        (row["symbol"], row["venue"], row["interval"], row["rows"], f"{row['start']} to {row['end']}", row["gaps"])
        for row in series_rows(result)
    )
    table = Table(("instrument", "venue", "bars", "rows", "time", "holes"), rows)
    points = tuple(
        f"{one.symbol}: {finding.severity}, {finding.message}" for one in result.data for finding in one.findings
    )
    return Section("Data", points=points, tables=(table,))


def _features(result: RunResult) -> Section:
    found = result.features
    sentence = f"{len(found.names)} features, in this order: {', '.join(found.names)}."
    told = result.config.get("features", {}).get("instruments") == "indicators"
    apart = (f"The last {len(result.data)} say which instrument a row is of.",) if told else ()
    events = (f"Decisions are made only where {found.events} is not 0.",) if found.events else ()
    off = tuple(f"{name} is off: {why}" for name, why in found.disabled.items())
    return Section("Features", (sentence, *apart, *events), off)


def _labels(result: RunResult) -> Section:
    samples = result.samples
    rows = [
        *flattened(result.config.get("labels", {})),
        ("labelled decisions", f"{samples.count:,}"),
        ("worth as many independent ones", number(samples.effective, 0)),
        ("share of label 1 (up)", percent(samples.base_rate, 2)),
        ("folds, compared ones", f"{len(result.folds)}, {sum(fold.compared for fold in result.folds)}"),
        ("decisions purged from training, all folds", f"{sum(fold.purged_rows for fold in result.folds):,}"),
    ]
    return Section("Labels and validation", tables=(pairs(rows),))


def _trials(result: RunResult) -> Section:
    sentences = (f"{result.trials.sentence}.", deflated_sentence(result))
    return Section("Trials", sentences, tables=(pairs([*trial_rows(result.trials), *deflated_rows(result)]),))


def _predictions(result: RunResult) -> Section:
    compared = covered(result.compared_stretch)
    sentence = (
        f"Out of fold, on the same {result.comparison_rows:,} decisions ({number(result.comparison_effective, 0)} "
        f"independent ones){f', {compared}' if compared else ''}. Intervals at {percent(result.confidence, 0)} from "
        f"{result.interval_method}. Against the ensemble: log loss minus the ensemble's, paired; positive is worse."
    )
    rows = tuple(
        (
            row["name"],
            row["role"],
            *(cell_text(one) for one in row["cells"]),
            f"{row['against']} {cell_text(row['difference'])}".strip(),
        )
        for row in predictor_rows(result)
    )
    headings = ("predictor", "role", *(HEADINGS[metric] for metric in METRICS), "against the ensemble")
    where = tuple(f"The final {name} was trained on {said}." for name, said in result.trained_on.items())
    return Section("Members and ensemble", (sentence,), where, (Table(headings, rows),))


def _ensembles(result: RunResult) -> tuple[Section, ...]:
    found = ensembles_view(result)
    if found is None:
        return ()
    ways = ("AUC", "information gain", "calibration error", "log loss minus this run's")
    cells = ("name", "auc", "gain", "error", "difference")
    pools, calibrations = (
        tuple(tuple(row[cell] for cell in shown) for row in found[kind])
        for kind, shown in (("pools", (*cells, "weights")), ("calibrations", cells))
    )
    tables = [Table(("combined by", *ways, "weights"), pools), Table(("calibrated by", *ways), calibrations)]
    sets = ("coverage", "held", "single", "right", "empty")
    headings = ("sets that are to hold what happens", "did", "named one side", "which was right", "named none")
    tables.append(Table(headings, tuple(tuple(row[cell] for cell in sets) for row in found["sets"])))
    if found["claimed"]:
        tables.append(
            Table(("claimed of the predecessor", "claimed", "measured here"), tuple(found["claimed"]["claims"]))
        )
        precision = tuple((name, *cells) for name, cells in found["claimed"]["precision"])
        tables.append(Table(("of the surest decisions", *found["claimed"]["shares"]), precision))
    refused = tuple(f"{name} was not possible: {why}" for name, why in found["refused"])
    return (Section("Combined otherwise", (found["sentence"], found["diversity"]), refused, tuple(tables)),)


def _second_stage(result: RunResult) -> tuple[Section, ...]:
    found = meta_view(result)
    if found is None:
        return ()
    cells = ("name", "precision", "recall", "f1", "false_positives")
    tables = []
    for part in found["parts"]:
        rows = [
            (share["coverage"], *(row[cell] for cell in cells)) for share in part["shares"] for row in share["choices"]
        ]
        if part["acted"]:
            rows.append(("", *(part["acted"][cell] for cell in cells)))
        title = f"surest, {part['title']}"
        tables.append(Table((title, "by", "precision", "recall", "F1", "false positives"), tuple(rows)))
    return (Section("When the ensemble is right", (found["sentence"], found["sizing"]), tables=tuple(tables)),)


def _calibration(result: RunResult) -> Section:
    tables = tuple(
        Table(
            ("predicted", "observed", "independent decisions"),
            tuple(
                (number(float(said), 3), number(float(seen), 3), f"{count:,}")
                for said, seen, count in zip(one.predicted, one.observed, one.count, strict=True)
            ),
        )
        for one in result.reliability
        if one.predictor == ENSEMBLE
    )
    sentence = "The ensemble's probability of label 1 against how often it happened, in bins of equal evidence."
    return Section("Calibration", (sentence,) if tables else ("Not kept by this run.",), tables=tables)


def _regimes(result: RunResult) -> Section:
    if result.laboratory is None or not result.laboratory.regimes:
        return Section("Regimes", ("This run was not examined by regime.",))
    rows = tuple(
        (
            row["kind"],
            row["name"],
            row["decisions"],
            cell_text(row["gain"]),
            cell_text(row["auc"]),
            row["days"],
            cell_text(row["return"]),
            cell_text(row["sharpe"]),
        )
        for row in regime_rows(result.laboratory)
    )
    headings = ("regime", "state", "decisions", "information gain", "AUC", "days", "net return", "annual Sharpe")
    return Section("Regimes", tables=(Table(headings, rows),))


def _trading(result: RunResult) -> Section:
    assumed = [(name, value) for part in COSTS for name, value in flattened({part: result.config.get(part, {})})]
    tables = [pairs(assumed)] if assumed else []
    headings = ("", "net of all costs", "before costs")
    sentences = []
    for what, traded in (("Backtest, out of sample", result.backtest), ("On paper", _paper(result))):
        if traded is not None:
            sentences.append(f"{what}: {trading_facts(traded)}.")
            tables.append(Table((what, *headings[1:]), tuple(performance_rows(traded))))
    if result.backtest and result.backtest.references:
        rows = tuple(
            (one["name"], one["return"], one["sharpe"], one["drawdown"]) for one in reference_rows(result.backtest)
        )
        tables.append(Table(("bought and held, without costs", "total return", "annual Sharpe", "drawdown"), rows))
    if result.laboratory and result.laboratory.sensitivities:
        rows = tuple(
            (row["costs"], row["latency"], cell_text(row["return"]), cell_text(row["sharpe"]))
            for row in sensitivity_rows(result.laboratory.sensitivities)
        )
        tables.append(Table(("costs", "latency", "net return", "annual Sharpe"), rows))
    return Section("Trading, costs and latencies", tuple(sentences) or ("Nothing was traded.",), tables=tuple(tables))


def _paper(result: RunResult) -> Any:
    return result.paper.backtest if result.paper else None


def _certificate(result: RunResult) -> Section:
    found = result.certificate
    if not found:
        return Section("Certificate", ("This run exported no graph, so there is no certificate.",))
    reasons = f" ({'; '.join(found['reasons'])})" if found.get("reasons") else ""
    sentence = (
        "The exported graph against the libraries that trained it, in probability: "
        f"{'passed' if found.get('passed') else 'NOT passed'}{reasons}."
    )
    rows = tuple((row["name"], row["bound"], *row["cells"]) for row in certificate_rows(found))
    table = Table(("", "bound", *(f"largest error, {kind}" for kind in KINDS.values())), rows)
    size = f" The graph has {found['graph_bytes']:,} bytes." if "graph_bytes" in found else ""
    serving = f"A decision takes {latency_text(result.latency)}.{size}" if result.latency or size else ""
    sentences = (sentence, serving) if serving else (sentence,)
    return Section("Certificate", sentences, tuple(certificate_sentences(found)), (table,))


def _audit(result: RunResult) -> Section:
    said = audit_headline(result.audit) if result.audit else "This run was not audited."
    return Section("Leakage audit", (said,))


def _promotions(history: Sequence[AliasRecord]) -> tuple[Section, ...]:
    if not history:
        return ()
    rows = tuple(
        (
            second(one.at),
            f"{one.action} to @{one.alias}",
            one.person,
            _failed(one),
            one.override or "",
        )
        for one in history
    )
    return (Section("Promotions", tables=(Table(("when", "what", "who", "failed gates", "overruled because"), rows),)),)


def _failed(one: AliasRecord) -> str:
    if one.action != "promote":
        return "no gates were run"
    return listed(tuple(gate.gate for gate in one.verdicts if not gate.passed)) or "none"


def _lineage(result: RunResult) -> Section:
    rows = [("configuration", result.config_digest), ("features", result.features.digest)]
    if result.bundle:
        rows.append(("bundle", result.bundle.digest))
    rows += [(f"data, {one.symbol}", one.fingerprint) for one in result.data]
    if result.git_commit:
        rows.append(("source, commit", result.git_commit))
    if result.lineage:
        rows += [("source, code", result.lineage.code), ("installed packages", result.lineage.environment)]
        rows += [(f"parent, {name}", digest) for name, digest in result.lineage.parents.items()]
    rows += [(name, version) for name, version in result.versions.items()]
    return Section("Lineage", (f"Made by: {result.command}",), tables=(pairs(rows),))
