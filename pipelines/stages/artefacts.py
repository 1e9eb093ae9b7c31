"""Content-addressed artefacts: what a stage made, in a folder named by the digest of what it was made from.

A stage's digest covers its inputs' digests, its part of the configuration, our code, and the versions, Python and
machine class that decide its bits (`pipelines.stages.environment`), so an unchanged stage finds its folder and does
nothing. Folders appear whole or not at all, and no digest knows where they lie: a workspace can be moved.
"""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from models.blas import one_blas_thread
from models.members.protocol import Progress
from pipelines.stages.environment import ROOT, environment
from pipelines.stages.scratch import scratch_folder

__all__ = ["ROOT", "Artefact", "Artefacts", "Draft", "Job", "canonical", "job", "silent"]


def canonical(value: Any) -> bytes:
    """The canonical JSON of structs, dataclasses, plain values and numpy scalars."""
    return msgspec.json.Encoder(order="deterministic", enc_hook=_plain).encode(value)


def _plain(value: Any) -> Any:
    if isinstance(value, np.generic):
        return value.item()
    raise TypeError(f"{type(value).__name__} cannot be written as JSON")


@dataclass(frozen=True, slots=True)
class Artefact:
    """A finished artefact: its stage, its digest, its folder."""

    stage: str
    digest: str
    folder: str

    @property
    def path(self) -> Path:
        """The folder as a path."""
        return Path(self.folder)

    def array(self, name: str) -> NDArray[Any]:
        """One saved array."""
        return np.load(self.path / f"{name}.npy", allow_pickle=False)  # type: ignore[no-any-return]

    def json(self, name: str) -> Any:
        """One saved JSON document."""
        return msgspec.json.decode((self.path / f"{name}.json").read_bytes())


class Draft:
    """An artefact being made: save arrays, documents and bytes by name.

    ``kept``: a folder that outlives a kill, for what the next try of the same job can go on from; it goes when the
    artefact is there. None keeps nothing. It does not exist until somebody makes it.
    """

    def __init__(self, folder: Path, kept: Path | None = None) -> None:
        self.folder, self.kept = folder, kept

    def array(self, name: str, values: NDArray[Any]) -> None:
        """Save one array as ``name.npy``."""
        np.save(self.folder / f"{name}.npy", values, allow_pickle=False)

    def json(self, name: str, value: Any) -> None:
        """Save one document as ``name.json``."""
        (self.folder / f"{name}.json").write_bytes(canonical(value))

    def bytes(self, name: str, content: bytes) -> None:
        """Save one file."""
        (self.folder / name).write_bytes(content)


@dataclass(frozen=True, slots=True)
class Job:
    """Work that makes one artefact: nothing happens until it is run, and nothing at all if it is there already.

    ``build`` receives the draft to fill and a progress callback.
    """

    stage: str
    digest: str
    title: str
    build: Callable[[Draft, Progress], None]


def job(
    stage: str,
    title: str,
    inputs: tuple[Any, ...],
    build: Callable[[Draft, Progress], None],
    libraries: Sequence[str],
) -> Job:
    """A job whose digest covers the stage, its inputs and its environment.

    Parameters
    ----------
    stage, title
        The stage's name, and the job's for people.
    inputs
        Anything msgspec encodes; artefacts by their digests, which cover what they were made with.
    build
        See `Job`.
    libraries
        The distributions whose versions decide the bits of what is built.
    """
    content = canonical([stage, environment(libraries), inputs])
    return Job(stage, hashlib.sha256(content).hexdigest()[:32], title, build)


def silent(what: str, fraction: float) -> None:
    """Progress for nobody."""


class Artefacts:
    """The artefact folders below one root."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def find(self, job: Job) -> Artefact | None:
        """The finished artefact of a job, if there is one."""
        found = self.at(job.stage, job.digest)
        return found if found.path.is_dir() else None

    def at(self, stage: str, digest: str) -> Artefact:
        """The artefact of a stage and a digest, wherever this root lies today; it need not exist."""
        return Artefact(stage, digest, str(self.root / stage / digest))

    def make(self, job: Job, progress: Progress = silent) -> Artefact:
        """The artefact of a job, built now unless it is there already."""
        parent = self.root / job.stage
        kept = parent / f".{job.digest}.kept"
        found = self.find(job)
        if found is not None:
            shutil.rmtree(kept, ignore_errors=True)  # of a process that was killed before it could
            return found
        with scratch_folder(parent, job.digest) as scratch:
            try:
                with one_blas_thread():  # stages run side by side
                    job.build(Draft(scratch, kept), progress)
                os.rename(scratch, parent / job.digest)
            except OSError:
                if self.find(job) is None:
                    raise
        shutil.rmtree(kept, ignore_errors=True)
        return self.at(job.stage, job.digest)
