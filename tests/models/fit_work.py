"""``python -m tests.models.fit_work MEMBER CHECKPOINT FRACTION``: fit, and kill -9 itself in the middle of an epoch."""

import os
import signal
import sys
from pathlib import Path

from models.members import MEMBERS
from models.members.along import NOWHERE, Along
from models.members.conformance import SEED
from models.members.planted import planted

SMALL = {"hidden": 6, "layers": 2, "epochs": 6, "patience": 6, "updates": 8, "chunk": 16, "learning_rate": 0.01}


def small_fit(name, progress=None, along=NOWHERE, seed=SEED, **options):
    """A small fit of a network; options of its configuration."""
    kind = MEMBERS[name]
    problem = planted(seed=41, rows=600)
    member = kind(config=type(kind().config)(**{**SMALL, **options}))
    return member.fit(problem.panel, problem.train, problem.validation, seed, progress, along)


def word(fitted):
    """Everything a fit leaves: its graph's bytes and its record."""
    return fitted.part().model.SerializeToString(deterministic=True), fitted.record


if __name__ == "__main__":

    def kill_at(what, fraction):
        if fraction > float(sys.argv[3]):
            os.kill(os.getpid(), signal.SIGKILL)

    small_fit(sys.argv[1], kill_at, Along(Path(sys.argv[2])))
