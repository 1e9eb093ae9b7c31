"""Verdicts as a table, for a terminal and for Markdown."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import zip_longest
from textwrap import wrap

from models.bundle.store import Verdict
from pipelines.commands.options import table

HEADINGS = ("gate", "verdict", "measured", "needed")
MEASURED, NEEDED = 64, 36
"""Widths of the columns with sentences, in characters."""


def verdict_table(verdicts: Sequence[Verdict]) -> str:
    """One row a gate, its sentences wrapped.

    Examples
    --------
    >>> print(verdict_table([Verdict("expiry", False, "trained 100 days ago", "at most 90 days")]))
    gate    verdict  measured              needed
    expiry  FAILED   trained 100 days ago  at most 90 days
    """
    return table(HEADINGS, [line for one in verdicts for line in _lines(one)])


def _lines(one: Verdict) -> list[tuple[str, ...]]:
    columns = ([one.gate], [one.word], wrap(one.reason, MEASURED), wrap(one.needed, NEEDED))
    return list(zip_longest(*columns, fillvalue=""))


def verdict_markdown(verdicts: Sequence[Verdict]) -> str:
    r"""The same as a table in Markdown.

    Examples
    --------
    >>> print(verdict_markdown([Verdict("expiry", True, "trained a|b days ago", "90 days")]))
    | gate | verdict | measured | needed |
    |---|---|---|---|
    | expiry | passed | trained a\|b days ago | 90 days |
    """
    rows = [HEADINGS, *((one.gate, one.word, one.reason, one.needed) for one in verdicts)]
    head, *lines = ("| " + " | ".join(cell.replace("|", "\\|") for cell in row) + " |" for row in rows)
    return "\n".join([head, "|---" * len(HEADINGS) + "|", *lines])


def refusal(verdicts: Sequence[Verdict]) -> str:
    """In one line what was not passed; empty if everything was.

    Examples
    --------
    >>> refusal([Verdict("drift", False, judged=False), Verdict("expiry", False), Verdict("parity", True)])
    'drift: not enough evidence; expiry: FAILED'
    """
    return "; ".join(f"{one.gate}: {one.word}" for one in verdicts if not one.passed)
