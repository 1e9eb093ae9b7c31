"""What the numbers support, in words: computed from confidence intervals and the count of trials, and nothing else.

An interval is of one run alone. Whoever looks at many runs and keeps the best will find intervals above zero where
there is nothing, so profit is supported only after everything that the ledger knows was tried on the same data is
counted.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from market.time import format_time
from pipelines.laboratory import Deflated, Laboratory, Overfitting, Paths
from pipelines.results import ENSEMBLE, Estimate, Number, PairedDifference, RunResult, Span, is_known

UNKNOWN = "–"
CONFIDENT = 0.95
"""The least deflated Sharpe probability that supports profit."""
COIN = 0.5
"""Probability of backtest overfitting above which choosing by past performance is worse than a coin."""
FEW_DAYS = 100
"""Days with a result below which the normal approximation of a Sharpe ratio's interval is a rough guess."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a run's statistics support.

    Attributes
    ----------
    prediction_supported
        The interval of the ensemble's information gain lies above zero.
    profit_supported
        The interval of the out-of-sample net Sharpe ratio lies above zero, the deflated Sharpe probability is at least
        `CONFIDENT`, and the ledger of trials was whole.
    better_members
        Single predictors whose log loss is lower than the ensemble's by more than chance explains.
    worse_members
        Those whose log loss is higher by more than chance explains.
    undecided_members
        The others: the data cannot tell them from the ensemble.
    headline
        One sentence.
    sentences
        The rest, in reading order.
    """

    prediction_supported: bool
    profit_supported: bool
    better_members: tuple[str, ...]
    worse_members: tuple[str, ...]
    undecided_members: tuple[str, ...]
    headline: str
    sentences: tuple[str, ...]

    @property
    def edge_supported(self) -> bool:
        """Whether both prediction and profit are supported."""
        return self.prediction_supported and self.profit_supported


def number(value: Number, digits: int = 4, signed: bool = False) -> str:
    """A number for reading: a real minus sign, a dash where it is undefined.

    Examples
    --------
    >>> number(-0.01234), number(1.5, 2, signed=True), number(None)
    ('−0.0123', '+1.50', '–')
    """
    if value is None or not is_known(value):
        return UNKNOWN
    text = f"{value:{'+' if signed else ''},.{digits}f}"
    return text.replace("-", "−")


def percent(value: Number, digits: int = 1, signed: bool = False) -> str:
    """A ratio as a percentage.

    Examples
    --------
    >>> percent(0.1234), percent(-0.5, 0), percent(None)
    ('12.3 %', '−50 %', '–')
    """
    return f"{number(value * 100, digits, signed)} %" if value is not None and is_known(value) else UNKNOWN


def interval(estimate: Estimate, digits: int = 4, signed: bool = False) -> str:
    """An estimate with its interval.

    Examples
    --------
    >>> interval(Estimate(0.5, 0.25, 0.75), 2)
    '0.50 [0.25, 0.75]'
    """
    low, high = (number(bound, digits, signed) for bound in (estimate.low, estimate.high))
    return f"{number(estimate.value, digits, signed)} [{low}, {high}]"


def percent_between(estimate: Estimate, digits: int = 1, signed: bool = False) -> str:
    """A ratio as a percentage, with its interval if it is known.

    Examples
    --------
    >>> percent_between(Estimate(0.5, 0.25, 0.75), 0), percent_between(Estimate(-0.5))
    ('50 % [25 %, 75 %]', '−50.0 %')
    """
    value, bounds = percent(estimate.value, digits, signed), estimate.bounds
    return value if bounds is None else f"{value} [{', '.join(percent(one, digits, signed) for one in bounds)}]"


def day(nanoseconds: int) -> str:
    """The date of a time."""
    return format_time(nanoseconds)[:10]


def period(span: Span | None) -> str:
    """A stretch by its dates.

    Examples
    --------
    >>> period(Span(0, 86_400_000_000_000)), period(None)
    ('1970-01-01 to 1970-01-02', '–')
    """
    return f"{day(span.start)} to {day(span.end)}" if span is not None else UNKNOWN


def listed(names: tuple[str, ...]) -> str:
    """Names as people list them.

    Examples
    --------
    >>> listed(("a", "b", "c"))
    'a, b and c'
    """
    return " and ".join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else names)


def information_gain(result: RunResult) -> Estimate:
    """The ensemble's information gain over the comparison rows; undefined when it was not computed."""
    found = [one for one in result.predictors if one.name == ENSEMBLE]
    return found[0].scores.get("information_gain", Estimate(None)) if found else Estimate(None)


def _log_loss_differences(result: RunResult) -> list[PairedDifference]:
    return [found for found in result.differences if found.metric == "log_loss" and found.other != ENSEMBLE]


def _prediction_sentence(gain: Estimate) -> str:
    if gain.bounds is None:
        return (
            "The ensemble's information gain, or its interval, is undefined, so nothing is claimed for its predictions."
        )
    text = f"{interval(gain, 5, signed=True)} nats per decision"
    if gain.above_zero:
        return f"The ensemble predicts better than the base rate: its information gain is {text}."
    if gain.below_zero:
        return f"The ensemble predicts worse than the base rate: its information gain is {text}."
    return (
        f"The ensemble cannot be told from the base rate: its information gain is {text}, an interval that includes 0."
    )


