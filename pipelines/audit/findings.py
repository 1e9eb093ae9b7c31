"""What an audit found, column by column: plain values that travel in a run's result."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

CLEAN, LEAK, UNTOUCHED = "clean", "leak", "untouched"


class Finding(msgspec.Struct, frozen=True):
    """One column of one stage, over all perturbations.

    ``compared``: cells that had to keep their bytes; ``changed``: those that did not. ``moved``: cells that were free
    to change and did; where none moved, the perturbations never reached the column and nothing was shown. Of the first
    change: ``first`` (its row's time, ns UTC), ``place`` (instrument or fold), ``perturbation`` and ``cut`` (ns UTC,
    None where there is none). ``size``: the largest absolute change; None where none is a number (a value that became
    missing). ``detail``: in words.
    """

    stage: str
    column: str
    compared: int
    changed: int = 0
    moved: int = 0
    first: int | None = None
    place: str = ""
    perturbation: str = ""
    cut: int | None = None
    size: float | None = None
    detail: str = ""

    @property
    def verdict(self) -> str:
        """``leak``, ``clean``, or ``untouched``: no perturbation reached it.

        Examples
        --------
        >>> [Finding("features", "a", 10, changed, moved).verdict for changed, moved in ((1, 5), (0, 5), (0, 0))]
        ['leak', 'clean', 'untouched']
        """
        if self.changed:
            return LEAK
        return CLEAN if self.moved else UNTOUCHED


class Audit(msgspec.Struct, frozen=True):
    """A finished audit: its findings, in the stages' order, and how it was made.

    ``scope``: ``sampled`` or ``full``; ``cuts``: the times (ns UTC) after which the world was changed;
    ``perturbations``: the ways in which it was.
    """

    scope: str
    seed: int
    cuts: tuple[int, ...]
    perturbations: tuple[str, ...]
    findings: tuple[Finding, ...]

    @property
    def leaks(self) -> tuple[Finding, ...]:
        """The columns that changed where they must not."""
        return tuple(one for one in self.findings if one.verdict == LEAK)

    @property
    def clean(self) -> bool:
        """Whether something was compared and nothing leaks."""
        return self.compared > 0 and not self.leaks

    @property
    def compared(self) -> int:
        """Cells compared, over all columns."""
        return sum(one.compared for one in self.findings)


def joined(findings: Iterable[Finding]) -> tuple[Finding, ...]:
    """Findings of several worlds, one a column: counts added, the earliest change kept with the largest size.

    Examples
    --------
    >>> one, two = Finding("f", "a", 5, moved=2), Finding("f", "a", 5, changed=1, first=7, size=0.5)
    >>> [(found.compared, found.changed, found.moved, found.first) for found in joined([one, two])]
    [(10, 1, 2, 7)]
    """
    found: dict[tuple[str, str], Finding] = {}
    for one in findings:
        key = (one.stage, one.column)
        found[key] = _added(found[key], one) if key in found else one
    return tuple(found.values())


def _added(left: Finding, right: Finding) -> Finding:
    changed = [one for one in (left, right) if one.changed]
    shown = min(changed, key=lambda one: (one.first is None, one.first or 0)) if changed else left
    sizes = [one.size for one in changed if one.size is not None]
    return msgspec.structs.replace(
        shown,
        compared=left.compared + right.compared,
        changed=left.changed + right.changed,
        moved=left.moved + right.moved,
        size=max(sizes) if sizes else None,
    )
