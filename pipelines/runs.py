"""The finished runs of a workspace, and which of them a training configuration is the configuration of."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import msgspec

from pipelines.arrays_json import read_document
from pipelines.config import RunConfig
from pipelines.errors import StageError
from pipelines.results import RESULT_FILE, BundleInfo

TRADED = ("trading", "exchange", "laboratory")
"""Sections that decide how a model is traded and examined, and nothing about the model."""


class Run(msgspec.Struct, frozen=True):
    """What identifies a finished run: the head of its result, without arrays."""

    name: str
    run_id: str
    created: int
    config: dict[str, Any]
    bundle: BundleInfo | None = None


def finished_runs(folder: Path) -> Iterator[Run]:
    """The runs below a workspace's folder of runs, newest first.

    Raises
    ------
    StageError
        If the result of one cannot be read; the file is named.
    """
    found = [read_document(Run, path.parent, RESULT_FILE) for path in folder.glob(f"*/{RESULT_FILE}")]
    yield from sorted(found, key=lambda run: run.created, reverse=True)


def model_part(config: Mapping[str, Any]) -> dict[str, Any]:
    """The part of a configuration, as plain values, that decides the model."""
    plain: dict[str, Any] = msgspec.json.decode(msgspec.json.encode(config))
    return {key: value for key, value in plain.items() if key not in TRADED}


def run_of(config: RunConfig, folder: Path) -> Run:
    """The newest run whose model this configuration makes, however it is traded.

    Raises
    ------
    StageError
        If there is none; a run of the same name that was configured otherwise is named.
    """
    wanted = model_part(msgspec.to_builtins(config))
    named = [run for run in finished_runs(folder) if run.name == config.name and run.bundle is not None]
    for run in named:
        if model_part(run.config) == wanted:
            return run
    if not named:
        raise StageError(f"{folder} has no finished run of {config.name!r} to trade: make one with `bot4 train`")
    other = model_part(named[0].config)
    changed = sorted(key for key in wanted.keys() | other.keys() if wanted.get(key) != other.get(key))
    raise StageError(
        f"the runs of {config.name!r} in {folder} were made with another configuration (the newest, "
        f"{named[0].run_id}, differs in {', '.join(changed)}): train this one with `bot4 train`, or trade that run's "
        f"model with `bot4 backtest {folder / named[0].run_id / 'serve.toml'}`"
    )
