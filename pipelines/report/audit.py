"""The report's view of the leakage audit: plain rows of text."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import msgspec

from pipelines.audit.findings import LEAK, UNTOUCHED, Audit, Finding
from pipelines.audit.text import HEADINGS, headline, not_shown, rows
from pipelines.results import RunResult
from pipelines.verdict import day, listed

Row = dict[str, Any]
STAGES = {
    "data": "bars, as the lake gives them",
    "features": "every feature, row by row",
    "labels": "entries, ends, directions and moves",
    "weights": "uniqueness of labels",
    "splits": "which rows are learned from and tested on",
    "fitted": "members, stacker, calibration and any second stage, window by window",
    "predictions": "out of fold, by members, the ensemble and any second stage",
    "fills": "each no earlier than the bar behind its signal",
    "orders": "what the backtest sent",
    "journal": "every byte of the backtest’s journal",
}
"""The stages in the order in which they are made, and what of them is compared."""
CHANGES = {
    "scaled": "prices and amounts at another level",
    "sunken": "prices well below half, hardly any trade",
    "shifted": "a constant added to every price",
    "noisy": "every bar at a level of its own",
    "mirrored": "the path upside down about its last price",
    "permuted": "the same bars in another order",
    "flat": "a market that stands still, without trades",
    "shaken up": "wide ranges, other bodies, other flows",
    "truncated": "no future at all",
    "holed": "every third bar missing, and one long hole right after the cut",
    "instruments in another order": "nothing else",
    "delivered in pieces, the last one first": "the same bars, written into the lake in another order",
    "outside the training window": "every bar that a fit may not know",
}
"""How the world was changed, in words."""
RIGHT = ("size", "compared")
"""The headings of numbers."""


def audit_view(result: RunResult) -> Row | None:
    """The verdict, a line a stage, the changes, and every column; None if the run was not audited."""
    audit = result.audit
    if audit is None:
        return None
    ordered = msgspec.structs.replace(audit, findings=tuple(sorted(audit.findings, key=_place)))
    table = rows(ordered)
    used = [place for place, name in enumerate(HEADINGS) if name == "verdict" or any(row[place] for row in table)]
    return {
        "clean": audit.clean,
        "headline": headline(audit),
        "done": _done(audit),
        "not_shown": not_shown(audit),
        "changes": [(one, CHANGES.get(one, "")) for one in audit.perturbations],
        "stages": [
            _stage_row(stage, ordered.findings) for stage in dict.fromkeys(one.stage for one in ordered.findings)
        ],
        "headings": [(HEADINGS[place], HEADINGS[place] in RIGHT) for place in used],
        "rows": [
            {"cells": [(row[place], HEADINGS[place] in RIGHT) for place in used], "verdict": row[2]} for row in table
        ],
    }


def _done(audit: Audit) -> str:
    after = f" after {listed(tuple(dict.fromkeys(day(cut) for cut in sorted(audit.cuts))))}" if audit.cuts else ""
    return (
        f"A {audit.scope} audit, seed {audit.seed}: the stages of this run were made again in worlds that were changed"
        f"{after}, and what cannot depend on the change had to keep every byte."
    )


def _place(finding: Finding) -> int:
    known = list(STAGES)
    return known.index(finding.stage) if finding.stage in known else len(known)


def _stage_row(stage: str, findings: Iterable[Finding]) -> Row:
    mine = [one for one in findings if one.stage == stage]
    leaks, untouched = (sum(one.verdict == kind for one in mine) for kind in (LEAK, UNTOUCHED))
    some = f"{untouched} untouched"
    words = f"{leaks} leak" if leaks == 1 else f"{leaks} leaks" if leaks else "clean" if untouched < len(mine) else ""
    return {
        "name": stage,
        "what": STAGES.get(stage, ""),
        "columns": len(mine),
        "cells": f"{sum(one.compared for one in mine):,}",
        "verdict": LEAK if leaks else UNTOUCHED if untouched == len(mine) else "clean",
        "words": ", ".join(one for one in (words, some if untouched else "") if one),
    }
