"""Modules kept in the kernel cache: generated loops, and features of one's own, under names that tell their content.

numba finds cached machine code again by a module's importable name and its file's time, so both must be the same in
every process.
"""

from __future__ import annotations

import importlib.util
import os
import sys
import tempfile
import threading
from pathlib import Path
from types import ModuleType

from market.jit import kernel_cache

STAMP = 1_000_000_000
"""Every written file carries the same modification time: numba's cache compares it, and processes may race."""

LOADING = threading.RLock()
"""Held while a module is imported or compiled: stages run side by side, and neither may be seen half done."""


def write_module(name: str, source: str) -> Path:
    """Write a module's source into the kernel cache, atomically, unless it is there."""
    folder = kernel_cache() / "features"
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{name}.py"
    if path.exists() and path.read_text() == source:
        return path
    handle, temporary = tempfile.mkstemp(dir=folder, suffix=".tmp")
    with os.fdopen(handle, "w") as file:
        file.write(source)
    os.utime(temporary, (STAMP, STAMP))
    Path(temporary).replace(path)
    return path


def load_module(name: str, source: str) -> ModuleType:
    """Import a module by name from its source, once per process; one that fails leaves no trace."""
    with LOADING:
        return sys.modules[name] if name in sys.modules else imported(name, source)


def imported(name: str, source: str) -> ModuleType:
    """Import a module that is not there yet."""
    path = write_module(name, source)
    specification = importlib.util.spec_from_file_location(name, path)
    if specification is None or specification.loader is None:
        raise ImportError(f"cannot import {path}")
    module = importlib.util.module_from_spec(specification)
    sys.modules[name] = module
    try:
        specification.loader.exec_module(module)
    except BaseException:
        del sys.modules[name]
        raise
    return module
