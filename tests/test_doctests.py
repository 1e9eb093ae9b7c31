"""Every example in a public docstring runs."""

from __future__ import annotations

import doctest
import importlib
import pkgutil

import pytest

ROOMS = ("market", "features", "models", "trading", "serving", "pipelines")


def modules() -> list[str]:
    found = []
    for room in ROOMS:
        package = importlib.import_module(room)
        found += [module.name for module in pkgutil.walk_packages(package.__path__, f"{room}.")]
    return found


@pytest.mark.parametrize("name", modules())
def test_examples_run(name: str) -> None:
    outcome = doctest.testmod(importlib.import_module(name), optionflags=doctest.NORMALIZE_WHITESPACE)
    assert outcome.failed == 0
