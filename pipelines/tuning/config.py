"""The configuration of a study: which training it starts from, what is searched, and how its trials are judged."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Literal, TypeAlias

import msgspec

from pipelines.config import RunConfig, with_listings, with_own_features
from pipelines.config_check import check, check_names
from pipelines.devices import check_devices
from pipelines.errors import ConfigError
from pipelines.members import with_defaults
from pipelines.results import ENSEMBLE
from pipelines.toml import apply_overrides, decode, read_toml
from pipelines.tuning.dimensions import Dimension, dimension, spelt

Objective: TypeAlias = Literal["loss", "turnover", "latency"]
OBJECTIVES: dict[Objective, str] = {
    "loss": "log loss out of fold, nats per decision",
    "turnover": "traded value over mean equity, out of fold",
    "latency": "median time of one bar through the graph, µs",
}
"""What may be made small."""


class TuningConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How a study goes.

    ``trials``: how many are to end in all (a study that is run again goes on to that number); ``jobs``: processes side
    by side. ``objectives``: what is made small, ``loss`` always among them; several give a Pareto front. ``predictor``:
    whose loss, the ensemble's or one member's (only that member is then fitted). ``sampler`` and ``seed``: how trials
    are chosen. ``pruner``: ``wilcoxon`` stops a trial that loses to the best so far fold by fold, with a p-value below
    ``level``; ``none`` stops nothing; by default ``wilcoxon`` with one objective, and with several nothing can be
    pruned. ``storage``: a PostgreSQL URL where several machines share a study; by default SQLite in the workspace.
    ``cluster``: the address of a Dask scheduler whose workers try the trials, one each at a time, instead of ``jobs``
    processes here.
    """

    trials: int = 50
    jobs: int = 1
    objectives: tuple[Objective, ...] = ("loss",)
    predictor: str = ENSEMBLE
    sampler: Literal["tpe", "random"] = "tpe"
    seed: int = 7
    pruner: Literal["wilcoxon", "none"] | None = None
    level: float = 0.1
    storage: str = ""
    cluster: str = ""

    def __post_init__(self) -> None:
        for name, most in (("trials", 100_000), ("jobs", 256)):
            if not 1 <= getattr(self, name) <= most:
                raise ValueError(f"{name} is {getattr(self, name)}; it must be from 1 to {most:,}")
        if "loss" not in self.objectives:
            raise ValueError(
                f"objectives are {list(self.objectives)}; without loss the best model is one that does nothing"
            )
        if len(set(self.objectives)) < len(self.objectives):
            raise ValueError(f"objectives are {list(self.objectives)}; name each once")
        if len(self.objectives) > 1 and self.pruner == "wilcoxon":
            raise ValueError(
                f'pruner is "wilcoxon" and there are {len(self.objectives)} objectives; trials with several cannot be '
                "compared before they end: leave it out, or tune loss alone"
            )
        if not 0 < self.level <= 0.5:
            raise ValueError(f"level is {self.level}; it must lie above 0 and be at most 0.5")
        if not 0 <= self.seed < 2**32:
            raise ValueError(f"seed is {self.seed}; it must be from 0 to 4294967295")
        if self.cluster and not re.fullmatch(r"(tcp|tls|ws|wss)://\S+:\d+", self.cluster):
            raise ValueError(
                f"cluster is {self.cluster!r}; it must be a Dask scheduler's address such as tcp://scheduler:8786"
            )

    @property
    def prunes(self) -> bool:
        """Whether trials are stopped early."""
        return len(self.objectives) == 1 and self.pruner != "none"


