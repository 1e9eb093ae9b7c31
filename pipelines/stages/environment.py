"""What decides a stage's bits besides its inputs: our code, the libraries it calls, Python, and the machine class."""

from __future__ import annotations

import hashlib
import platform
from collections.abc import Iterable, Iterator, Sequence
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from models.bundle.machine import this_machine
from models.members import MEMBERS

ROOT = Path(__file__).resolve().parent.parent.parent
ROOMS_OF_RESEARCH = ("market", "features", "models", "trading", "pipelines/stages")
FILES_OF_PIPELINES = (
    "arrays_json",
    "audit/findings",
    "bets",
    "claims",
    "config",
    "config_check",
    "ensembles",
    "errors",
    "estimate",
    "feature_study",
    "importances",
    "laboratory",
    "ledger/chain",
    "ledger/errors",
    "ledger/summary",
    "ledger/trial",
    "members",
    "meta",
    "predictions",
    "results",
    "suggestion",
    "toml",
)
"""What the stages import of their own room."""
ALTERNATIVES = {"xgboost": ("xgboost-cpu", "xgboost")}
"""Modules that several distributions install."""


def member_libraries(names: Iterable[str]) -> list[str]:
    """The libraries that decide the bits of some fitted members and of their parts of the graph, each once."""
    return list(dict.fromkeys(one for name in names for one in MEMBERS.facts(name).distributions))


def source_files() -> Iterator[Path]:
    """The sources that decide what a stage makes."""
    for room in ROOMS_OF_RESEARCH:
        yield from sorted((ROOT / room).rglob("*.py"))
    for name in FILES_OF_PIPELINES:
        yield ROOT / "pipelines" / f"{name}.py"


@cache
def code_digest() -> str:
    """A digest of `source_files`, names and contents."""
    found = hashlib.sha256()
    for path in source_files():
        found.update(str(path.relative_to(ROOT)).encode() + b"\0" + path.read_bytes() + b"\0")
    return found.hexdigest()


def library_versions(names: Sequence[str]) -> dict[str, str]:
    """The installed version of each library; ``absent`` where there is none, so that it fails where it is used.

    Examples
    --------
    >>> library_versions(["numpy", "no-such-library"])["no-such-library"]
    'absent'
    """
    return {name: _installed(ALTERNATIVES.get(name, (name,))) for name in sorted(set(names))}


def _installed(distributions: Sequence[str]) -> str:
    for name in distributions:
        try:
            return f"{name} {version(name)}"
        except PackageNotFoundError:
            continue
    return "absent"


@cache
def machine_class() -> tuple[str, ...]:
    """Architecture, instruction sets and C library: compiled kernels and libraries choose their code by them."""
    found = this_machine()
    return (found.architecture, *found.cpu_features, found.c_library)


def environment(libraries: Sequence[str]) -> tuple[object, ...]:
    """Everything of the environment that decides a stage's bits, as plain values."""
    return (code_digest(), platform.python_version(), machine_class(), library_versions(libraries))
