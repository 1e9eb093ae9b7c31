"""The fit stage: one member on one training window, exported as a graph fragment with its native answers."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from importlib import import_module
from typing import Any

import msgspec
import numpy as np
import onnx
from numpy.typing import NDArray

from market.time import format_time
from models.dataset import Panel
from models.graph.part import GraphPart, StateSpec
from models.members import MEMBERS
from models.members.along import NOWHERE, Along
from models.members.lightgbm import FittedLightgbm
from models.members.linear import FittedLinear
from models.members.protocol import FitRecord, FittedMember, Member, Progress
from models.members.xgboost import FittedXgboost
from models.splitters import purged_tail
from pipelines.config import RunConfig
from pipelines.errors import StageError
from pipelines.members import member_config
from pipelines.stages.artefacts import Artefact, Draft, Job, job
from pipelines.stages.panel import load_panel

FINAL = -1
SavedFit = FittedLightgbm | FittedXgboost | FittedLinear
NATIVE: dict[str, type[SavedFit]] = {"lightgbm": FittedLightgbm, "xgboost": FittedXgboost, "linear": FittedLinear}
"""The members that are also kept in their libraries' own formats; what is scored and served is the graph."""

Live = Callable[[int, str, Mapping[str, float], int], None]
"""Told of a window's number, a member, the newest values of its learning curves, and their step."""

_importing = threading.Lock()


class Window(msgspec.Struct, frozen=True):
    """One training window: its number (−1 for the final refit), its samples' decision times, the test's times."""

    index: int
    train_start: int
    train_stop: int
    test_start: int
    test_stop: int


def make_member(name: str, table: dict[str, Any]) -> Member:
    """A member with its configuration; see `pipelines.members.member_config` for what is refused."""
    config = member_config(name, table)
    return MEMBERS[name](config=config)


def training_samples(panel: Panel, window: Window) -> NDArray[np.int64]:
    """The samples decided inside the window whose labels were known before the test begins."""
    samples = panel.samples
    inside = (samples.t0 >= window.train_start) & (samples.t0 < window.train_stop) & (samples.t1 < window.test_start)
    return np.flatnonzero(inside)


def window_seed(config: RunConfig, name: str, window: Window) -> int:
    """A seed of its own for each member and window."""
    order = tuple(MEMBERS).index(name)
    return int(np.random.SeedSequence([config.seed, order, window.index + 1]).generate_state(1)[0]) & 0x7FFFFFFF


def import_library(name: str) -> None:
    """Import a member's library, one at a time: members are fitted in threads, and scipy fails on a half-read torch."""
    with _importing:
        import_module(MEMBERS.facts(name).library)


def fit_member(
    config: RunConfig, panel: Panel, window: Window, name: str, progress: Progress, along: Along = NOWHERE
) -> tuple[FittedMember, dict[str, Any]]:
    """Fit one member on one window; also returns how many rows it learned from and was stopped by.

    ``along``: see `models.members.protocol.Member.fit`.

    Raises
    ------
    StageError
        If the window has no samples.
    """
    candidates = training_samples(panel, window)
    if len(candidates) == 0:
        raise StageError(
            f"no samples between {format_time(window.train_start)} and {format_time(window.train_stop)}: "
            "shorten validation.train or the features' warm-up, or bring more data"
        )
    train, tail = purged_tail(panel.samples, candidates, config.validation.tail)
    import_library(name)
    seed = window_seed(config, name, window)
    fitted = make_member(name, config.members[name]).fit(panel, train, tail, seed, progress, along)
    weight = panel.samples.weight
    facts = {
        "train_rows": len(train),
        "train_effective": float(weight[train].sum()),
        "validation_rows": len(tail),
        "seed": seed,
    }
    return fitted, facts


def fit_inputs(config: RunConfig, panel_artefact: Artefact, window: Window, names: Sequence[str]) -> tuple[Any, ...]:
    """What decides the fits of some members on one window."""
    tables = {name: config.members[name] for name in names}
    return (panel_artefact.digest, window, tables, config.seed, config.validation.tail)


def along_of(draft: Draft, window: Window, name: str, live: Live | None) -> Along:
    """A member's checkpoint beside the artefact that is being made, and the way of its curves to ``live``."""
    kept = None if draft.kept is None else draft.kept / name
    if live is None:
        return Along(kept)
    return Along(kept, lambda values, step: live(window.index, name, values, step))


def fit_job(config: RunConfig, panel_artefact: Artefact, window: Window, name: str, live: Live | None = None) -> Job:
    """One member fitted on one fold's training window."""

    def build(draft: Draft, progress: Progress) -> None:
        along = along_of(draft, window, name, live)
        fitted, facts = fit_member(config, load_panel(panel_artefact), window, name, progress, along)
        save_fitted(draft, fitted, facts)

    title = f"{name}, fold {window.index + 1}"
    libraries = MEMBERS.facts(name).distributions
    return job("fit", title, fit_inputs(config, panel_artefact, window, [name]), build, libraries)


def save_fitted(draft: Draft, fitted: FittedMember, facts: dict[str, Any]) -> None:
    """Write a fitted member: its graph fragment, its own format if it has one, its record, and how it was fitted."""
    part = fitted.part()
    if isinstance(fitted, SavedFit):
        fitted.save(draft.folder)
    draft.bytes(f"{part.name}.onnx", part.model.SerializeToString(deterministic=True))
    about = {"name": part.name, "state": part.state, "record": fitted.record, "facts": facts}
    draft.json(part.name, about)


def load_part(artefact: Artefact, name: str) -> GraphPart:
    """The graph fragment of a fitted member."""
    about = artefact.json(name)
    model = onnx.load_model_from_string((artefact.path / f"{name}.onnx").read_bytes())
    return GraphPart(about["name"], model, msgspec.convert(about["state"], tuple[StateSpec, ...]))


def load_record(artefact: Artefact, name: str) -> FitRecord:
    """What fitting left behind for people."""
    return msgspec.convert(artefact.json(name)["record"], FitRecord)


def load_fitted(artefact: Artefact, name: str) -> FittedMember:
    """A fitted member as its library reads it back: for questions about a fit, not for scores.

    Raises
    ------
    StageError
        If this member is kept as a graph only.
    """
    if name not in NATIVE:
        raise StageError(f"{name} is kept as a graph only; {', '.join(NATIVE)} can be read back")
    return NATIVE[name].load(artefact.path, load_record(artefact, name))