def _profit_sentence(result: RunResult) -> str:
    if result.backtest is None:
        return "There is no out-of-sample backtest in this run, so nothing is claimed about profit."
    net, gross = result.backtest.net_performance, result.backtest.gross_performance
    after, before = (percent_between(one.total_return_estimate, signed=True) for one in (net, gross))
    text = (
        f"Out of sample ({period(result.backtest.stretch)}) and after costs the strategy returned {after} "
        f"({before} before costs) over "
        f"{net.trades:,} trades, with an annual Sharpe ratio of {interval(net.sharpe_annual, 2, signed=True)}"
    )
    if net.trades == 0:
        return "Out of sample the strategy made no trade, so nothing is claimed about profit."
    if net.sharpe_annual.above_zero:
        return f"{text}."
    if net.sharpe_annual.below_zero:
        return f"{text}: a loss beyond what chance explains."
    return f"{text}: no profit is supported."


def _hold_sentence(result: RunResult) -> str:
    references = result.backtest.references if result.backtest else ()
    if not references:
        return ""
    texts = [f"{one.name} {percent_between(one.total_return_estimate, 0, signed=True)}" for one in references]
    return f"Buying and holding over the same stretch, without costs, returned: {'; '.join(texts)}."


def _member_sentence(better: tuple[str, ...], worse: tuple[str, ...], undecided: tuple[str, ...]) -> str:
    parts = []
    if better:
        verb = "predict" if len(better) > 1 else "predicts"
        parts.append(f"{listed(better)} alone {verb} better than the ensemble, which should then not be used")
    if worse:
        parts.append(f"the ensemble predicts better than {listed(worse)}")
    if undecided:
        parts.append(f"the data cannot tell the ensemble from {listed(undecided)}")
    text = "; ".join(parts)
    return f"By log loss on the same rows: {text}." if parts else ""


def unlearned_sentence(result: RunResult) -> str:
    """Which members the last fits, those of the graph, taught nothing; empty if there is none."""
    found = result.certificate.get("members", {})
    silent = tuple(
        f"{name} (weight {number(result.weights[name], 2, signed=True)})" if name in result.weights else name
        for name, one in found.items()
        if one.get("spread") == 0.0
    )
    if not silent:
        return ""
    return (
        f"The last fits, which go live, taught {listed(silent)} nothing: the same probability for every row. Scores "
        "out of fold are of other fits."
    )


def _evidence_sentence(result: RunResult, gain: Estimate) -> str:
    text = (
        f"All predictors are compared on {result.comparison_rows:,} decisions, which overlap and move together so much "
        f"that they carry the information of about {result.comparison_effective:,.0f} independent ones"
    )
    tried = "Intervals are of this run alone; only the judgement of profit counts what else was tried."
    if gain.bounds is None:
        return f"{text}. {tried}"
    half = (gain.bounds[1] - gain.bounds[0]) / 2
    return f"{text}; an information gain much below {number(half, 5)} nats could not be seen in them. {tried}"


def laboratory_deflated(result: RunResult) -> Deflated:
    """The deflated Sharpe ratio; unknown where the run has no laboratory."""
    return result.laboratory.deflated if result.laboratory else Deflated(None, None, None, None, None)


def deflated_sentence(result: RunResult) -> str:
    """What the deflated Sharpe ratio says, in one plain sentence."""
    found, effective = laboratory_deflated(result), result.trials.effective
    if found.deflated is None or found.luck is None:
        return "There is no Sharpe ratio to judge against these trials, so no profit is supported."
    enough = found.deflated >= CONFIDENT
    needed = "enough" if enough else "too little"
    if found.luck <= 0:
        return (
            "Nothing is deducted for choosing, because the ledger knows of nothing different to choose from: the "
            f"probability that the true Sharpe ratio is above 0 is {percent(found.deflated)}, {needed} where "
            f"{percent(CONFIDENT, 0)} are asked for."
        )
    return (
        f"The best of {number(effective, 1)} independent strategies without any edge is expected to show an annual "
        f"Sharpe ratio of {number(found.luck, 2, signed=True)} by luck; the probability that this one's true ratio is "
        f"above that is {percent(found.deflated)}, {needed} where {percent(CONFIDENT, 0)} are asked for."
    )


def _trials_sentence(result: RunResult) -> str:
    count = f"{result.trials.sentence}."
    if not result.trials.verified:
        return (
            f"{count} THE LEDGER OF TRIALS IS NOT WHOLE: no count from it can be trusted, so no profit is supported, "
            "whatever the ratios say."
        )
    return f"{count} {deflated_sentence(result)}"


def active_days(returns: NDArray[np.float64]) -> int:
    """On how many days a strategy's wealth changed."""
    return int(np.count_nonzero(returns))


