"""What the importances become in MLflow: one table; the figures are the gallery's."""

from __future__ import annotations

from pipelines.results import RunResult, is_known
from pipelines.tracking.content import Table, table


def importance_tables(result: RunResult) -> dict[str, Table]:
    """``importances``: a row for every member, method and feature or cluster; none if nothing was asked."""
    study = result.importance_study
    if study is None:
        return {}
    rows = [
        (one.member, one.title, one.unit, name, *(float(number) if is_known(number) else None for number in numbers))
        for one in study.tables
        for name, *numbers in zip(one.names, one.mean, one.low, one.high, strict=True)
    ]
    return {"importances": table(("member", "method", "unit", "feature", "mean", "low", "high"), rows)}
