"""What a run's features become in MLflow: counts under ``features/``, one table; the figures are the gallery's."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipelines.results import RunResult, is_known
from pipelines.tracking.content import Metrics, Table, table

NUMBERS = (
    *("missing", "mean", "deviation", "low", "median", "high", "skewness", "excess_kurtosis", "commonest"),
    *("outlying", "farthest"),
)
COLUMNS = (
    *("feature", "warmup", *NUMBERS, "autocorrelation", "half_life", "unit_root", "distance", "stability", "beyond"),
    *("repeats", "says_nothing", "wanders", "drifts", "shifts"),
)


def feature_metrics(result: RunResult) -> Metrics:
    """``features/…``: how many there are, and how many say nothing, repeat another, wander, drift, shift."""
    study = result.feature_study
    if study is None:
        return {}
    found = {
        "features/count": float(len(study.names)),
        "features/empty": float(study.empty.sum()),
        "features/repeats": float(len(study.repeats)),
        "features/wandering": float(study.wandering.sum()),
    }
    if study.drift is not None:
        found |= {
            "features/drifting": float(study.drifting.sum()),
            "features/shifting": float(study.shifting.sum()),
            "features/beyond": float(study.drift.beyond.mean()),
        }
    return found


def feature_tables(result: RunResult) -> dict[str, Table]:
    """``features``: a row a feature; none without a study."""
    study = result.feature_study
    if study is None:
        return {}
    unknown = np.full(len(study.names), np.nan)
    drift = study.drift
    moved = (
        (unknown, unknown, unknown)
        if drift is None
        else (drift.distance.mean(axis=0), drift.stability.mean(axis=0), drift.beyond.mean(axis=0))
    )
    numbers = (*(getattr(study.columns, name) for name in NUMBERS), study.autocorrelation, study.half_life)
    rows = [
        (
            name,
            int(study.columns.warmup[place]),
            *(_known(values, place) for values in (*numbers, study.roots.kept, *moved)),
            study.repeats.get(name, ("", 0.0))[0],
            *(bool(chosen[place]) for chosen in (study.empty, study.wandering, study.drifting, study.shifting)),
        )
        for place, name in enumerate(study.names)
    ]
    return {"features": table(COLUMNS, rows)}


def _known(values: NDArray[Any], place: int) -> float | None:
    value = float(values[place])
    return value if is_known(value) else None
