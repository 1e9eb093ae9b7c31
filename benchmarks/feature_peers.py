"""Features beside talipp (incremental Python) and pandas-ta-classic (batch), each in an environment of its own.

As `benchmarks.peer` says: ``python -m benchmarks.feature_peers`` installs what is missing first, ``python -m
benchmarks`` takes the peers that are there, and one that cannot be installed or run is reported as absent. Indicators
are those that both sides define alike. Before anything is timed their values are compared, from the bar on at which
different seeds of exponential averages no longer show.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from benchmarks.features import columns, replayed
from benchmarks.harness import Result
from benchmarks.peer import Found, Peer, Task, all_beside, print_table
from features.conformance import plain_bars
from features.engine import FeatureEngine
from features.feature_set import FeatureSet
from market.time import MINUTE

SHARED = (
    "rsi_14",
    "stochastic_k_14",
    "stochastic_d_14_3",
    "cci_20",
    "adx_14",
    "plus_di_14",
    "minus_di_14",
    "aroon_up_25",
    "aroon_down_25",
    "natr_14",
    "ultimate_7_14_28",
    "body_share",
)
BATCH = (*SHARED, "mfi_14", "williams_r_48")
PLAIN = ("cci_20", "body_share")
"""What is not a percentage: all others are shares here, and a hundred times as much there."""
STREAMED, BATCHED, LATE = 5_000, 100_000, 2_500


def in_percent(names: tuple[str, ...], rows: NDArray[np.float64]) -> dict[str, NDArray[np.float64]]:
    """Our rows in the peers' units."""
    return {"values": rows * np.array([1.0 if name in PLAIN else 100.0 for name in names])}


def late(ours: Found, theirs: Found) -> None:
    """Every late value equal to 1e-8: what their running sums of deviations leave exact.

    Raises
    ------
    AssertionError
        Naming how far they are apart.
    """
    np.testing.assert_allclose(theirs["values"][LATE:], ours["values"][LATE:], rtol=1e-8, atol=1e-8)


def talipp() -> Peer:
    """One bar after the other, as they come live."""
    bars = plain_bars(STREAMED, 1)
    engine = FeatureEngine(FeatureSet(SHARED, MINUTE, 3)).build()

    def ours() -> Found:
        engine.reset()
        return in_percent(SHARED, np.array([engine.update(bar) for bar in bars]))

    task = Task(f"update, {len(SHARED)} indicators", "bar", STREAMED, ours, late)
    return Peer("talipp", columns(bars), {"stream": task})


def pandas_ta_classic() -> Peer:
    """All bars at once."""
    bars = plain_bars(BATCHED, 1)
    engine = FeatureEngine(FeatureSet(BATCH, MINUTE, 3)).build()
    name = f"replay, {len(BATCH)} indicators, {BATCHED // 1000}k bars"
    task = Task(name, "value", BATCHED * len(BATCH), lambda: in_percent(BATCH, replayed(engine, bars)), late)
    return Peer("pandas-ta-classic", columns(bars), {"batch": task})


PEERS = (talipp, pandas_ta_classic)


def run() -> list[Result]:
    """Every peer that is there, and a note on each."""
    return all_beside(PEERS, build=False)


if __name__ == "__main__":
    print_table(PEERS)
