"""A trial as a training's configuration: one TOML file that ``bot4 train`` takes, with the files it names beside it."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pipelines.toml import to_toml
from pipelines.tuning.config import StudyConfig, changed


def write_training(config: StudyConfig, values: Mapping[str, Any], path: Path, about: str) -> Path:
    """Write the training's configuration with a trial's values.

    It is whole, and keeps the training's name: training it is the same trial in the ledger that the study counted.
    Files that it names by a relative path are copied beside it; ``about`` becomes a comment at its head.
    """
    raw = changed(config.raw, config.differing(values))
    path.parent.mkdir(parents=True, exist_ok=True)
    for name in named_files(raw):
        source, target = Path(config.folder) / name, path.parent / name
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source, target)
    raw = outside_made_absolute(raw, Path(config.folder))
    comment = "".join(f"# {line}\n" for line in about.splitlines())
    path.write_text(comment + to_toml(raw) + "\n", encoding="utf-8")
    return path


def named_files(raw: Mapping[str, Any]) -> list[str]:
    """The files that a configuration names and that lie beside or below it."""
    data, features = raw.get("data", {}), raw.get("features", {})
    names = [data.get("instruments"), data.get("universe"), *features.get("files", ())]
    return [name for name in names if name is not None and is_below(name)]


def is_below(name: str) -> bool:
    """Whether a path stays below the folder it is relative to.

    Examples
    --------
    >>> is_below("instruments/spot.toml"), is_below("../spot.toml"), is_below("/conf/spot.toml")
    (True, False, False)
    """
    return not Path(name).is_absolute() and ".." not in Path(name).parts


def outside_made_absolute(raw: Mapping[str, Any], folder: Path) -> dict[str, Any]:
    """The configuration with the paths that lead out of its folder written from the root."""

    def whole(name: str) -> str:
        return name if is_below(name) else str((folder / name).resolve())

    data = {
        key: whole(value) if key in ("instruments", "universe") and value is not None else value
        for key, value in raw.get("data", {}).items()
    }
    found = {**raw, "data": data}
    if "files" in raw.get("features", {}):
        found["features"] = {**raw["features"], "files": [whole(name) for name in raw["features"]["files"]]}
    return found
