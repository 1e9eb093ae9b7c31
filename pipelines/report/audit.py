"""The report's view of the leakage audit: plain rows of text."""

from __future__ import annotations

from typing import Any

from pipelines.audit.findings import LEAK
from pipelines.audit.text import HEADINGS, headline, rows, sentences
from pipelines.results import RunResult

Row = dict[str, Any]


def audit_view(result: RunResult) -> Row | None:
    """The verdict, a line a stage, and every column; None if the run was not audited."""
    audit = result.audit
    if audit is None:
        return None
    stages: dict[str, Row] = {}
    for one in audit.findings:
        row = stages.setdefault(one.stage, {"name": one.stage, "columns": 0, "cells": 0, "leaks": 0, "untouched": 0})
        row["columns"] += 1
        row["cells"] += one.compared
        row["leaks"] += one.verdict == LEAK
        row["untouched"] += one.verdict == "untouched"
    return {
        "clean": audit.clean,
        "headline": headline(audit),
        "sentences": sentences(audit),
        "stages": [{**row, "cells": f"{row['cells']:,}"} for row in stages.values()],
        "headings": HEADINGS,
        "rows": rows(audit),
    }
