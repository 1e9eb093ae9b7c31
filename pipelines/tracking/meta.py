"""What the second stage becomes in MLflow: metrics under ``meta/`` and one table; the figure is the gallery's."""

from __future__ import annotations

from pipelines.meta import MetaScores
from pipelines.results import Number, RunResult
from pipelines.tracking.content import Metrics, Table, estimated, known, table

CHOICE = ("precision", "recall", "f1", "false_positives")
SURE = 0.1
"""The share of the surest decisions whose precision is a metric; the table has all."""


def _stretches(result: RunResult) -> dict[str, MetaScores]:
    study = result.meta_study
    if study is None:
        return {}
    return {"oof": study.out_of_fold} | ({} if study.holdout is None else {"holdout": study.holdout})


def meta_metrics(result: RunResult) -> Metrics:
    """``meta/oof/…`` and ``meta/holdout/…``, each with its interval; none without a second stage."""
    values: dict[str, Number] = {}
    for stretch, found in _stretches(result).items():
        prefix = f"meta/{stretch}"
        values |= estimated(f"{prefix}/information_gain", found.gain)
        values |= estimated(f"{prefix}/information_gain_over_ensemble", found.over_ensemble)
        values |= estimated(f"{prefix}/share_acted_on", found.share) | estimated(f"{prefix}/right", found.right)
        if found.acted is not None:
            for name in CHOICE:
                values |= estimated(f"{prefix}/{name}", getattr(found.acted, name))
        sure = found.at(SURE)
        if sure is not None:
            values |= estimated(f"{prefix}/precision_at_{SURE:.0%}".replace("%", "_percent"), sure.meta.precision)
    return known(values)


def meta_tables(result: RunResult) -> dict[str, Table]:
    """``meta``: precision, recall, F1 and false positives at every share, of ensemble and second stage."""
    rows = []
    for stretch, found in _stretches(result).items():
        for one in found.curve:
            for by, choice in (("ensemble", one.ensemble), ("second stage", one.meta)):
                parts = [getattr(choice, name) for name in CHOICE]
                numbers = [number for part in parts for number in (part.value, part.low, part.high)]
                rows.append((stretch, one.coverage, by, *numbers))
    columns = [name for part in CHOICE for name in (part, f"{part}_low", f"{part}_high")]
    return {"meta": table(("stretch", "coverage", "by", *columns), rows)} if rows else {}
