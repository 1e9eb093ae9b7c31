"""What the other ways to combine the members become in MLflow: one table; the figure is the gallery's."""

from __future__ import annotations

from pipelines.results import METRICS, Estimate, RunResult
from pipelines.tracking.content import Table, table

COLUMNS = ("kind", "way", "chosen", "log_loss_difference", "difference_low", "difference_high")


def ensemble_tables(result: RunResult) -> dict[str, Table]:
    """``ensembles``: a row for every way to combine the members; none if none was looked at."""
    study = result.ensemble_study
    if study is None:
        return {}
    rows = [
        (
            one.kind,
            one.name,
            one.chosen,
            one.difference.value,
            one.difference.low,
            one.difference.high,
            *(one.scores.get(metric, Estimate(None)).value for metric in METRICS),
        )
        for one in study.combined
    ]
    return {"ensembles": table((*COLUMNS, *METRICS), rows)}
