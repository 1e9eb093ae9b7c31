"""Several runs side by side, as a page: whether one is better first, then where they agree and where they differ."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from models.statistics.bootstrap import Interval
from pipelines.comparison.find import Contender
from pipelines.comparison.paired import Pair, PairedTest, pairs
from pipelines.comparison.words import headline, refusals, selection, standings, trading, winner
from pipelines.figures.comparison import equities
from pipelines.figures.picture import Picture
from pipelines.figures.style import house_order
from pipelines.report.configurations import configurations
from pipelines.report.document import Document, Section, Table
from pipelines.report.laboratory import laboratory_lines, probability
from pipelines.report.view import DIGITS, HEADINGS, covered, performance_rows
from pipelines.results import ENSEMBLE, METRICS, Estimate, Predictor, RunResult, Span
from pipelines.verdict import UNKNOWN, interval, number, period, verdict

SIGNED = ("information_gain", "information_coefficient")
SHOWN = 12
"""Characters of a digest."""
Contenders = Sequence[Contender]


def comparison(contenders: Contenders) -> Document:
    """The page about some runs, in their order."""
    labels = [one.label for one in contenders]
    tested = pairs(contenders)
    sections = (
        _support(tested, labels),
        _verdicts(contenders),
        _paired(tested, labels),
        _equity(contenders),
        _scores(contenders),
        _folds(contenders),
        _costs(contenders),
        _trials(contenders),
        configurations(contenders),
        _features(contenders),
        _identity(contenders),
    )
    better = winner(tested, len(labels)) is not None
    return Document("comparison", " · ".join(labels), headline(tested, labels), better, sections)


def _support(tested: Sequence[Pair], labels: Sequence[str]) -> Section:
    predictions = standings(tested, labels) if len(labels) > 2 else ()
    points = (*predictions, *trading(tested, labels), *refusals(tested, labels))
    return Section("What the tests support", (selection(labels),), points)


def side_by_side(contenders: Contenders, rows: Callable[[RunResult], Sequence[tuple[str, str]]]) -> Table:
    """One row a name that any run has, one column a run."""
    found = [dict(rows(one.result)) for one in contenders]
    names = dict.fromkeys(name for one in found for name in one)
    body = tuple((name, *(one.get(name, UNKNOWN) for one in found)) for name in names)
    return Table(("", *(one.label for one in contenders)), body)


def _verdicts(contenders: Contenders) -> Section:
    return Section("Each by itself", points=tuple(f"{one.label}: {verdict(one.result).headline}" for one in contenders))


def _paired(tested: Sequence[Pair], labels: Sequence[str]) -> Section:
    rows = [row for pair in tested for row in _pair_rows(pair, labels)]
    if not rows:
        return Section("Paired tests", ("There is nothing that could be tested in pairs.",))
    sentence = (
        "The first's figure minus the second's on what both have, drawn again in the same blocks of time. Log losses "
        "are in nats per decision: below 0 the first is better. Sharpe ratios are annual, after costs: above 0 it is. "
        "Only the ensembles' and the ratios' p-values are adjusted for the number of pairs; those of members are each "
        "by itself."
    )
    headings = ("pair", "of", "rows", "independent", "difference", "p", "adjusted p", "")
    return Section("Paired tests", (sentence,), tables=(Table(headings, tuple(rows)),))


def _pair_rows(pair: Pair, labels: Sequence[str]) -> list[tuple[str, ...]]:
    name = f"{labels[pair.one]} − {labels[pair.other]}"
    rows = []
    if isinstance(pair.loss, PairedTest):
        rows.append(_test_row(name, "log loss, ensemble", pair.loss, 5, pair.loss.adjusted))
    rows += [_test_row(name, f"log loss, {one}", pair.members[one], 5) for one in house_order(pair.members)]
    if isinstance(pair.sharpe, PairedTest):
        rows.append(_test_row(name, "Sharpe ratio", pair.sharpe, 2, pair.sharpe.adjusted))
    return rows


def _test_row(name: str, what: str, test: PairedTest, digits: int, adjusted: float | None = None) -> tuple[str, ...]:
    return (
        name,
        what,
        f"{test.rows:,}",
        number(test.effective, 0),
        interval(_estimate(test.difference), digits, signed=True),
        probability(test.p_value),
        "" if adjusted is None else probability(adjusted),
        "" if adjusted is None else outcome(test),
    )


def outcome(test: PairedTest) -> str:
    """What came of a test, in a word or two."""
    return "both lost" if test.lost else {-1: "lower", 0: "undecided", 1: "higher"}[test.decided]


def _estimate(found: Interval) -> Estimate:
    return Estimate(found.value, found.low, found.high)


def _equity(contenders: Contenders) -> Section:
    traded = [(one.label, one.result.backtest) for one in contenders if one.result.backtest is not None]
    known = [(label, backtest) for label, backtest in traded if len(backtest.net.equity)]
    if not known:
        return Section("Wealth", ("None of them traded.",))
    labels, backtests = zip(*known, strict=True)
    stretches = "; ".join(f"{label} {period(backtest.stretch)}" for label, backtest in known)
    caption = (
        f"Return on the starting capital after costs, out of sample: {stretches}. Each begins at 0 with its stretch."
    )
    return Section("Wealth", pictures=(Picture("equities", caption, equities(labels, backtests)),))


def _scores(contenders: Contenders) -> Section:
    stretches = tuple(
        f"{one.label}: {one.result.comparison_rows:,} decisions, {covered(one.result.compared_stretch) or UNKNOWN}"
        for one in contenders
    )
    sentence = "Out of fold, each run on its own compared decisions; only the paired tests are on the same ones."
    names = house_order(one.name for run in contenders for one in run.result.predictors)
    tables = tuple(
        Table(
            (HEADINGS[metric], *(one.label for one in contenders)),
            tuple((name, *(_score(one.result, name, metric) for one in contenders)) for name in names),
        )
        for metric in METRICS
    )
    return Section("Members and ensembles", (sentence,), stretches, tables)


def _score(result: RunResult, name: str, metric: str) -> str:
    found: list[Predictor] = [one for one in result.predictors if one.name == name]
    if not found or metric not in found[0].scores:
        return UNKNOWN
    return interval(found[0].scores[metric], DIGITS.get(metric, 3), metric in SIGNED)


def _folds(contenders: Contenders) -> Section:
    spans = sorted({(fold.test.start, fold.test.end) for one in contenders for fold in one.result.folds})
    rows = []
    for start, end in spans:
        cells = []
        for one in contenders:
            mine = [fold for fold in one.result.folds if (fold.test.start, fold.test.end) == (start, end)]
            scores = mine[0].scores.get(ENSEMBLE, {}) if mine else {}
            cells.append(number(scores.get("information_gain"), 5, signed=True))
        rows.append((period(Span(start, end)), *cells))
    sentence = "The ensemble's information gain in each test stretch, nats per decision; a dash where there is none."
    return Section(
        "Fold by fold", (sentence,), tables=(Table(("test", *(one.label for one in contenders)), tuple(rows)),)
    )


def _costs(contenders: Contenders) -> Section:
    def rows(result: RunResult) -> list[tuple[str, str]]:
        if result.backtest is None:
            return []
        return [
            ("Stretch", covered(result.backtest.stretch)),
            *((name, net) for name, net, _ in performance_rows(result.backtest)),
        ]

    return Section("Trading after costs", tables=(side_by_side(contenders, rows),))


def _trials(contenders: Contenders) -> Section:
    return Section("Trials and laboratory", tables=(side_by_side(contenders, laboratory_lines),))


def _features(contenders: Contenders) -> Section:
    found = [one.result.features.names for one in contenders]
    names = dict.fromkeys(name for one in found for name in one)
    common = [name for name in names if all(name in one for one in found)]
    counts = ", ".join(f"{one.label} has {len(names):,}" for one, names in zip(contenders, found, strict=True))
    sentence = f"{counts}; {len(common):,} in common."
    if len(common) == len(names):
        return Section("Features", (sentence,))
    rows = tuple((name, *("yes" if name in one else UNKNOWN for one in found)) for name in names if name not in common)
    return Section(
        "Features", (sentence,), _changes(contenders), (Table(("feature", *(one.label for one in contenders)), rows),)
    )


def _changes(contenders: Contenders) -> tuple[str, ...]:
    first, *others = contenders
    before = first.result.features.names
    found = []
    for one in others:
        after = one.result.features.names
        added, removed = ([name for name in x if name not in y] for x, y in ((after, before), (before, after)))
        text = f"{', '.join(added) or 'nothing'} added, {', '.join(removed) or 'nothing'} removed"
        found.append(f"{one.label} against {first.label}: {text}")
    return tuple(found)


def _identity(contenders: Contenders) -> Section:
    return Section("Identity", tables=(side_by_side(contenders, _digests),))


def _digests(result: RunResult) -> list[tuple[str, str]]:
    found = {"configuration": result.config_digest, "features": result.features.digest}
    if result.bundle:
        found["bundle"] = result.bundle.digest
    found |= {f"data, {one.symbol}": one.fingerprint for one in result.data}
    if result.lineage:
        found["source"] = result.lineage.code
    return [("run", result.run_id), *((name, digest[:SHOWN]) for name, digest in found.items())]
