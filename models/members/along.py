"""What a long fit leaves on its way: a checkpoint that it goes on from after a kill, and its curves as they grow."""

from __future__ import annotations

import hashlib
import os
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

Told = Callable[[Mapping[str, float], int], None]
"""Called with the newest values of the learning curves, by the names of `FitRecord.curves`, and their step."""


@dataclass(frozen=True, slots=True)
class Along:
    """Where a fit keeps its state, and whom it tells its curves; both may be left out.

    Attributes
    ----------
    checkpoint
        The file. Whoever names it sees to it that another problem, other code or another library has another file; a
        member refuses the state of a fit with other data, hyperparameters or seed by itself.
    told
        Called from the thread that fits.

    Examples
    --------
    >>> import tempfile
    >>> along = Along(Path(tempfile.mkdtemp()) / "lstm")
    >>> along.load(), along.save(b"epoch 3"), along.load()
    (None, None, b'epoch 3')
    """

    checkpoint: Path | None = None
    told: Told | None = None

    def tell(self, values: Mapping[str, float], step: int) -> None:
        """Pass the curves' newest values on, if anybody listens."""
        if self.told is not None:
            self.told(values, step)

    def save(self, state: bytes) -> None:
        """Replace the checkpoint, whole or not at all."""
        if self.checkpoint is None:
            return
        self.checkpoint.parent.mkdir(parents=True, exist_ok=True)
        handle, scratch = tempfile.mkstemp(prefix=f".{self.checkpoint.name}-", dir=self.checkpoint.parent)
        with os.fdopen(handle, "wb") as file:
            file.write(hashlib.sha256(state).digest() + state)
        os.replace(scratch, self.checkpoint)

    def load(self) -> bytes | None:
        """The newest checkpoint; None if there is none, or a disk has damaged it."""
        if self.checkpoint is None or not self.checkpoint.is_file():
            return None
        found = self.checkpoint.read_bytes()
        size = hashlib.sha256().digest_size
        return found[size:] if hashlib.sha256(found[size:]).digest() == found[:size] else None


NOWHERE = Along()
"""For fits that keep nothing and tell nobody."""
