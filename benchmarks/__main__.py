"""``python -m benchmarks [name …]``: run the benchmark modules and print one table of rates, times and ratios."""

from __future__ import annotations

import importlib
import pkgutil
import sys

import benchmarks
from benchmarks.harness import HEADER, Result, line

SHARED = ("__main__", "harness", "memory", "peer", "windowed")
"""Modules that measure nothing themselves."""


def main() -> None:
    """Import each module of this package that has ``run`` and print its results."""
    found = [module.name for module in pkgutil.iter_modules(benchmarks.__path__)]
    wanted = sys.argv[1:] or [name for name in found if name not in SHARED]
    print(HEADER)
    for name in wanted:
        results: list[Result] = importlib.import_module(f"benchmarks.{name}").run()
        for row in results:
            print(line(row), flush=True)


if __name__ == "__main__":
    main()
