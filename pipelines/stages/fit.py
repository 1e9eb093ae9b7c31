"""The fit stage: one member on one training window, exported as a graph fragment with its native answers."""

from __future__ import annotations

from typing import Any, get_type_hints

import msgspec
import numpy as np
import onnx
from models.splitters import purged_tail
from numpy.typing import NDArray

from market.time import format_time
from models.dataset import Panel
from models.graph.part import GraphPart, StateSpec
from models.members import MEMBERS
from models.members.protocol import FittedMember, Member, Progress
from pipelines.config import RunConfig
from pipelines.errors import ConfigError, StageError
from pipelines.stages.artefacts import Artefact, Draft, Job, job
from pipelines.stages.panel import load_panel
from pipelines.toml import decode

FINAL = -1
NATIVE_ROWS = 4096


class Window(msgspec.Struct, frozen=True):
    """One training window: its number (−1 for the final refit), its samples' decision times, the test's times."""

    index: int
    train_start: int
    train_stop: int
    test_start: int
    test_stop: int


def make_member(name: str, table: dict[str, Any], source: str = "the configuration") -> Member:
    """A member with its configuration decoded from TOML.

    Raises
    ------
    ConfigError
        If there is no such member, or its table has an unknown key.
    """
    if name not in MEMBERS:
        raise ConfigError(f"{source}: there is no member {name!r}; known are {', '.join(MEMBERS)}")
    factory = MEMBERS[name]
    kind = get_type_hints(factory)["config"]
    return factory(config=decode(table, kind, f"{source} [members.{name}]"))


def training_samples(panel: Panel, window: Window) -> NDArray[np.int64]:
    """The samples decided inside the window whose labels were known before the test begins."""
    samples = panel.samples
    inside = (samples.t0 >= window.train_start) & (samples.t0 < window.train_stop) & (samples.t1 < window.test_start)
    return np.flatnonzero(inside)


def window_seed(config: RunConfig, name: str, window: Window) -> int:
    """A seed of its own for each member and window."""
    order = tuple(MEMBERS).index(name)
    return int(np.random.SeedSequence([config.seed, order, window.index + 1]).generate_state(1)[0]) & 0x7FFFFFFF


def native_answers(panel: Panel, fitted: FittedMember, window: Window) -> dict[str, NDArray[np.float64]]:
    """Native probabilities at each series' last rows before the test: what the certificate compares with."""
    answers = {}
    for number, series in enumerate(panel.series):
        stop = int(np.searchsorted(series.bars["end"], window.test_start, side="left"))
        rows = np.arange(max(0, stop - NATIVE_ROWS), stop)
        answers[series.symbol] = fitted.predict(panel, number, rows)
    return answers


def fit_job(config: RunConfig, panel_artefact: Artefact, window: Window, name: str) -> Job:
    """One member fitted on one window."""
    table = config.members[name]
    seed = window_seed(config, name, window)

    def build(draft: Draft, progress: Progress) -> None:
        panel = load_panel(panel_artefact)
        candidates = training_samples(panel, window)
        if len(candidates) == 0:
            raise StageError(
                f"no samples between {format_time(window.train_start)} and {format_time(window.train_stop)}: "
                "shorten validation.train or the features' warm-up, or bring more data"
            )
        train, tail = purged_tail(panel.samples, candidates, config.validation.tail)
        fitted = make_member(name, table).fit(panel, train, tail, seed, progress)
        save_fitted(draft, panel, fitted, window)
        draft.json("window", {"window": window, "train_rows": len(train), "validation_rows": len(tail), "seed": seed})

    where = "final refit" if window.index == FINAL else f"fold {window.index + 1}"
    inputs = (panel_artefact.digest, window, name, table, seed, config.validation.tail)
    return job("fit", f"{name}, {where}", inputs, build)


def save_fitted(draft: Draft, panel: Panel, fitted: FittedMember, window: Window) -> None:
    """Write a fitted member: its graph fragment, its record, its native answers."""
    part = fitted.part()
    draft.bytes("part.onnx", part.model.SerializeToString(deterministic=True))
    draft.json("part", {"name": part.name, "state": part.state})
    draft.json("record", fitted.record)
    for symbol, probability in native_answers(panel, fitted, window).items():
        draft.array(f"native-{symbol}", probability)


def load_part(artefact: Artefact) -> GraphPart:
    """The graph fragment of a fitted member."""
    about = artefact.json("part")
    model = onnx.load_model_from_string((artefact.path / "part.onnx").read_bytes())
    return GraphPart(about["name"], model, msgspec.convert(about["state"], tuple[StateSpec, ...]))
