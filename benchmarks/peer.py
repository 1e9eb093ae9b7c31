"""Published libraries beside ours, each in an environment of its own, on the same data and in one run.

A peer is installed from its hash-locked ``requirements/peers/*.txt`` into ``.venv-peers``. One that cannot be installed
or run is reported as absent, with the reason. Peers need older or other versions than this project, so each runs in its
own interpreter (``benchmarks/peers``), right after ours. Times are medians of repetitions, without imports and the
reading of the data. What both sides found is compared: where the definitions agree it must be equal, and where a peer
is known to do something else, that is said and counted below the table.
"""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
import tempfile
import venv
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.harness import HEADER, Result, compare, line

ROOT = Path(__file__).resolve().parent.parent
ENVIRONMENTS = ROOT / ".venv-peers"
LOCKS = ROOT / "requirements" / "peers"
SCRIPTS = Path(__file__).resolve().parent / "peers"
REPETITIONS, PEER_REPETITIONS = 7, 3

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


def all_beside(makers: Sequence[Callable[[], Peer]], build: bool) -> list[Result]:
    """The rows of every peer that is there; a note on each is printed."""
    rows, notes = [], []
    for make in makers:
        found, said = beside(make(), build)
        rows += found
        notes += said
    print("\n".join(f"  note: {one}" for one in notes))
    return rows


def print_table(makers: Sequence[Callable[[], Peer]]) -> None:
    """Install what is missing, and print the table."""
    rows = all_beside(makers, build=True)
    print("\n".join([HEADER, *map(line, rows)]))
