"""What the report says of the second stage, as plain rows of text."""

from __future__ import annotations

from typing import Any

from pipelines.meta import Choice, MetaScores, MetaStudy
from pipelines.results import RunResult
from pipelines.verdict import interval, number, percent, percent_between

Row = dict[str, Any]
SHOWN = (1.0, 0.5, 0.25, 0.1, 0.05)
CUTS = (
    "Which decisions are the surest 5 to 100 % was cut on the same decisions that their precision is of; live, such a "
    "cut is not known beforehand."
)


def meta_view(result: RunResult) -> Row | None:
    """The sentences and the tables' rows; None if the run has no second stage."""
    study = result.meta_study
    if study is None:
        return None
    parts = [
        (f"out of fold, from fold {study.first} on", study.out_of_fold),
        ("on the untouched stretch", study.holdout),
    ]
    return {
        "sentence": sentence(study),
        "sizing": sizing(study),
        "weights": [(one, number(it, 3, signed=True)) for one, it in zip(study.inputs, study.weights, strict=True)],
        "parts": [_part(title, found) for title, found in parts if found is not None],
        "limits": second_stage_limits(study),
    }


def sentence(study: MetaStudy) -> str:
    """Whether the second stage knows when the ensemble is right, beyond chance, and beyond what the ensemble says."""
    found = study.out_of_fold
    against_base = interval(found.gain, 5, signed=True)
    against_ensemble = interval(found.over_ensemble, 5, signed=True)
    measured = (
        f"On {found.rows:,} decisions out of fold it gained {against_base} nats of log loss over the base rate, and "
        f"{against_ensemble} over the ensemble’s own confidence"
    )
    if found.gain.above_zero and found.over_ensemble.above_zero:
        return f"{measured}: it knows of when the side is right what the ensemble does not say.{_later(study)}"
    if found.gain.below_zero or found.over_ensemble.below_zero:
        return f"{measured}: it does harm, and is to be left out."
    if found.gain.above_zero:
        return f"{measured}: it adds nothing that is supported to what the ensemble says itself."
    return f"{measured}: it does not help. It cannot be told from always saying how often the side was right before."


def _later(study: MetaStudy) -> str:
    """What the untouched stretch adds to a finding."""
    if study.holdout is None:
        return ""
    held = f"the gain over the base rate was {interval(study.holdout.gain, 5, signed=True)}"
    if study.holdout.gain.above_zero:
        return f" On the untouched stretch, too, {held}."
    return f" On the untouched stretch {held}, which does not confirm it."


def sizing(study: MetaStudy) -> str:
    """Whether it sized the bets, and how often it made none."""
    share = percent_between(study.out_of_fold.share)
    if study.sizing:
        return (
            f"It sized the bets: none where the side is rather wrong, which left {share} of the decisions. In fold "
            f"{study.first - 1}, before there is a second stage, nothing was staked."
        )
    return f"It sized no bet (meta.sizing). It would have acted on {share} of the decisions."


def second_stage_limits(study: MetaStudy) -> tuple[str, ...]:
    """What is not known of the second stage, by what was measured of it."""
    found = (_evidence(study), CUTS, _untouched(study), _unsupported_bets(study))
    return tuple(one for one in found if one)


def _evidence(study: MetaStudy) -> str:
    """How little it is known from, and what that could not have shown."""
    found = study.out_of_fold
    folds = f"{study.folds} fold{'s' if study.folds > 1 else ''}, from fold {study.first} on"
    known = f"The second stage is known from about {number(found.effective, 0)} independent decisions of {folds}"
    over = found.over_ensemble
    if over.bounds is None:
        return f"{known}; whether it knows more than the ensemble is undefined."
    gain = f"its gain over the ensemble’s own confidence, {interval(over, 5, signed=True)} nats of log loss,"
    if over.above_zero or over.below_zero:
        return f"{known}: {gain} is of these alone."
    half = (over.bounds[1] - over.bounds[0]) / 2
    return f"{known}: {gain} includes zero, and one much below {number(half, 5)} could not be seen."


def _untouched(study: MetaStudy) -> str:
    """What the untouched stretch leaves open."""
    held = study.holdout
    if held is None:
        if study.holdout_note:
            return f"The untouched stretch says nothing of the second stage: {study.holdout_note}."
        return "The second stage was not looked at on the untouched stretch."
    over, rows = held.over_ensemble, number(held.effective, 0)
    if over.above_zero:
        return ""
    side = "says that it does harm" if over.below_zero else "does not confirm it"
    return (
        f"The untouched stretch, about {rows} independent decisions, {side}: there its gain over the ensemble’s own "
        f"confidence is {interval(over, 5, signed=True)} nats of log loss."
    )


def _unsupported_bets(study: MetaStudy) -> str:
    if not study.sizing or study.out_of_fold.over_ensemble.above_zero:
        return ""
    return "The second stage sizes the bets, though nothing shows that it knows more than the ensemble says itself."


def _part(title: str, found: MetaScores) -> Row:
    points = [one for share in SHOWN if (one := found.at(share)) is not None]
    acted = None if found.acted is None else _choice("all it acts on", found.acted)
    return {
        "title": title,
        "rows": f"{found.rows:,}",
        "effective": number(found.effective, 0),
        "right": percent_between(found.right),
        "gain": interval(found.gain, 5, signed=True),
        "over": interval(found.over_ensemble, 5, signed=True),
        "acted": acted,
        "shares": [
            {
                "coverage": percent(one.coverage, 0),
                "difference": percent_between(one.difference, signed=True),
                "choices": [_choice("the ensemble", one.ensemble), _choice("the second stage", one.meta)],
            }
            for one in points
        ],
    }


def _choice(name: str, one: Choice) -> Row:
    return {
        "name": name,
        "precision": percent_between(one.precision),
        "recall": percent_between(one.recall),
        "f1": interval(one.f1, 3),
        "false_positives": percent_between(one.false_positives),
    }
