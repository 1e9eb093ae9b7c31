"""A study in words: what is best, by how much, and how much of that is the luck of the best of many."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from pipelines.estimate import is_known
from pipelines.tuning.dimensions import spelt
from pipelines.verdict import interval

if TYPE_CHECKING:
    from pipelines.tuning.summary import StudySummary, TrialRow

SHOWN = 10
UNITS = {"loss": "nats", "turnover": "times equity", "latency": "µs"}


def value_text(value: Any) -> str:
    """A searched value for reading.

    Examples
    --------
    >>> value_text(0.0123456), value_text(31), value_text(["rsi_14"])
    ('0.01235', '31', '["rsi_14"]')
    """
    return f"{value:.4g}" if isinstance(value, float) else spelt(value)


def short(keys: Mapping[str, str]) -> dict[str, str]:
    """Keys by their last two words, which tell a member's key from another's.

    Examples
    --------
    >>> short({"members.lightgbm.leaves": "", "ensemble.ridge": ""})
    {'members.lightgbm.leaves': 'lightgbm.leaves', 'ensemble.ridge': 'ensemble.ridge'}
    """
    return {key: ".".join(key.split(".")[-2:]) for key in keys}


def trial_lines(summary: StudySummary) -> tuple[tuple[str, ...], list[tuple[str, ...]]]:
    """Headings and rows of the best trials, or of the Pareto front, the least loss first."""
    keys = short(summary.keys)
    others = [name for name in summary.objectives if name != "loss"]
    chosen = [one for one in summary.ranked if one.number in summary.front] if summary.front else summary.ranked[:SHOWN]
    rows = [
        (
            f"{one.number}{' (base)' if one.is_base else ''}",
            interval(one.loss, 5),
            *(f"{one.values[name]:.4g}" for name in others),
            *(value_text(one.parameters[key]) for key in keys),
        )
        for one in chosen
    ]
    return ("trial", "log loss, nats", *(f"{name}, {UNITS[name]}" for name in others), *keys.values()), rows


def counted(summary: StudySummary) -> str:
    """How many trials there were and what became of them."""
    finished, pruned, failed = (len(summary.of(one)) for one in ("finished", "pruned", "failed"))
    parts = [f"{finished} finished", f"{pruned} stopped early", f"{failed} failed"]
    return f"{len(summary.trials)} trials: {', '.join(parts)}. All of them count in every verdict on these data."


def sentences(summary: StudySummary) -> list[str]:
    """What may be said of a study, and what may not."""
    best = summary.trial(summary.best)
    found = [counted(summary), against_base(summary, best)]
    if summary.front:
        found.append(front_sentence(summary))
    if is_known(summary.luck):
        found.append(luck_sentence(summary))
    return found


def against_base(summary: StudySummary, best: TrialRow) -> str:
    """The best trial beside the training's own configuration."""
    base, own = summary.base["loss"], best.values["loss"]
    if best.is_base:
        return f"No trial has a lower log loss than the training's own configuration, {base:.5f}."
    paired = f" (paired difference {interval(summary.difference, 5)})" if is_known(summary.difference.value) else ""
    return (
        f"Trial {best.number} has the least log loss of the {summary.predictor} out of fold, {own:.5f} nats per "
        f"decision; the training's own configuration has {base:.5f}{paired}. No interval here knows that the trial was "
        "chosen among others."
    )


def front_sentence(summary: StudySummary) -> str:
    """What the Pareto front is, and what is not to be made of it."""
    noisy = (
        " Latency was measured while other work ran: small differences are noise."
        if "latency" in summary.objectives
        else ""
    )
    return (
        f"The {len(summary.front)} listed are the front of {', '.join(summary.objectives)}: no trial is at least as "
        f"good in all of them and better in one. Which to take is a choice.{noisy}"
    )


def luck_sentence(summary: StudySummary) -> str:
    """How lucky the best of as many is, and what is left."""
    best = summary.trial(summary.best).values["loss"]
    luck, probability = float(summary.luck or 0.0), float(summary.luck_probability or 0.0)
    return (
        f"The best of many looks better than it is: the best of {summary.compared} equally good trials, as correlated "
        f"as these, would look {luck:.5f} nats better than the truth. Expect {best + luck:.5f} of this one rather than "
        f"{best:.5f}. If none were better than the training's own configuration, the best would look this good with a "
        f"probability of {probability:.3f} (White's reality check)."
    )
