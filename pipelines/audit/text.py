"""An audit in words and in a table, for a terminal, a report and machines."""

from __future__ import annotations

from typing import Any

import msgspec

from market.time import SECOND, format_time
from pipelines.audit.findings import LEAK, UNTOUCHED, Audit, Finding

HEADINGS = ("stage", "column", "verdict", "first change", "size", "compared", "by")


def headline(audit: Audit) -> str:
    """The verdict in one sentence.

    Examples
    --------
    >>> print(headline(Audit("sampled", 7, (), (), (Finding("features", "rsi_14", 1000, moved=5),))))
    No leak: 1,000 cells of 1 column kept every byte.
    """
    columns = f"{len(audit.findings):,} {'column' if len(audit.findings) == 1 else 'columns'}"
    if audit.clean:
        return f"No leak: {audit.compared:,} cells of {columns} kept every byte."
    if not audit.leaks:
        return f"Nothing was compared: {columns}, no cell."
    names = ", ".join(f"{one.stage}/{one.column}" for one in audit.leaks[:5])
    more = f" and {len(audit.leaks) - 5} more" if len(audit.leaks) > 5 else ""
    return f"LEAK: {len(audit.leaks)} of {columns} changed where they must not: {names}{more}."


def sentences(audit: Audit) -> tuple[str, ...]:
    """What was done, and what it does not show."""
    cuts = "1 cut" if len(audit.cuts) == 1 else f"{len(audit.cuts)} cuts"
    changes = ", ".join(audit.perturbations)
    done = (
        f"{audit.scope.capitalize()} audit, {cuts}, seed {audit.seed}. What was changed: {changes}. What cannot depend "
        "on it had to keep its bytes."
    )
    return tuple(one for one in (done, not_shown(audit)) if one)


def not_shown(audit: Audit) -> str:
    """Of which columns nothing is shown, because no change reached them; empty if there are none."""
    untouched = [one for one in audit.findings if one.verdict == UNTOUCHED]
    if not untouched:
        return ""
    names = ", ".join(f"{one.stage}/{one.column}" for one in untouched[:8])
    more = f" and {len(untouched) - 8} more" if len(untouched) > 8 else ""
    return f"No change reached {names}{more}: of these nothing is shown."


def size(finding: Finding) -> str:
    """The largest change for reading.

    Examples
    --------
    >>> size(Finding("f", "a", 1, 1, size=0.000123456)), size(Finding("f", "a", 1, 1)), size(Finding("f", "a", 1))
    ('0.000123', 'other bytes', '')
    """
    if not finding.changed:
        return ""
    return "other bytes" if finding.size is None else f"{finding.size:.3g}"


def first_change(finding: Finding) -> str:
    """Where a column changed first."""
    if finding.first is None:
        return ""
    return f"{format_time(finding.first // SECOND * SECOND)} {finding.place}".rstrip()


def rows(audit: Audit) -> list[tuple[str, ...]]:
    """One row a column, `HEADINGS`; leaks first, else in the stages' order."""
    ordered = sorted(audit.findings, key=lambda one: one.verdict != LEAK)
    return [
        (
            one.stage,
            one.column,
            one.verdict,
            first_change(one),
            size(one),
            f"{one.compared:,}",
            ": ".join(part for part in (one.perturbation, one.detail) if part),
        )
        for one in ordered
    ]


def document(audit: Audit) -> dict[str, Any]:
    """The audit as plain values, with its verdict and every column's."""
    plain: dict[str, Any] = msgspec.to_builtins(audit)
    plain["clean"] = audit.clean
    for one, finding in zip(plain["findings"], audit.findings, strict=True):
        one["verdict"] = finding.verdict
    return plain