class StudyFile(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A study's file as it is written."""

    name: str
    training: str
    space: dict[str, Any]
    tuning: TuningConfig = TuningConfig()

    def __post_init__(self) -> None:
        if not re.fullmatch(r"[A-Za-z][A-Za-z0-9._-]{0,99}", self.name):
            raise ValueError(
                f"name is {self.name!r}; the study is kept under it, so it must start with a letter and have only "
                "letters, digits, '.', '_' and '-'"
            )
        if not self.space:
            raise ValueError("space is empty; name at least one key of the training to search")


class StudyConfig(msgspec.Struct, frozen=True):
    """A study, read and checked: the training's configuration as written (``raw``) and as it is run (``base``)."""

    name: str
    training: str
    folder: str
    tuning: TuningConfig
    raw: dict[str, Any]
    base: RunConfig
    space: tuple[Dimension, ...]

    def configured(self, values: Mapping[str, Any]) -> RunConfig:
        """The training's configuration with some keys set; one that has the training's own value stays unwritten.

        So the training's own values are the training itself, in the ledger and in the cache.

        Raises
        ------
        ConfigError
            If it is not one that could be trained.
        """
        raw = changed(self.raw, self.differing(values))
        source = ", ".join(f"{key} = {spelt(value)}" for key, value in values.items())
        found = msgspec.structs.replace(
            decode(raw, RunConfig, source),
            data=self.base.data,
        )
        if found.features.files:
            found = msgspec.structs.replace(
                found, features=msgspec.structs.replace(found.features, files=self.base.features.files)
            )
        check_names(found, source)
        return found

    def sources(self) -> dict[str, str]:
        """The text of the training's own files of features by module, which another process has to be given."""
        from features.plugins import SOURCES

        return {name: SOURCES[name] for name in self.base.features.files}

    def own(self, dotted: str) -> Any:
        """The training's own value of a key, defaults included.

        Raises
        ------
        KeyError
            If there is no such key.
        """
        value: Any = msgspec.to_builtins(self.base)
        value["members"] = with_defaults(self.base.members)
        for name in dotted.split("."):
            value = value[name]
        return list(value) if isinstance(value, tuple) else value

    def differing(self, values: Mapping[str, Any]) -> dict[str, Any]:
        """The values that are not the training's own."""
        return {key: value for key, value in values.items() if value != self.own(key)}

    def evaluated(self, config: RunConfig) -> RunConfig:
        """What a trial runs: the configuration, or where one member is judged, that member alone."""
        name = self.tuning.predictor
        if name == ENSEMBLE:
            return config
        alone = {name: config.members[name]}
        laboratory = msgspec.structs.replace(config.laboratory, members=())
        return msgspec.structs.replace(config, members=alone, laboratory=laboratory)

    def check_devices(self) -> None:
        """Refuse a GPU that this process does not see, of the training or in the space; errors as `check_devices`."""
        check_devices(self.evaluated(self.base))
        for one in self.space:
            if one.key.endswith(".device"):
                for value in one.corners:
                    check_devices(self.evaluated(self.configured({one.key: value})))


def changed(raw: Mapping[str, Any], values: Mapping[str, Any]) -> dict[str, Any]:
    """Nested tables with some dotted keys set; the original stays as it is.

    Examples
    --------
    >>> changed({"members": {"linear": {}}, "seed": 7}, {"members.linear.clip": 4.0})
    {'members': {'linear': {'clip': 4.0}}, 'seed': 7}
    """
    found = dict(raw)
    for dotted, value in values.items():
        *tables, key = dotted.split(".")
        place = found
        for name in tables:
            place[name] = dict(place.get(name, {}))
            place = place[name]
        place[key] = value
    return found


def flat(space: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
    """The dimensions of a space by dotted name, however its tables are nested.

    Examples
    --------
    >>> dict(flat({"members": {"linear": {"clip": {"low": 2, "high": 8}}}}))
    {'members.linear.clip': {'low': 2, 'high': 8}}
    """
    for key, value in space.items():
        name = f"{prefix}{key}"
        if not isinstance(value, Mapping):
            raise ConfigError(
                f"space.{name} is {spelt(value)}; a key is searched by {{ low = …, high = … }} or {{ values = […] }}"
            )
        if not value or any(not isinstance(one, Mapping) for one in value.values()):
            yield name, dict(value)
        else:
            yield from flat(value, f"{name}.")


def load_study(path: Path, environment: Mapping[str, str]) -> StudyConfig:
    """Read a study's file and the training's that it names.

    Parameters
    ----------
    environment
        Overrides ``BOT4__SECTION__KEY``, which are the training's.

    Raises
    ------
    ConfigError
        If either cannot be read, a key of the space is none that can be searched, or a value in it is none that the key
        may have.
    """
    written = decode(read_toml(path), StudyFile, str(path))
    training = path.parent / written.training
    if not training.is_file():
        raise ConfigError(f"{path}: training names {written.training}, which is not beside it")
    raw = read_toml(training)
    applied = apply_overrides(raw, environment)
    source = f"{training} (with {', '.join(applied)} from the environment)" if applied else str(training)
    folder = training.parent
    base = with_listings(with_own_features(decode(raw, RunConfig, source), folder), folder)
    check(base, folder, source)
    predictor = written.tuning.predictor
    if predictor != ENSEMBLE and predictor not in base.members:
        raise ConfigError(
            f"{path}: tuning.predictor is {predictor!r}; it is {ENSEMBLE!r} or a member of {written.training}: "
            f"{', '.join(base.members)}"
        )
    space = tuple(dimension(key, table, base, written.tuning, str(path)) for key, table in flat(written.space))
    # A training that names no members has the default ones; a key of one must not leave the others out.
    raw["members"] = dict(base.members)
    found = StudyConfig(written.name, written.training, str(folder.resolve()), written.tuning, raw, base, space)
    _check_corners(found, str(path))
    return found


def _check_corners(study: StudyConfig, source: str) -> None:
    """Refuse a value that its key cannot have, before anything runs: the ends of every range, every single choice."""
    for one in study.space:
        for value in one.corners:
            try:
                study.configured({one.key: value})
            except ConfigError as error:
                raise ConfigError(
                    f"{source}: space.{one.key} has {spelt(value)}, which it cannot be: {error}"
                ) from None
