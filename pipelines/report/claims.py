"""What the report says of claims: claimed beside measured, and precision at coverage."""

from __future__ import annotations

from typing import Any

from pipelines.claims import CLAIMED_ACCURACY, CLAIMED_FALSE_POSITIVES, CLAIMED_IMPROVEMENT, Claims
from pipelines.verdict import percent, percent_between

Row = dict[str, Any]


def claims_view(found: Claims | None) -> Row | None:
    """The rows of both tables; None if nothing was measured."""
    if found is None:
        return None
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
        "precision": [(percent(one.coverage, 0), percent_between(one.precision)) for one in found.precision],
    }
