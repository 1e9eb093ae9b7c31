"""The examples in the docstrings of the market room run."""

from __future__ import annotations

import doctest
import importlib
import pkgutil

import numba
import pytest

import market

NAMES = [module.name for module in pkgutil.walk_packages(market.__path__, "market.") if "synthetic" not in module.name]


UNCACHEABLE = pytest.mark.xfail(
    not numba.config.DISABLE_JIT,
    strict=True,
    reason="numba cannot cache a function typed into a doctest (no source file)",
)


@pytest.mark.parametrize("name", [pytest.param(n, marks=UNCACHEABLE) if n == "market.jit" else n for n in NAMES])
def test_examples(name):
    assert doctest.testmod(importlib.import_module(name)).failed == 0


def test_the_room_has_examples():
    finder = doctest.DocTestFinder()
    examples = [test for name in NAMES for test in finder.find(importlib.import_module(name)) if test.examples]
    assert len(examples) >= 10
