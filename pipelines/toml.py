"""Typed TOML: a file and its environment overrides, decoded into one frozen struct, or one clear error."""

from __future__ import annotations

import hashlib
import json
import os
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from pipelines.errors import ConfigError
from pipelines.suggestion import suggestion

T = TypeVar("T")
PREFIX = "BOT4__"


def read_toml(path: Path) -> dict[str, Any]:
    """Parse one TOML file.

    Raises
    ------
    ConfigError
        If there is no such file, it cannot be read, or it is not TOML (the line is named).
    """
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ConfigError(f"there is no configuration file {path}; conf/ has examples to start from") from None
    except IsADirectoryError:
        raise ConfigError(f"{path} is a folder; name the configuration file (TOML) in it") from None
    except OSError as error:
        raise ConfigError(f"the configuration file {path} cannot be read: {error.strerror}") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path} is not valid TOML: {error}") from None


def override_value(text: str) -> Any:
    """An override's value: TOML where it parses as such (numbers, booleans, lists), else the text itself."""
    try:
        return tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        return text


def apply_overrides(raw: dict[str, Any], environment: Mapping[str, str]) -> list[str]:
    """Set ``section.key`` from each variable ``BOT4__SECTION__KEY``; return the dotted names that were set.

    Examples
    --------
    >>> raw = {"validation": {"folds": 8}}
    >>> apply_overrides(raw, {"BOT4__VALIDATION__FOLDS": "6"})
    ['validation.folds']
    >>> raw
    {'validation': {'folds': 6}}
    """
    applied = []
    for name in sorted(environment):
        if not name.startswith(PREFIX):
            continue
        *sections, key = [part.lower() for part in name[len(PREFIX) :].split("__")]
        table = raw
        for section in sections:
            table = table.setdefault(section, {})
            if not isinstance(table, dict):
                raise ConfigError(f"{name}: {section!r} is a value, not a section")
        table[key] = override_value(environment[name])
        applied.append(".".join([*sections, key]))
    return applied


def decode(raw: Mapping[str, Any], kind: type[T], source: str) -> T:
    """Convert parsed TOML into ``kind``.

    Raises
    ------
    ConfigError
        If a key is unknown (the nearest known one is named), missing, of the wrong type, or has none of the values that
        it may have (which are named).
    """
    try:
        return msgspec.convert(raw, kind)
    except msgspec.ValidationError as error:
        raise ConfigError(f"{source}: {error}{suggestion(str(error), kind)}") from None


def load_toml(path: Path, kind: type[T], environment: Mapping[str, str] | None = None) -> T:
    """Read, override from the environment, and decode one configuration file."""
    raw = read_toml(path)
    applied = apply_overrides(raw, os.environ if environment is None else environment)
    source = f"{path} (with {', '.join(applied)} from the environment)" if applied else str(path)
    return decode(raw, kind, source)


def digest(value: Any) -> str:
    """SHA-256 of a struct's canonical JSON."""
    return hashlib.sha256(msgspec.json.encode(msgspec.to_builtins(value), order="deterministic")).hexdigest()


def to_toml(values: Mapping[str, Any], prefix: str = "") -> str:
    """Plain values and nested tables as TOML; None is left out.

    Examples
    --------
    >>> print(to_toml({"name": "paper", "source": {"speed": 0.5, "stop": None}}))
    name = "paper"
    <BLANKLINE>
    [source]
    speed = 0.5
    """
    tables = {key: value for key, value in values.items() if isinstance(value, Mapping)}
    plain = {key: value for key, value in values.items() if key not in tables and value is not None}
    # JSON's strings, numbers, booleans and lists are TOML's too.
    text = "\n".join(f"{key} = {json.dumps(value)}" for key, value in plain.items())
    for key, table in tables.items():
        text += f"\n\n[{prefix}{key}]\n" + to_toml(table, f"{prefix}{key}.").lstrip("\n")
    return text
