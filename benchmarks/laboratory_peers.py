"""The laboratory beside published libraries; see `benchmarks.peer`.

``python -m benchmarks.laboratory_peers`` (``make bench-peers``) installs what is missing first; ``python -m
benchmarks`` takes the peers that are there.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from benchmarks.harness import Result
from benchmarks.laboratory_labels import market
from benchmarks.peer import Agreement, Found, Peer, Task, all_beside, close, equal, print_table
from benchmarks.peers.timing import joined
from market.time import MINUTE
from models.labels import BarrierConfig, barrier_labels
from models.splitters import CombinatorialPurgedCV, PurgedKFold
from models.splitters.check import overlap
from models.statistics.fractional import expanding_weights, fixed_width_weights, fractional_difference
from models.weights import average_uniqueness, sequential_bootstrap

HORIZON, WIDTH, SEED = 24, 0.005, 3


def leaks(t0: NDArray[np.int64], t1: NDArray[np.int64]) -> Agreement:
    """How many training labels a peer keeps that overlap a test label; its test sets are ours."""

    def count(ours: Found, theirs: Found) -> str:
        equal({"test": ours["test"]}, theirs)
        found, first, begin = 0, 0, 0
        for trained, tested in theirs["sizes"]:
            train, test = theirs["train"][first : first + trained], theirs["test"][begin : begin + tested]
            near = train[np.abs(train - np.clip(train, test[0], test[-1])) <= 100 * HORIZON]
            found += int(overlap(t0, t1, near, test, closed=False).any(axis=1).sum())
            first, begin = first + trained, begin + tested
        return (
            f"same tests; keeps {found:,} training labels that overlap a test's (it purges from the first test label's "
            f"end, not its decision), and {len(theirs['train']):,} training rows to our {len(ours['train']):,}"
        )

    return count


def mlfinpy() -> Peer:
    """Labels, weights, folds and differences of one random walk."""
    generator = np.random.default_rng(0)
    bars = market(generator)[:100_000]
    count, events = len(bars), np.sort(generator.choice(90_000, 1_000, replace=False))
    first = np.sort(generator.choice(10_000, 1_000, replace=False))
    last = first + generator.integers(1, HORIZON, len(first))
    few, draws, order, threshold = 500, 100, 0.4, 1e-4
    # Of equal length: with others it raises 'Train and test intersect'.
    fold_t0 = bars["end"][:5_000]
    fold_t1 = fold_t0 + MINUTE * HORIZON
    log = np.log(bars["close"])[:5_000]
    uniforms = np.random.RandomState(SEED).random_sample(draws)
    # mlfinpy looks at closes after the decision's close, and at simple returns.
    barriers = BarrierConfig(np.log1p(WIDTH) / WIDTH, -np.log1p(-WIDTH) / WIDTH, HORIZON, touch="close")
    folds = PurgedKFold(10, fold_t0, fold_t1, closed=False)
    target = np.full(count, WIDTH)
    data = {
        "end": bars["end"].astype("datetime64[ns]"), "close": bars["close"], "events": events, "horizon": HORIZON,
        "width": WIDTH, "seed": SEED, "first": first, "last": last, "few": few, "draws": draws, "order": order,
        "threshold": threshold, "log": log, "fold_t0": fold_t0.astype("datetime64[ns]"),
        "fold_t1": fold_t1.astype("datetime64[ns]"),
    }  # fmt: skip
    return Peer(
        "mlfinpy",
        data,
        {
            "barriers": Task(
                "triple barrier, 1,000 events on 100k bars",
                "event",
                len(events),
                lambda: {"t1": barrier_labels(bars, target, barriers, interval=MINUTE, events=events).t1},
                equal,
            ),
            "uniqueness": Task(
                "average uniqueness of 1,000 labels",
                "label",
                len(first),
                lambda: {"weight": average_uniqueness(first, last + 1)},
                close,
            ),
            "bootstrap": Task(
                "sequential bootstrap, 100 of 500 labels",
                "draw",
                draws,
                lambda: {"drawn": sequential_bootstrap(first[:few], last[:few], uniforms)},
                equal,
            ),
            "folds": Task(
                "purged 10-fold, 5,000 samples",
                "sample",
                len(fold_t0),
                lambda: joined(folds.split(fold_t0)),
                leaks(fold_t0, fold_t1),
            ),
            "fraction": Task(
                "fractional difference, 5,000 rows",
                "row",
                len(log),
                lambda: {"values": fractional_difference(log, fixed_width_weights(order, threshold))},
                close,
            ),
        },
    )


def skfolio() -> Peer:
    """Combinatorial splits of labels of equal length, since it counts rows."""
    count, span, embargo = 100_000, 24, 60
    t0 = np.arange(count)
    splitter = CombinatorialPurgedCV(10, 2, t0, t0 + span, embargo=embargo)
    name = "combinatorial purged (10, 2), 100k samples"
    task = Task(name, "sample", count, lambda: joined(splitter.split(t0)), equal)
    return Peer("skfolio", {"t0": t0, "span": span, "embargo": embargo}, {"combinations": task})


def purgedcv() -> Peer:
    """Splits of labels of unequal length; its intervals are open at their ends, but its embargo is closed."""
    count, embargo = 100_000, 60 * MINUTE
    t0 = MINUTE * np.arange(count)
    t1 = t0 + MINUTE * np.random.default_rng(0).integers(1, HORIZON, count)
    one = PurgedKFold(10, t0, t1, embargo=embargo + 1, closed=False)
    two = CombinatorialPurgedCV(10, 2, t0, t1, embargo=embargo + 1, closed=False)
    data = {"t0": t0.astype("datetime64[ns]"), "t1": t1.astype("datetime64[ns]"), "embargo": embargo}
    folds = Task("purged 10-fold, 100k samples", "sample", count, lambda: joined(one.split(t0)), equal)
    name = "combinatorial purged (10, 2), 100k samples"
    combinations = Task(name, "sample", count, lambda: joined(two.split(t0)), equal)
    return Peer("purgedcv", data, {"folds": folds, "combinations": combinations})


def fracdiff_modern() -> Peer:
    """Differences of a long series by a window of some weights."""
    log, order, window = np.random.default_rng(0).normal(0, 0.001, 1_000_000).cumsum(), 0.4, 200

    def ours() -> Found:
        return {"values": fractional_difference(log, expanding_weights(order, window))[window - 1 :]}

    task = Task("fractional difference, 1M rows, 200 weights", "row", len(log), ours, close)
    return Peer("fracdiff-modern", {"log": log, "order": order, "window": window}, {"fraction": task})


PEERS = (mlfinpy, skfolio, purgedcv, fracdiff_modern)


def run() -> list[Result]:
    """Every peer that is there, and a note on each."""
    return all_beside(PEERS, build=False)


if __name__ == "__main__":
    print_table(PEERS)
