"""The architecture page matches the code: every name on it exists, and takes the arguments that the page says."""

from __future__ import annotations

import importlib
import inspect
import re
from pathlib import Path

import pytest

PAGE = Path(__file__).resolve().parent.parent / "docs" / "architecture.md"
ROOMS = ("market", "features", "models", "trading", "serving", "pipelines")
CODE = re.findall(r"`([^`\n]+)`", PAGE.read_text(encoding="utf-8"))
FULL = sorted({text for text in CODE if re.match(rf"({'|'.join(ROOMS)})\.[\w.]+(\(.*\))?$", text)})
METHOD = re.compile(r"`([a-z_]+)\(([^`)]*)\)`")


def find(dotted: str):
    """The module, class, function or value of a dotted name."""
    parts = dotted.split(".")
    for length in range(len(parts), 0, -1):
        try:
            found = importlib.import_module(".".join(parts[:length]))
        except ModuleNotFoundError:
            continue
        for part in parts[length:]:
            found = getattr(found, part)
        return found
    raise ModuleNotFoundError(dotted)


def takes(function, arguments: str) -> bool:
    """Whether a function's parameters are those, or begin with those where the text ends in an ellipsis."""
    names = [name for name in inspect.signature(function).parameters if name != "self"]
    told = [name.strip() for name in arguments.split(",") if name.strip()]
    if told and told[-1] == "…":
        return names[: len(told) - 1] == told[:-1] and len(names) >= len(told)
    return names == told


@pytest.mark.parametrize("text", FULL)
def test_a_name_exists_and_takes_what_the_page_says(text):
    name, _, arguments = text.partition("(")
    found = find(name)
    if arguments:
        assert takes(found, arguments.removesuffix(")")), f"{name}{inspect.signature(found)}"


def methods():
    """What the page says of methods by their short names, each with the full names in the same bullet."""
    page = PAGE.read_text(encoding="utf-8")
    for bullet in re.split(r"\n(?=- |#)", page):
        owners = [text.partition("(")[0] for text in re.findall(r"`([^`\n]+)`", bullet)]
        owners = [name for name in owners if re.match(rf"({'|'.join(ROOMS)})\.[\w.]+$", name)]
        for method, arguments in METHOD.findall(bullet):
            yield method, arguments, tuple(owners)


@pytest.mark.parametrize(("method", "arguments", "owners"), sorted(set(methods())))
def test_a_method_belongs_to_something_its_bullet_names_and_takes_what_the_page_says(method, arguments, owners):
    found = [getattr(find(owner), method) for owner in owners if hasattr(find(owner), method)]
    assert found, f"none of {owners} has {method}"
    assert any(takes(one, arguments) for one in found), [str(inspect.signature(one)) for one in found]


def test_the_page_is_checked_at_all():
    assert len(FULL) > 60
    assert sum(1 for _ in methods()) > 25
