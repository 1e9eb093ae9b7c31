"""``python -m benchmarks [name …]``: run the benchmark modules and print one table."""

from __future__ import annotations

import importlib
import pkgutil
import sys

import benchmarks
from benchmarks.harness import Result


def seconds(value: float) -> str:
    """A duration with a readable unit."""
    for unit, scale in (("s", 1.0), ("ms", 1e-3), ("µs", 1e-6)):
        if value >= scale:
            return f"{value / scale:.3g} {unit}"
    return f"{value / 1e-9:.3g} ns"


def main() -> None:
    """Import each module of this package that has ``run`` and print its results."""
    found = [module.name for module in pkgutil.iter_modules(benchmarks.__path__)]
    wanted = sys.argv[1:] or [name for name in found if name not in ("__main__", "harness")]
    print(f"{'what':44} {'ours':>12} {'peer':>12} {'ratio':>7}  per / peer")
    for name in wanted:
        results: list[Result] = importlib.import_module(f"benchmarks.{name}").run()
        for row in results:
            ours, peer = seconds(row.ours), seconds(row.peer)
            print(f"{row.name:44} {ours:>12} {peer:>12} {row.ratio:>6.2f}x  {row.unit} / {row.peer_name}")


if __name__ == "__main__":
    main()
