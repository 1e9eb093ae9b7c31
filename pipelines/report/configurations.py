"""Where the configurations of some runs differ, defaults included, and which tables only some of them have."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from pipelines.comparison.find import Contender
from pipelines.errors import ConfigError
from pipelines.members import with_defaults
from pipelines.report.document import Section, Table
from pipelines.report.view import flattened

NOT_SET = "not set"
MEMBER = "members."


def configurations(contenders: Sequence[Contender]) -> Section:
    """One row a setting that differs, one column a run; first, which tables some runs have and others have not.

    Settings that differ only because a run has not their table stand in a table of their own, behind the others.
    """
    labels = [one.label for one in contenders]
    configs = [completed(one.result.config) for one in contenders]
    found = [dict(flattened(one)) for one in configs]
    names = dict.fromkeys(name for one in found for name in one)
    differing = [name for name in names if len({one.get(name) for one in found}) > 1]
    shared: list[tuple[str, ...]] = []
    alone: list[tuple[str, ...]] = []
    for name in differing:
        among_those = {one.get(name) for one, config in zip(found, configs, strict=True) if _has_table_of(config, name)}
        (shared if len(among_those) > 1 else alone).append((name, *(one.get(name, NOT_SET) for one in found)))
    equal = f"{len(names) - len(differing):,} of {len(names):,} settings are equal"
    sentence = f"{equal}; what a member's table leaves out is this version's default."
    shown = tuple(Table(("setting", *labels), tuple(rows)) for rows in (shared, alone) if rows)
    return Section("Configurations", (sentence,), _only_some_have(labels, configs), shown)


def completed(config: Mapping[str, Any]) -> dict[str, Any]:
    """A run's configuration with its members' defaults, and without what is not set.

    A member's table that this version cannot read, of a run of another one, is as written.

    Examples
    --------
    >>> found = completed({"meta": None, "members": {"linear": {}, "gone": {"depth": 3}}})
    >>> list(found), found["members"]["linear"]["clip"], found["members"]["gone"]
    (['members'], 5.0, {'depth': 3})
    """
    members: dict[str, Any] = {}
    for name, table in config.get("members", {}).items():
        try:
            members |= with_defaults({name: table})
        except ConfigError:
            members[name] = table
    return _without_none({**config, "members": members})


def _without_none(table: Mapping[str, Any]) -> dict[str, Any]:
    return {
        key: _without_none(value) if isinstance(value, Mapping) else value
        for key, value in table.items()
        if value is not None
    }


def table_names(config: Mapping[str, Any], prefix: str = "") -> Iterator[str]:
    """The dotted names of a configuration's tables.

    Examples
    --------
    >>> list(table_names({"seed": 7, "members": {"lstm": {"hidden": 8}}}))
    ['members', 'members.lstm']
    """
    for key, value in config.items():
        if isinstance(value, Mapping):
            yield f"{prefix}{key}"
            yield from table_names(value, f"{prefix}{key}.")


def _has_table_of(config: Mapping[str, Any], setting: str) -> bool:
    return "." not in setting or setting.rpartition(".")[0] in table_names(config)


def _only_some_have(labels: Sequence[str], configs: Sequence[Mapping[str, Any]]) -> tuple[str, ...]:
    """A sentence for each table that some of the runs have, and others have not."""
    tables = [dict.fromkeys(table_names(one)) for one in configs]
    said = []
    for name in dict.fromkeys(name for one in tables for name in one):
        without = [label for label, own in zip(labels, tables, strict=True) if name not in own]
        if without:
            having = [label for label in labels if label not in without]
            what = f"The member {name.removeprefix(MEMBER)}" if name.startswith(MEMBER) else f"The table [{name}]"
            said.append(f"{what} is in {', '.join(having)}, not in {', '.join(without)}.")
    return tuple(said)
