"""What may have been meant where a configuration does not decode: the nearest key, the values that a key may have."""

from __future__ import annotations

import difflib
import json
import re
from collections.abc import Sequence
from types import UnionType
from typing import Any, Literal, Union, get_args, get_origin

import msgspec


def suggestion(message: str, kind: type) -> str:
    """What was meant, or may be: of msgspec's messages about an unknown field and about a value that is none of a few.

    Empty for any other message.

    Examples
    --------
    >>> from pipelines.config import RunConfig
    >>> suggestion("Invalid enum value 'stak' - at `$.ensemble.method`", RunConfig)
    '; did you mean "stack"? It may be "stack", "mean", "weighted" or "bma"'
    """
    found = re.search(r"unknown field `(?P<field>\w+)`|Invalid enum value '?(?P<value>.*?)'?(?: - at |$)", message)
    if found is None:
        return ""
    path = re.search(r" - at `\$(.*)`$", message)
    at = type_at(kind, re.findall(r"\w+|\[[^]]*\]", path[1]) if path else [])
    if found["field"]:
        structs = [one for one in alternatives(at) if isinstance(one, type) and issubclass(one, msgspec.Struct)]
        return _nearest_field(found["field"], structs[0]) if structs else ""
    return _allowed(found["value"], at)


def alternatives(kind: Any) -> tuple[Any, ...]:
    """The types that a value of a type may have: those of a union, or the one."""
    return get_args(kind) if isinstance(kind, UnionType) or get_origin(kind) is Union else (kind,)


def type_at(kind: Any, steps: Sequence[str]) -> Any:
    """The type of what msgspec's path leads to, by fields and ``[0]`` or ``[...]`` for items; None if it is unknown."""
    for step in steps:
        for one in alternatives(kind):
            if step.startswith("["):
                kind = next((item for item in reversed(get_args(one)) if item is not Ellipsis), None)
            elif isinstance(one, type) and issubclass(one, msgspec.Struct):
                kind = {field.encode_name: field.type for field in msgspec.structs.fields(one)}.get(step)
            else:
                continue
            break
        else:
            return None
    return kind


def _nearest_field(name: str, kind: type[msgspec.Struct]) -> str:
    known = [field.encode_name for field in msgspec.structs.fields(kind)]
    close = difflib.get_close_matches(name, known, n=1)
    return f"; did you mean `{close[0]}`?" if close else f"; known keys are {', '.join(known)}"


def _allowed(value: str, kind: Any) -> str:
    """The nearest value and all of them; a list, where that may be too."""
    few = [one for part in alternatives(kind) if get_origin(part) is Literal for one in get_args(part)]
    if not few:
        return ""
    close = difflib.get_close_matches(value, [one for one in few if isinstance(one, str)], n=1)
    said = [json.dumps(one) for one in few]
    said += ["a list"] if any(get_origin(part) in (tuple, list) for part in alternatives(kind)) else []
    every = " or ".join([", ".join(said[:-1]), said[-1]]) if len(said) > 1 else said[0]
    return f"; did you mean {json.dumps(close[0])}? It may be {every}" if close else f"; it may be {every}"
