"""The one place where functions are compiled.

``kernel`` is numba's ``njit`` under the house rules: no ``fastmath`` (it introduces fused
multiply-adds and changes bits), NumPy's error model (a division by zero gives inf or NaN, never an
exception), and an on-disk cache.

numba's own cache looks only at the file of the *outer* function: edit a callee in another module
and it serves stale code. So the cache folder is named by a digest of every kernel source of the
house, of Python, numba, llvmlite and numpy: edit any of them and everything is compiled again.
"""

from __future__ import annotations

import hashlib
import os
import re
import sys
from collections.abc import Callable, Iterable
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Any, TypeVar, cast

import numba

Function = TypeVar("Function", bound=Callable[..., Any])

ROOT = Path(__file__).resolve().parent.parent
ROOMS = ("market", "features", "models", "trading", "serving")
MARKER = b"market.jit"
IMPORT = re.compile(
    rb"^\s*(?:from|import)\s+((?:%s)[\w.]*)(?:\s+import\s+(\([^)]*|[^\n]*))?" % "|".join(ROOMS).encode(), re.M
)


def cache_root() -> Path:
    """The folder of compiled code: ``$BOT4_CACHE_DIR``, else ``~/.cache/bot4``."""
    configured = os.environ.get("BOT4_CACHE_DIR")
    return Path(configured) if configured else Path.home() / ".cache" / "bot4"


def kernel_sources(root: Path = ROOT) -> list[Path]:
    """Every source file of the rooms that compiles something, and all that those import from the rooms, sorted.

    A kernel freezes the globals it reads: a constant of a file that compiles nothing is part of the code.
    """
    files = {path: path.read_bytes() for room in ROOMS for path in (root / room).rglob("*.py")}
    chosen = {path for path, text in files.items() if MARKER in text or path.name == "jit.py"}
    waiting = list(chosen)
    while waiting:
        found = {path for path in _imported(files[waiting.pop()], root) if path in files} - chosen
        chosen |= found
        waiting += found
    return sorted(chosen)


def _imported(text: bytes, root: Path) -> set[Path]:
    """The files that a source file's imports may mean: ``from a.b import c`` is a/b.py, a/b/__init__.py or a/b/c.py."""
    modules = set()
    for module, names in IMPORT.findall(text):
        modules |= {module, *(module + b"." + name for name in re.findall(rb"\w+", names))}
    stems = [root.joinpath(*module.decode().split(".")) for module in modules]
    return {file for stem in stems for file in (stem.with_suffix(".py"), stem / "__init__.py")}


def sources_digest(sources: Iterable[Path], root: Path = ROOT) -> str:
    """A digest of kernel sources and of the versions that compile them."""
    digest = hashlib.sha256(repr(sys.version_info[:3]).encode())
    for package in ("numba", "llvmlite", "numpy"):
        digest.update(f"{package}=={version(package)}\n".encode())
    for path in sources:
        digest.update(str(path.relative_to(root)).encode() + b"\0" + path.read_bytes() + b"\0")
    return digest.hexdigest()[:24]


@cache
def kernel_cache() -> Path:
    """The folder in which this version of the kernels is cached."""
    folder = cache_root() / "kernels" / sources_digest(kernel_sources())
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def kernel(function: Function) -> Function:
    """Compile a function under the house rules, cached on disk, on its first call.

    With ``NUMBA_DISABLE_JIT=1`` the function is returned as it is, and must give the same bits.

    Examples
    --------
    `market.events.first_broken` is such a function:

    >>> import numpy as np
    >>> from market.events import EVENT, as_words, first_broken
    >>> first_broken(as_words(np.zeros(0, EVENT)), np.uint64(0))
    -1
    """
    if numba.config.DISABLE_JIT:
        return function
    numba.config.CACHE_DIR = str(kernel_cache())
    compiled = numba.njit(cache=True, error_model="numpy", fastmath=False)(function)
    return cast(Function, compiled)
