"""The audit of a whole run: bars to orders, through its own stages, in other worlds.

*Sampled* (every training): the panel under several other futures and another order of instruments; one fold's
combination, predictions and trades under one of them, by the run's own fits; every member of that fold, in a shorter
fit over a shorter window, in two worlds that differ outside it. *Full*: more futures, the first and the last compared
fold fitted, scored and traded again from other bars, and every member of every fold in two worlds.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np

from market.events import Kind
from models.blas import one_blas_thread
from models.ensemble.nested import compared_folds
from models.members.protocol import Progress
from pipelines.audit.audit import REVERSED
from pipelines.audit.base import Trained
from pipelines.audit.column import Column
from pipelines.audit.columns import fill_finding, window_reach
from pipelines.audit.compare import NEVER, compare
from pipelines.audit.delivery import DELIVERED, delivered
from pipelines.audit.errors import AuditError
from pipelines.audit.findings import Audit, Finding, joined
from pipelines.audit.learned import OUTSIDE
from pipelines.audit.outside import window_findings
from pipelines.audit.perturb import GRIDS, VALUES, Random, blanked
from pipelines.audit.probe import base_columns, base_journal, early_columns, panel_of, panels_of, probe
from pipelines.audit.splits import split_findings
from pipelines.audit.world import World
from pipelines.stages.artefacts import Artefacts, silent
from pipelines.stages.panel import load_panel

Step = Callable[[Progress], list[Finding]]
SAMPLED_CUTS, FULL_CUTS = 3, 24


def needed_folds(base_folds: int, full: bool, second_stage: bool = False) -> int:
    """How many first folds an audit looks at; a second stage begins one fold later than all else."""
    compared = compared_folds(base_folds)
    return (compared[-1] if full else compared[int(second_stage)]) + 1


def audit_run(
    base: Trained,
    full: bool = False,
    cuts: int | None = None,
    seed: int = 7,
    progress: Progress = silent,
    folder: Path | None = None,
) -> Audit:
    """Audit a run.

    Parameters
    ----------
    base
        What its stages made; at least the folds that `needed_folds` counts.
    full
        See the module.
    cuts
        After how many moments the panel's future is changed; `SAMPLED_CUTS` or `FULL_CUTS` by default.
    seed
        Draws the cuts and the changes.
    folder
        Where other worlds are made, and removed; by default where temporary files are, which a kill leaves there.

    Raises
    ------
    AuditError
        If too few folds were fitted, or the cuts are too many for the bars.
    """
    deep = _deep_folds(base, full)
    random = np.random.default_rng(seed)
    moments = _moments(base, deep, (FULL_CUTS if full else SAMPLED_CUTS) if cuts is None else cuts, random)
    found: list[Finding] = []
    # Fits are made here too, beside those of the stages, which have one BLAS thread: with more, last bits would differ.
    with one_blas_thread(), tempfile.TemporaryDirectory(prefix="bot4-audit-", dir=folder) as worlds:
        audit = _Auditor(base, Path(worlds), random, full)
        steps = audit.steps(moments, deep)
        for number, (what, step) in enumerate(steps):
            part = _part(progress, what, number, len(steps))
            part(what, 0.0)
            found += step(part)
    names = (DELIVERED, REVERSED, *dict.fromkeys(audit.used), OUTSIDE)
    return Audit("full" if full else "sampled", seed, tuple(moments), names, joined(found))


def _deep_folds(base: Trained, full: bool) -> list[int]:
    """The compared folds that are looked at to the last order: of a sampled audit the one with most fills.

    Where there is a second stage, of those that have one.
    """
    every = compared_folds(len(base.folds))
    compared = every if base.config.meta is None else every[1:]
    wanted = [every[0], every[-1]] if full else [compared[0]]
    if len(base.scores) <= wanted[-1]:
        raise AuditError(f"the audit looks at fold {wanted[-1] + 1}, but {len(base.scores)} folds were scored")
    if base.backtest is None or full:
        return wanted
    journal = base.backtest.array("journal")
    begin = [base.windows[fold].test_start for fold in compared]
    filled = journal["ts_recv"][journal["kind"] == Kind.FILL]
    at = np.searchsorted(begin, filled[filled >= begin[0]], side="right") - 1
    return [compared[int(np.argmax(np.bincount(at, minlength=len(compared))))]]


def _moments(base: Trained, deep: list[int], count: int, random: Random) -> list[int]:
    """Cuts: one inside the test of each deep fold, behind all that is decided with its beginning; the rest anywhere."""
    panel = load_panel(base.panel)
    found = []
    for fold in deep:
        window = base.windows[fold]
        (low,) = window_reach(base.config, panel, [window.test_start])
        ends = np.unique(np.concatenate([one.bars["end"] for one in panel.series]))
        inside = ends[(ends > low) & (ends < window.test_stop)]
        if len(inside) < 10:
            raise AuditError(
                f"the test of fold {fold + 1} has {len(inside)} bars behind the labels it begins with; at least 10 are "
                "needed: use fewer folds or bring more data"
            )
        found.append(int(random.choice(inside[len(inside) // 2 : -len(inside) // 8])))
    known = World(base.world.symbols, tuple(one.bars for one in panel.series), base.config.data.interval_ns)
    return found + [one for one in known.cuts(max(count - len(deep), 1), random) if one not in found]


def _part(progress: Progress, name: str, number: int, parts: int) -> Progress:
    return lambda what, fraction: progress(what, (number + fraction) / parts)


class _Auditor:
    """One audit's steps, over one folder for what other worlds make."""

    def __init__(self, base: Trained, folder: Path, random: Random, full: bool) -> None:
        self.base, self.folder, self.random, self.full = base, folder, random, full
        self.world, self.unread = base.world, base.unread
        self.panel_columns = early_columns(base, base.panel, base.panels)
        self.used: list[str] = []
        self.made = 0

    def scratch(self) -> Artefacts:
        self.made += 1
        return Artefacts(self.folder / str(self.made))

    def steps(self, moments: list[int], deep: list[int]) -> list[tuple[str, Step]]:
        found: list[tuple[str, Step]] = [
            ("rules of splits and fills", partial(self.rules, deep[-1])),
            (DELIVERED, self.delivered),
            (REVERSED, self.reversed),
        ]
        for turn, cut in enumerate(moments):
            fold = deep[turn] if turn < len(deep) else None
            found.append((f"future {turn + 1} of {len(moments)}", partial(self.future, turn, cut, fold)))
        for number in range(len(self.base.fits)) if self.full else deep:
            step = partial(window_findings, self.base, number, not self.full, self.random)
            found.append((f"training window of fold {number + 1}", step))
        return found

    def rules(self, last: int, progress: Progress) -> list[Finding]:
        """Purge, disjoint tests, training before the test; no fill on its signal's bar."""
        base, samples = self.base, load_panel(self.base.panel).samples
        pairs = [(fold.train, fold.test) for fold in base.folds]
        journal = base_journal(base, last, self.scratch())
        return [*split_findings(self.world, samples, pairs, 0, True), fill_finding(base.config, journal)]

    def delivered(self, progress: Progress) -> list[Finding]:
        """The first instrument's bars, or all, through a lake in pieces."""
        return delivered(self.world, self.folder / "lake", self.full)

    def reversed(self, progress: Progress) -> list[Finding]:
        """The instruments in the opposite order."""
        scratch = self.scratch()
        made = panel_of(self.base, self.world.reversed(), scratch)
        panels = panels_of(self.base, made, NEVER, scratch)
        return compare(self.panel_columns, early_columns(self.base, made, panels), REVERSED)

    def future(self, turn: int, cut: int, fold: int | None, progress: Progress) -> list[Finding]:
        """One other future, in value or, every third time, in which bars there are."""
        grid = fold is None and turn % 3 == 2
        if grid:
            way = GRIDS[(turn // 3) % len(GRIDS)]
            name, other = way.name, self.world.changed(cut, way, self.random)
        else:
            name, other = self.world.mixed(cut, turn * len(self.world.bars) % len(VALUES), self.random)
            other = World(other.symbols, tuple(blanked(one, cut, self.unread) for one in other.bars), other.interval)
        self.used += name.split(", ")
        scratch = self.scratch()
        made = panel_of(self.base, other, scratch)
        panels = panels_of(self.base, made, cut, scratch)
        found = compare(self.panel_columns, early_columns(self.base, made, panels), name, cut, grid)
        if fold is None:
            return found
        before: list[Column] = base_columns(self.base, fold, scratch, self.full)
        after = probe(self.base, panels, fold, scratch, self.full, progress)
        return found + compare(before, after, name, cut, grid)
