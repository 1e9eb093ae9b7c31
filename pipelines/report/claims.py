"""What the report says of claims: claimed beside measured, and precision at coverage."""

from __future__ import annotations

from typing import Any

from pipelines.claims import CLAIMED_ACCURACY, CLAIMED_FALSE_POSITIVES, CLAIMED_IMPROVEMENT, Claims
from pipelines.meta import MetaStudy
from pipelines.verdict import percent, percent_between

Row = dict[str, Any]


def claims_view(found: Claims | None, study: MetaStudy | None = None) -> Row | None:
    """The rows of both tables; None if nothing was measured. ``study``: of the second stage, if there is one."""
    if found is None:
        return None
    shares, rows = precision_rows(found, study)
    return {
        "claims": [
            ("accuracy", percent(CLAIMED_ACCURACY, 0), percent_between(found.accuracy)),
            (
                "false positives, of what went down",
                f"under {percent(CLAIMED_FALSE_POSITIVES, 0)}",
                percent_between(found.false_positives),
            ),
            (
                f"accuracy above the best member’s ({found.best_member})",
                percent(CLAIMED_IMPROVEMENT, 0, signed=True),
                percent_between(found.improvement, signed=True),
            ),
        ],
        "shares": shares,
        "precision": rows,
        "by_second_stage": study is not None,
    }


def precision_rows(found: Claims, study: MetaStudy | None) -> tuple[list[str], list[tuple[str, list[str]]]]:
    """Shares of the surest decisions, and how often those were right: by the ensemble, or by both on the same ones."""
    shares = [one.coverage for one in found.precision]
    said = [percent(one, 0) for one in shares]
    if study is None:
        return said, [("right", [percent_between(one.precision) for one in found.precision])]
    points = [one for share in shares if (one := study.out_of_fold.at(share)) is not None]
    return [percent(one.coverage, 0) for one in points], [
        ("right, surest by the second stage", [percent_between(one.meta.precision) for one in points]),
        ("right, surest by the ensemble", [percent_between(one.ensemble.precision) for one in points]),
    ]
