"""The members' tables of a configuration, each decoded into its member's own struct; no learner is imported."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, get_type_hints

import msgspec

from models.members import MEMBERS
from pipelines.errors import ConfigError
from pipelines.toml import decode

if TYPE_CHECKING:
    from models.members.registry import MemberFactory


def member_factory(name: str, source: str) -> MemberFactory:
    """The class of a member.

    Raises
    ------
    ConfigError
        If there is none of this name; the nearest and all known ones are named.
    """
    if name in MEMBERS:
        return MEMBERS[name]
    near = difflib.get_close_matches(name, MEMBERS, n=1)
    hint = f"did you mean {near[0]!r}? " if near else ""
    raise ConfigError(f"{source}: there is no member {name!r}; {hint}Known members are {', '.join(MEMBERS)}")


def member_config(name: str, table: Mapping[str, Any], source: str = "the configuration") -> msgspec.Struct:
    """A member's table ``[members.name]`` as its own configuration.

    Raises
    ------
    ConfigError
        If there is no such member, or its table has an unknown key or an ill-typed value.

    Examples
    --------
    >>> member_config("linear", {"clip": 3}).clip
    3.0
    """
    kind = get_type_hints(member_factory(name, source))["config"]
    found: msgspec.Struct = decode(table, kind, f"{source} [members.{name}]")
    return found


def with_defaults(tables: Mapping[str, Mapping[str, Any]]) -> dict[str, dict[str, Any]]:
    """Members' tables with every hyperparameter, those that are left to their defaults too; errors as `member_config`.

    Examples
    --------
    >>> found = with_defaults({"linear": {"clip": 3}})["linear"]
    >>> found["clip"], found["l1_ratio"]
    (3.0, 0.0)
    """
    return {name: msgspec.to_builtins(member_config(name, table)) for name, table in tables.items()}
