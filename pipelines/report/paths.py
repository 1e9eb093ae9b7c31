"""What the combinatorial paths are of, in words: not the strategy that goes live."""

from __future__ import annotations

from pipelines.laboratory import Paths
from pipelines.results import RunResult
from pipelines.verdict import listed

TRADED = "the members' mean"
"""What every path trades, where there is little room."""


def left_out(result: RunResult, paths: Paths) -> tuple[str, ...]:
    """What decides in the run's own strategy, and not on its paths.

    Stacker, calibration, prediction sets and second stage learn from what members said out of fold before them. On the
    paths training data also follows the test, and every out-of-fold prediction there is comes from fits that saw it.
    """
    ensemble, meta = result.config.get("ensemble") or {}, result.config.get("meta") or {}
    others = tuple(name for name in result.config.get("members") or () if name not in paths.members)
    found = [f"the member{'s' if len(others) > 1 else ''} {listed(others)}"] if others else []
    found += ["the stacker", "the calibration"]
    if ensemble.get("one_sided"):
        found.append("the prediction sets that say where this run trades")
    if meta.get("sizing"):
        found.append("the second stage that sizes its bets")
    return tuple(found)


def paths_trade(result: RunResult, paths: Paths) -> str:
    """What the paths trade, and what of the run's own strategy they lack."""
    return (
        f"The combinatorial paths trade the plain mean of {listed(paths.members)}, without "
        f"{listed(left_out(result, paths))}: their numbers are not of the strategy that goes live."
    )