def few_days_sentence(result: RunResult) -> str:
    """On how few days the strategy's Sharpe ratio rests; empty if there are enough."""
    found = [one for one in result.laboratory.strategies if one.name == ENSEMBLE] if result.laboratory else []
    if not found:
        return ""
    active, days = active_days(found[0].returns), len(found[0].returns)
    if not 0 < active < FEW_DAYS:
        return ""
    return (
        f"The strategy's wealth changed on only {active:,} of {days:,} days; the interval of its Sharpe ratio is a "
        f"normal approximation that needs {FEW_DAYS} or more, so it is a rough guess."
    )


def overfitted(laboratory: Laboratory | None) -> tuple[Overfitting, ...]:
    """The sets of strategies among which the best of the past does worse than a coin."""
    found = laboratory.overfitting if laboratory else ()
    return tuple(one for one in found if one.probability is not None and one.probability > COIN)


def _overfitting_sentence(result: RunResult) -> str:
    found = overfitted(result.laboratory)
    if not found:
        return ""
    sets = "; ".join(f"{one.among}, {percent(one.probability)}" for one in found)
    return (
        "Choosing among these by past performance is worse than a coin: the probability that the best of one half of "
        f"the days is at or below the median in the other half is above 50 % ({sets})."
    )


def singled_out(laboratory: Laboratory | None) -> dict[str, tuple[str, ...]]:
    """Benchmark to the single predictors that Romano and Wolf's stepdown finds better, where there are any."""
    found = laboratory.snooping if laboratory else ()
    alone = {one.benchmark: tuple(name for name in one.superior if name != ENSEMBLE) for one in found}
    return {benchmark: names for benchmark, names in alone.items() if names}


def _singled_out_sentence(result: RunResult) -> str:
    found = singled_out(result.laboratory)
    if not found:
        return ""
    texts = "; ".join(f"{listed(names)}, better than {benchmark}" for benchmark, names in found.items())
    return (
        f"Traded alone, and allowing for all predictors that were looked at, these stand out at 5 %: {texts}. "
        "Trials in the ledger are not counted in that."
    )


def path_sharpes(paths: Paths | None) -> tuple[float, ...]:
    """The annual Sharpe ratios of the paths that have one, from the least to the greatest."""
    return tuple(sorted(one.sharpe.value for one in paths.paths if one.sharpe.value is not None)) if paths else ()


def _funding_sentence(result: RunResult) -> str:
    if not result.without_funding:
        return ""
    return (
        "Perpetuals were traded without funding events: no funding was charged or received, and every return leaves it "
        "out."
    )


def _paper_sentence(result: RunResult) -> str:
    if result.paper is None:
        return ""
    rows = ", ".join(f"{part.equal:,} of {part.rows:,} {part.what}" for part in result.paper.parity)
    returned = percent_between(result.paper.backtest.net_performance.total_return_estimate, signed=True)
    stretch = period(result.paper.backtest.stretch)
    text = f"On the untouched last stretch ({stretch}) the live loop returned {returned} on paper, after costs,"
    if result.paper.identical:
        return f"{text} and agreed with research in every byte ({rows})."
    return f"{text} but did NOT agree with research ({rows}): do not promote."


def _headline(prediction: bool, profit: bool) -> str:
    if prediction and profit:
        return "These statistics support an edge, in prediction and after costs."
    nothing = "No edge is supported by these statistics"
    if prediction:
        return f"{nothing}: the predictions carry information, but no profit after costs is supported."
    if profit:
        return f"{nothing}: the profit is not explained by predictions better than the base rate."
    return f"{nothing}."


def profitable(result: RunResult) -> bool:
    """Whether profit is supported: by the interval, and after every trial in a whole ledger is counted."""
    deflated = laboratory_deflated(result).deflated
    return (
        result.backtest is not None
        and result.backtest.net_performance.sharpe_annual.above_zero
        and deflated is not None
        and deflated >= CONFIDENT
        and result.trials.verified
    )


def verdict(result: RunResult) -> Verdict:
    """What a run's statistics support, computed from its intervals and the trials that touched its data."""
    gain = information_gain(result)
    differences = _log_loss_differences(result)
    better = tuple(found.other for found in differences if found.difference.below_zero)
    worse = tuple(found.other for found in differences if found.difference.above_zero)
    undecided = tuple(found.other for found in differences if found.other not in better + worse)
    profit = profitable(result)
    sentences = (
        _prediction_sentence(gain),
        _profit_sentence(result),
        few_days_sentence(result),
        _trials_sentence(result),
        _overfitting_sentence(result),
        _singled_out_sentence(result),
        _funding_sentence(result),
        _hold_sentence(result),
        _member_sentence(better, worse, undecided),
        unlearned_sentence(result),
        _evidence_sentence(result, gain),
        _paper_sentence(result),
    )
    return Verdict(
        prediction_supported=gain.above_zero,
        profit_supported=profit,
        better_members=better,
        worse_members=worse,
        undecided_members=undecided,
        headline=_headline(gain.above_zero, profit),
        sentences=tuple(sentence for sentence in sentences if sentence),
    )
