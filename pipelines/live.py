"""The configuration of a live process, read from its file, and written into a run's folder."""

from __future__ import annotations

from pathlib import Path

import msgspec

from market.universe import Universe
from market.universe_files import read_universe, write_universe
from pipelines.toml import load_toml, to_toml
from serving.config import ServeConfig

SERVE = "serve.toml"
LISTINGS = "listings.csv"


def load_live(path: Path) -> ServeConfig:
    """Read a live process's configuration, and the table of listings that it names beside it.

    Raises
    ------
    ConfigError
        If the file cannot be read, is not TOML, or has an unknown, missing or ill-typed key.
    UniverseError
        If the table cannot be read or contradicts itself.
    """
    config = load_toml(path, ServeConfig)
    if config.source.universe is None:
        return config
    listings = read_universe(path.parent / config.source.universe).listings
    return with_source(config, universe=None, listings=listings)


def write_live(config: ServeConfig, folder: Path) -> Path:
    """Write a live process's configuration into a folder, its listings as a table beside it; gives the file's path."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / SERVE
    if config.source.listings:
        write_universe(Universe(config.source.listings), folder / LISTINGS)
        config = with_source(config, universe=LISTINGS, listings=())
    plain = msgspec.to_builtins(config)
    plain["source"].pop("listings")
    path.write_text(to_toml(plain) + "\n")
    return path


def with_source(config: ServeConfig, **changes: object) -> ServeConfig:
    """A configuration with another source."""
    return msgspec.structs.replace(config, source=msgspec.structs.replace(config.source, **changes))
