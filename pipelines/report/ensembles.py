"""What the report says of the ways to combine the members, as plain rows of text."""

from __future__ import annotations

from typing import Any

from pipelines.ensembles import Combined, Diversity, EnsembleStudy, Sets
from pipelines.report.claims import claims_view
from pipelines.results import Estimate, RunResult
from pipelines.verdict import interval, listed, number, percent, percent_between

Row = dict[str, Any]
NAMES = {
    "stack": "stacking",
    "mean": "mean",
    "weighted": "mean weighted by gain",
    "bma": "Bayesian model averaging",
    "platt": "Platt’s line",
    "temperature": "temperature",
    "isotonic": "isotonic",
    "none": "none",
    "auto": "best until then",
}


def ensembles_view(result: RunResult) -> Row | None:
    """The sentences and the tables' rows; None if nothing was looked at."""
    study = result.ensemble_study
    if study is None:
        return None
    return {
        "sentence": sentence(study),
        "diversity": diversity_sentence(study.diversity),
        "pools": [_row(one) for one in study.of("pool")],
        "calibrations": [_row(one) for one in study.of("calibration")],
        "sets": [_sets_row(one) for one in study.sets],
        "claimed": claims_view(study.claims, result.meta_study),
        "refused": [(NAMES[name], why) for name, why in study.refused.items()],
    }


def sentence(study: EnsembleStudy) -> str:
    """Whether some other way is better than the run's beyond chance."""
    others = [one for one in study.combined if not one.chosen]
    better = tuple(NAMES[one.name] for one in others if one.difference.below_zero)
    worse = sum(one.difference.above_zero for one in others)
    level = percent(study.level, 0)
    looked = f"{len(others)} other ways to combine the same members, on the same decisions"
    if better:
        return (
            f"Of {looked}, the {level} intervals say that {listed(better)} had a lower log loss than this run's. They "
            "are not corrected for looking at so many; a training with another way is a trial of its own."
        )
    worse_text = f", and of {worse} they say a higher one" if worse else ""
    return f"Of {looked}, the {level} intervals give none a lower log loss than this run's{worse_text}."


def diversity_sentence(found: Diversity) -> str:
    """What the members' mean gains by their difference."""
    return (
        f"The Brier score of the members on average is {number(found.brier_members, 5)}; their plain mean's is lower "
        f"by how far they differ, {number(found.brier_ambiguity, 5)} (Krogh and Vedelsby 1995): "
        f"{number(found.brier_mean, 5)}."
    )


def _sets_row(one: Sets) -> Row:
    return {
        "coverage": percent(one.coverage, 0),
        "held": percent_between(one.held),
        "single": percent_between(one.single),
        "right": percent_between(one.right),
        "empty": percent(one.empty),
    }


def _row(one: Combined) -> Row:
    gain = one.scores.get("information_gain", Estimate(None))
    weights = ", ".join(f"{name} {number(value, 2, signed=True)}" for name, value in one.weights.items())
    return {
        "name": NAMES[one.name],
        "chosen": one.chosen,
        "auc": interval(one.scores.get("auc", Estimate(None)), 3),
        "gain": interval(gain, 5, signed=True),
        "error": interval(one.scores.get("calibration_error", Estimate(None)), 3),
        "difference": "this run" if one.chosen else interval(one.difference, 5, signed=True),
        "weights": weights,
    }
