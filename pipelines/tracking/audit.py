"""What the leakage audit becomes in MLflow: metrics under ``audit/``, a tag to filter by, one table."""

from __future__ import annotations

from pipelines.audit.findings import UNTOUCHED
from pipelines.audit.text import HEADINGS, headline, rows
from pipelines.results import RunResult
from pipelines.tracking.content import Metrics, Table, table


def audit_metrics(result: RunResult) -> Metrics:
    """``audit/…``: whether it is clean, and how many columns leak, were reached by nothing, and were compared."""
    audit = result.audit
    if audit is None:
        return {}
    return {
        "audit/clean": float(audit.clean),
        "audit/leaks": float(len(audit.leaks)),
        "audit/untouched": float(sum(one.verdict == UNTOUCHED for one in audit.findings)),
        "audit/columns": float(len(audit.findings)),
        "audit/cells": float(audit.compared),
        "audit/cuts": float(len(audit.cuts)),
    }


def audit_tags(result: RunResult) -> dict[str, str]:
    """``bot4.audit``: the scope and the verdict in a word, and a sentence where something leaks."""
    audit = result.audit
    if audit is None:
        return {"bot4.audit": "none"}
    return {"bot4.audit": f"{audit.scope}, clean" if audit.clean else headline(audit)}


def audit_tables(result: RunResult) -> dict[str, Table]:
    """``audit``: a row a column."""
    if result.audit is None or not result.audit.findings:
        return {}
    return {"audit": table(tuple(name.replace(" ", "_") for name in HEADINGS), rows(result.audit))}
