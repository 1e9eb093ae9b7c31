"""What a comparison supports, in words: no run is called better unless the paired tests say so."""

from __future__ import annotations

from collections.abc import Sequence
from math import ceil, log10

from pipelines.comparison.paired import Pair, PairedTest
from pipelines.report.laboratory import probability
from pipelines.results import Estimate
from pipelines.verdict import interval, listed, number

Labels = Sequence[str]


def headline(pairs: Sequence[Pair], labels: Labels) -> str:
    """Which run predicts better, if any; one sentence."""
    tested = [pair for pair in pairs if isinstance(pair.loss, PairedTest)]
    best = winner(pairs, len(labels))
    if not tested:
        reasons = "; ".join(dict.fromkeys(str(pair.loss) for pair in pairs))
        return f"The predictions of {listed(tuple(labels))} cannot be compared: {reasons}."
    if len(labels) == 2:
        return _two(tested[0], labels)
    named, decided = listed(tuple(labels)), [pair for pair in tested if _loss(pair).decided]
    some = "" if len(tested) == len(pairs) else " that could be compared"
    adjusted = f"p-values adjusted for {len(tested)} {'pair' if len(tested) == 1 else 'pairs'} by Holm's method"
    if best is not None:
        mine = [pair for pair in tested if best in (pair.one, pair.other)]
        others = len(labels) - 1
        return f"{labels[best]} predicts better than each of the other {others}: {_all(mine, labels)}; {adjusted}."
    if decided:
        return f"None of {named} predicts better than all others: {_all(decided, labels)}; {adjusted}."
    nearest = min(tested, key=lambda pair: _loss(pair).p_value)
    return (
        f"No two of {named}{some} can be told apart by their predictions, not even where the evidence is strongest: "
        f"{standing(nearest, labels)}; {adjusted}."
    )


def winner(pairs: Sequence[Pair], count: int) -> int | None:
    """The run whose log loss is lower than every other's beyond chance, by its place; None if there is none."""
    for place in range(count):
        mine = [pair for pair in pairs if place in (pair.one, pair.other)]
        if all(
            isinstance(pair.loss, PairedTest) and pair.loss.decided == (-1 if pair.one == place else 1) for pair in mine
        ):
            return place
    return None


def _two(pair: Pair, labels: Labels) -> str:
    test = _loss(pair)
    one, other = labels[pair.one], labels[pair.other]
    gap = (
        f"the log loss of {one} minus that of {other} is {_gap(test)} nats per decision (95 % interval, p "
        f"{probability(test.p_value)}) on the same {test.rows:,} decisions, about {number(test.effective, 0)} "
        "independent ones"
    )
    if not test.decided:
        return f"{one} and {other} cannot be told apart by their predictions: {gap}."
    better, worse = (one, other) if test.decided < 0 else (other, one)
    return f"{better} predicts better than {worse}: {gap}."


def standings(pairs: Sequence[Pair], labels: Labels) -> tuple[str, ...]:
    """How every two that were tested stand."""
    return tuple(f"{standing(pair, labels)}." for pair in pairs if isinstance(pair.loss, PairedTest))


def standing(pair: Pair, labels: Labels) -> str:
    """How two runs stand by their predictions; the pair must have been tested."""
    test = _loss(pair)
    one, other = labels[pair.one], labels[pair.other]
    verb = {-1: "predicts better than", 1: "predicts worse than", 0: "cannot be told from"}[test.decided]
    return f"{one} {verb} {other} (log loss {_gap(test)} nats, adjusted p {probability(test.adjusted)})"


def _all(tested: Sequence[Pair], labels: Labels) -> str:
    return "; ".join(standing(pair, labels) for pair in tested)


def _loss(pair: Pair) -> PairedTest:
    if isinstance(pair.loss, str):
        raise TypeError(f"this pair was not tested: {pair.loss}")
    return pair.loss


def _gap(test: PairedTest) -> str:
    """The difference with its interval, in five decimals; in more where a bound that decides would else read as 0."""
    found, nearest = test.difference, min(abs(test.difference.low), abs(test.difference.high))
    digits = max(5, 2 - ceil(log10(nearest))) if test.decided and nearest > 0 else 5
    return interval(Estimate(found.value, found.low, found.high), digits, signed=True)


def selection(labels: Labels) -> str:
    """What choosing among the compared runs does to the numbers of the one that is chosen."""
    return (
        f"{len(labels)} runs are compared here. Whoever keeps the best of them chooses, and its own figures are then "
        "too good: judge it by the trials that the ledger has counted, and by data that none of them has seen. An "
        "interval beside a pair is of that pair alone."
    )


def refusals(pairs: Sequence[Pair], labels: Labels) -> tuple[str, ...]:
    """Which tests there are not, and why."""
    found = []
    for pair in pairs:
        both = f"{labels[pair.one]} and {labels[pair.other]}"
        if isinstance(pair.loss, str):
            found.append(f"Predictions of {both} are not compared: {pair.loss}.")
        if isinstance(pair.sharpe, str):
            found.append(f"Sharpe ratios of {both} are not compared: {pair.sharpe}.")
    return tuple(found)


def trading(pairs: Sequence[Pair], labels: Labels) -> tuple[str, ...]:
    """Whose Sharpe ratio after costs is higher, pair by pair."""
    return tuple(_traded(pair, pair.sharpe, labels) for pair in pairs if isinstance(pair.sharpe, PairedTest))


def _traded(pair: Pair, test: PairedTest, labels: Labels) -> str:
    found = test.difference
    gap = interval(Estimate(found.value, found.low, found.high), 2, signed=True)
    if test.lost:
        return (
            f"{labels[pair.one]} and {labels[pair.other]} both lost after costs on the same {test.rows:,} days: a "
            f"Sharpe ratio below 0 rises with risk, so their difference, {gap} a year, speaks for neither."
        )
    verb = {-1: "has a lower", 1: "has a higher", 0: "cannot be shown to have another"}[test.decided]
    return (
        f"{labels[pair.one]} {verb} Sharpe ratio after costs than {labels[pair.other]}: the difference is {gap} a year "
        f"on the same {test.rows:,} days (adjusted p {probability(test.adjusted)})."
    )
