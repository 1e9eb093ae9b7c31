"""What can be known of a run's configuration without data: names of features and members, and the files beside it.

No learner is imported, and nothing that computes: a misspelt name is told in the second in which it was given.
"""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipelines.errors import ConfigError
from pipelines.members import member_config

if TYPE_CHECKING:
    from features.feature import Feature
    from pipelines.config import FeaturesConfig, RunConfig

SCALE = "ewma_volatility_96"
"""The default scale of labels, barriers and sizes; another one has the same unit."""


def check_feature_names(config: FeaturesConfig, source: str) -> None:
    """Refuse a name that the catalogue does not have, or a volatility that is none.

    Raises
    ------
    ConfigError
        With the nearest known names.
    """
    from features.catalogue import CATALOGUE, GROUPS

    asked = {
        "names": () if isinstance(config.names, str) else config.names,
        "exclude": config.exclude,
        "volatility": (config.volatility,),
        "events": (config.events,) if config.events else (),
    }
    for key, names in asked.items():
        strange = [name for name in names if name not in CATALOGUE]
        known = with_own(config.files) if strange else CATALOGUE
        for name in strange:
            if name not in known:
                raise ConfigError(f"{source}: features.{key} has {name!r}, {unknown_name(name, known)}")
    unit = CATALOGUE[SCALE].unit
    scales = [one.name for one in GROUPS["volatility"] if one.unit == unit and not one.fitted]
    if config.volatility not in scales:
        raise ConfigError(
            f"{source}: features.volatility is {config.volatility!r}, which does not measure the {unit} that labels, "
            f"barriers and sizes are scaled by; those that do are {', '.join(scales)}"
        )


def with_own(files: tuple[str, ...]) -> Mapping[str, Feature]:
    """The catalogue with features of one's own; numba is imported here, which takes a while."""
    from features.plugins import catalogue_with

    return catalogue_with(files)


def unknown_name(name: str, known: Mapping[str, Any]) -> str:
    """That a feature is not known, with what may have been meant."""
    near = difflib.get_close_matches(name, known, n=3)
    hint = f"did you mean {' or '.join(near)}?" if near else "`bot4 features list` shows all"
    return f"which the catalogue of features does not have; {hint}"


def check_feature_list(config: FeaturesConfig, source: str) -> None:
    """Refuse a list that leaves nothing, names a feature twice, or bridges a negative number of bars.

    Raises
    ------
    ConfigError
        Naming the key and its value.
    """
    names = () if isinstance(config.names, str) else config.names
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise ConfigError(f"{source}: features.names has {', '.join(twice)} more than once; list each once")
    if not isinstance(config.names, str) and not set(names) - set(config.exclude):
        raise ConfigError(f"{source}: features.names without features.exclude is empty; name at least one feature")
    if config.max_gap < 0:
        raise ConfigError(f"{source}: features.max_gap is {config.max_gap}; it counts missing bars, so at least 0")


def check_meta_features(config: RunConfig, source: str) -> None:
    """Refuse a feature for the second stage that the run does not have.

    Raises
    ------
    ConfigError
        With the name, and what to do.
    """
    if config.meta is None:
        return
    from features.catalogue import CATALOGUE

    names, without = config.features.names, config.features.exclude
    strange = [one for one in config.meta.features if one not in CATALOGUE]
    known = with_own(config.features.files) if strange else CATALOGUE
    for name in config.meta.features:
        if name not in known:
            raise ConfigError(f"{source}: meta.features has {name!r}, {unknown_name(name, known)}")
        if name in without or not (isinstance(names, str) or name in names):
            raise ConfigError(
                f"{source}: meta.features has {name!r}, which is none of the run's features: add it to features.names"
            )


def check(config: RunConfig, folder: Path, source: str) -> None:
    """Everything about a configuration that can be known without data: names of features and members, files beside it.

    Raises
    ------
    ConfigError
        Naming the offending key and what is known in its place.
    """
    if config.data.instruments is not None and not (folder / config.data.instruments).is_file():
        raise ConfigError(f"{source}: data.instruments names {config.data.instruments}, which is not beside it")
    check_names(config, source)


def check_names(config: RunConfig, source: str) -> None:
    """What `check` finds without looking at files; errors as there."""
    check_feature_names(config.features, source)
    check_feature_list(config.features, source)
    check_meta_features(config, source)
    for name, table in config.members.items():
        member_config(name, table, source)
