"""The examples in the docstrings of the market room run."""

from __future__ import annotations

import doctest
import importlib
import pkgutil

import pytest

import market

NAMES = [module.name for module in pkgutil.walk_packages(market.__path__, "market.") if "synthetic" not in module.name]


@pytest.mark.parametrize("name", NAMES)
def test_examples(name):
    assert doctest.testmod(importlib.import_module(name)).failed == 0


def test_the_room_has_examples():
    assert sum(doctest.testmod(importlib.import_module(name)).attempted for name in NAMES) > 20
