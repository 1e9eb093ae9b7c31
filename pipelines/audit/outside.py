"""The training window: a fold is fitted again while everything outside its window says something else.

Features of rows before and after the window, and labels, moves and weights of every sample that the fold does not learn
from (the purged ones inside the window among them), are changed. The graph of every member must keep its bytes.
"""

from __future__ import annotations

from dataclasses import replace

import msgspec
import numpy as np
from numpy.typing import NDArray

from features.fitting import fit_over
from models.dataset import Panel
from models.members import MEMBERS
from models.members.protocol import FittedMember, Progress
from pipelines.audit.base import Trained
from pipelines.audit.column import Column, Rows
from pipelines.audit.columns import digest_word, fold_rows
from pipelines.audit.compare import compare
from pipelines.audit.findings import Finding
from pipelines.audit.learned import OUTSIDE
from pipelines.audit.perturb import Random
from pipelines.config import RunConfig
from pipelines.stages.artefacts import silent
from pipelines.stages.fit import Window, fit_member, training_samples
from pipelines.stages.fitted import window_spans
from pipelines.stages.panel import load_panel, panel_facts


def thinned(config: RunConfig) -> RunConfig:
    """The configuration with every member's fit cut short: the same code over the same rows."""
    members = {name: {**table, **MEMBERS.facts(name).thin} for name, table in config.members.items()}
    return msgspec.structs.replace(config, members=members)


def outside_changed(panel: Panel, window: Window, random: Random) -> Panel:
    """The panel with everything changed that a fold must not learn from; every tenth row behind the window is missing.

    The arrays of the panel given are left alone.
    """
    series = []
    for one in panel.series:
        end = one.bars["end"]
        outside = (end < window.train_start) | (end >= window.test_start)
        features = one.features.copy()
        rows = np.flatnonzero(outside)
        other = random.permutation(rows)
        features[rows] = -1.5 * one.features[other] + 0.1
        behind = rows[end[rows] >= window.test_start]
        features[behind[random.random(len(behind)) < 0.1]] = np.nan
        series.append(
            replace(one, features=features, volatility=np.where(outside, 3.0 * one.volatility, one.volatility))
        )
    samples = panel.samples
    free = np.ones(len(samples), bool)
    free[training_samples(panel, window)] = False
    changed = replace(
        samples,
        label=np.where(free, 1 - samples.label, samples.label),
        move=np.where(free, -samples.move, samples.move),
        weight=np.where(free, samples.weight * random.uniform(0.1, 10.0, len(samples)), samples.weight),
    )
    return replace(panel, series=tuple(series), samples=changed)


def fitted_word(fitted: FittedMember) -> NDArray[np.uint64]:
    """The digest of a fitted member's graph, shape (1,)."""
    return np.array([digest_word(fitted.part().model.SerializeToString(deterministic=True))], np.uint64)


def shortened(window: Window) -> Window:
    """The last third of a training window, with the same test."""
    third = (window.train_stop - window.train_start) // 3
    return msgspec.structs.replace(window, train_start=window.train_stop - third)


def window_findings(
    base: Trained, number: int, thin: bool, random: Random, progress: Progress = silent
) -> list[Finding]:
    """Every member of one fold, fitted over a panel that is another outside the training window.

    It is compared with the run's own fit; if ``thin``, with a shorter fit over the window's last third, made here too.
    That what is inside matters is seen in the fold before, whose fits are others.
    """
    panel = load_panel(base.panels[number])
    config, window = base.config, base.windows[number]
    features = features_finding(base, number, random)
    if thin:
        config, window = thinned(config), shortened(window)
    other = outside_changed(panel, window, random)
    rows = fold_rows(config, panel, [window])
    found = [] if features is None else [features]
    for place, name in enumerate(config.members):
        progress(f"{name}, fold {number + 1}", place / len(config.members))
        own = saved_word(base, number, name)
        here = fitted_word(fit_member(config, panel, window, name, silent)[0]) if thin else own
        try:
            there = fitted_word(fit_member(config, other, window, name, silent)[0])
        except (ValueError, ArithmeticError, LookupError) as error:
            # Inside the window nothing has changed: what fails has read what is outside.
            found.append(refused(base, number, name, error))
            continue
        same, changed = ([Column("fitted", f"{name}, window", rows, one)] for one in (here, there))
        moved = int(own[0] != saved_word(base, number - 1 if number else 1, name)[0])
        found.append(msgspec.structs.replace(compare(same, changed, OUTSIDE)[0], moved=moved))
    return found


def features_finding(base: Trained, number: int, random: Random) -> Finding | None:
    """What one fold's features are fitted to when every other bar outside its training window is missing."""
    about, window = panel_facts(base.panels[number]), base.windows[number]
    if not about.fitted:
        return None
    bars = {}
    for series in load_panel(base.panel).series:
        one = series.bars
        inside = (one["start"] >= window.train_start) & (one["end"] <= window.train_stop)
        bars[series.symbol] = one[inside | (random.random(len(one)) < 0.5)]
    again = fit_over(about.feature_set(), bars, window_spans(window)).fitted
    here, there = (np.concatenate([np.array(one[name]) for name in about.fitted]) for one in (about.fitted, again))
    count = np.arange(len(here))
    rows = Rows((f"fold {number + 1}",), 0 * count, window.test_start + count, np.full(len(count), window.test_start))
    same, changed = ([Column("fitted", "features, window", rows, one)] for one in (here, there))
    other = panel_facts(base.panels[number - 1 if number else 1]).fitted
    return msgspec.structs.replace(compare(same, changed, OUTSIDE)[0], moved=int(other != about.fitted))


def refused(base: Trained, number: int, name: str, error: Exception) -> Finding:
    """A member that can no longer be fitted when something outside its window is another."""
    return Finding(
        "fitted",
        f"{name}, window",
        compared=1,
        changed=1,
        first=base.windows[number].test_start,
        place=f"fold {number + 1}",
        perturbation=OUTSIDE,
        detail=f"cannot be fitted: {error}",
    )


def saved_word(base: Trained, fold: int, name: str) -> NDArray[np.uint64]:
    """The digest of a graph as the run saved it, shape (1,)."""
    return np.array([digest_word((base.fits[fold][name].path / f"{name}.onnx").read_bytes())], np.uint64)
