"""The laboratory beside published libraries, each in an environment of its own, on the same data and in one run.

``python -m benchmarks.laboratory_peers`` (``make bench-peers``) installs what is missing first, from the hash-locked
``requirements/peers/*.txt``, into ``.venv-peers``; ``python -m benchmarks`` takes the peers that are there. One that
cannot be installed or run is reported as absent, with the reason.

The peers need older or other versions than this project, so each runs in its own interpreter (``benchmarks/peers``),
right after ours. Times are medians of repetitions, without imports and the reading of the data. What both sides found
is compared: where the definitions agree it must be equal, and where a peer is known to do something else, that is said
and counted below the table.
"""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
import tempfile
import venv
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.harness import HEADER, Result, compare, line
from benchmarks.laboratory_labels import market
from benchmarks.peers.timing import joined
from market.time import MINUTE
from models.labels import BarrierConfig, barrier_labels
from models.splitters import CombinatorialPurgedCV, PurgedKFold
from models.splitters.check import overlap
from models.statistics.fractional import expanding_weights, fixed_width_weights, fractional_difference
from models.weights import average_uniqueness, sequential_bootstrap

ROOT = Path(__file__).resolve().parent.parent
ENVIRONMENTS = ROOT / ".venv-peers"
LOCKS = ROOT / "requirements" / "peers"
SCRIPTS = Path(__file__).resolve().parent / "peers"
REPETITIONS, PEER_REPETITIONS = 7, 3
HORIZON, WIDTH, SEED = 24, 0.005, 3

Found = Mapping[str, NDArray[Any]]
Agreement = Callable[[Found, Found], str | None]
"""Of ours and theirs: None where they are equal, else what is known to differ; it raises if something else does."""


class AbsentPeerError(RuntimeError):
    """A peer that could not be installed or run, and why."""


@dataclass(frozen=True, slots=True)
class Task:
    """Something that both sides do: ``name`` in the table, ``ours``, units of work, and how the two agree."""

    name: str
    unit: str
    work: int
    ours: Callable[[], Found]
    agreement: Agreement


@dataclass(frozen=True, slots=True)
class Peer:
    """A library, the arrays that its script reads, and the tasks by the script's names."""

    name: str
    data: Mapping[str, Any]
    tasks: Mapping[str, Task] = field(default_factory=dict)

    @property
    def python(self) -> Path:
        """Its interpreter."""
        return ENVIRONMENTS / self.name / "bin" / "python"

    @property
    def script(self) -> Path:
        """What its interpreter runs."""
        return SCRIPTS / f"run_{self.name.replace('-', '_')}.py"


def lock_of(name: str) -> Path:
    """The hash-locked requirements of a peer."""
    return LOCKS / f"{name}.txt"


def is_installed(name: str) -> bool:
    """Whether a peer's environment holds exactly its lock."""
    stamp = ENVIRONMENTS / name / ".installed"
    return stamp.exists() and stamp.read_text() == hashlib.sha256(lock_of(name).read_bytes()).hexdigest()


def install(name: str) -> None:
    """Build a peer's environment from its lock.

    Raises
    ------
    AbsentPeerError
        If pip fails, with the last thing it said.
    """
    folder = ENVIRONMENTS / name
    print(f"== installing {lock_of(name).relative_to(ROOT)}", file=sys.stderr)
    venv.create(folder, with_pip=True, clear=True)
    pip = [str(folder / "bin" / "python"), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    command = [*pip, "--require-hashes", "--no-deps", "-r", str(lock_of(name))]
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    if done.returncode:
        raise AbsentPeerError(f"pip: {last_words(done.stderr)}")
    (folder / ".installed").write_text(hashlib.sha256(lock_of(name).read_bytes()).hexdigest())


def last_words(text: str) -> str:
    """The last line that says something."""
    return next((line.strip() for line in reversed(text.splitlines()) if line.strip()), "it said nothing")


def measured(peer: Peer) -> tuple[Mapping[str, float], Found]:
    """The peer's seconds by task, and what it found.

    Raises
    ------
    AbsentPeerError
        If its interpreter fails.
    """
    with tempfile.TemporaryDirectory() as folder:
        data, results = Path(folder) / "data.npz", Path(folder) / "results.npz"
        np.savez(data, **peer.data)
        command = [str(peer.python), str(peer.script), str(data), str(results), str(PEER_REPETITIONS)]
        done = subprocess.run(command, check=False, capture_output=True, text=True)
        if done.returncode:
            raise AbsentPeerError(last_words(done.stderr))
        with np.load(results) as arrays:
            return json.loads(last_words(done.stdout)), dict(arrays)


def beside(peer: Peer, build: bool) -> tuple[list[Result], list[str]]:
    """The rows of a peer, and what there is to say about it."""
    try:
        if not is_installed(peer.name):
            if not build:
                raise AbsentPeerError("not installed; `make bench-peers` does that")
            install(peer.name)
        seconds, found = measured(peer)
    except AbsentPeerError as reason:
        return [], [f"{peer.name} is absent: {reason}"]
    rows, notes = [], []
    for key, task in peer.tasks.items():
        theirs = {name.removeprefix(f"{key}."): value for name, value in found.items() if name.startswith(f"{key}.")}
        note = task.agreement(task.ours(), theirs)
        notes.append(f"{peer.name}, {task.name}: {note or 'equal'}")
        ours = compare("", "", task.ours, "", lambda: None, work=1, repetitions=REPETITIONS).ours
        rows.append(Result(task.name, task.unit, ours / task.work, peer.name, seconds[key] / task.work))
    return rows, notes


def equal(ours: Found, theirs: Found) -> None:
    """Every array equal.

    Raises
    ------
    AssertionError
        Naming the first that is not.
    """
    for name, values in ours.items():
        if not np.array_equal(values, theirs[name]):
            raise AssertionError(f"{name} of ours and the peer's differ: {values} and {theirs[name]}")


def close(ours: Found, theirs: Found) -> None:
    """Every array equal up to rounding, NaN where the other is.

    Raises
    ------
    AssertionError
        Naming how far they are apart.
    """
    for name, values in ours.items():
        np.testing.assert_allclose(values, theirs[name], rtol=1e-9, atol=1e-9, err_msg=name)


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


def run(build: bool = False) -> list[Result]:
    """Every peer that is there, and a note on each."""
    rows, notes = [], []
    for make in PEERS:
        found, said = beside(make(), build)
        rows += found
        notes += said
    print("\n".join(f"  note: {one}" for one in notes))
    return rows


def main() -> None:
    """Install what is missing, and print the table."""
    rows = run(build=True)
    print("\n".join([HEADER, *map(line, rows)]))


if __name__ == "__main__":
    main()
