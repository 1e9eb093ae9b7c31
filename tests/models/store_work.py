"""What other processes do to a model store while its tests watch; quick to import, for there are many of them."""

from __future__ import annotations

import os
import signal
import traceback
from contextlib import suppress
from itertools import count
from pathlib import Path
from random import Random

from models.bundle.errors import StoreError
from models.bundle.store import ModelStore, Verdict

PASSED = (Verdict("certificate", True),)
ALIASES = ("champion", "challenger")


def heard(failed, work, *arguments):
    """Do something in another process; what it raises is written to a file, for the exit code says nothing of it."""
    try:
        work(*arguments)
    except BaseException:
        failed.write_text(traceback.format_exc())
        raise


def promote_often(root, person, times):
    store = ModelStore(root)
    for number in range(times):
        store.promote("btc", 1 + number % 3, "champion", PASSED, person)


def promote_and_roll_back(root, person, seed):
    """On and on, until it is killed: promotions, and as many rollbacks as there is something to go back to."""
    random, store = Random(seed), ModelStore(root)
    while True:
        if random.random() < 0.6:
            store.promote("btc", random.randint(1, 3), random.choice(ALIASES), PASSED, person)
        else:
            with suppress(StoreError):
                store.rollback("btc", random.choice(ALIASES), person)


def register(root, folders):
    """A day's work: two versions, each of them promoted."""
    store = ModelStore(root)
    for folder in folders[:2]:
        version = store.put(folder, "btc")
        store.promote("btc", version, "champion", PASSED, "worker")


def killed_before_call(number, root, folders):
    """Do the work, but kill -9 itself right before the so-manieth call that changes the disk."""
    calls = count(1)

    def deadly(call):
        def counted(*arguments, **options):
            if next(calls) == number:
                os.kill(os.getpid(), signal.SIGKILL)
            return call(*arguments, **options)

        return counted

    os.fsync, Path.rename, Path.replace = deadly(os.fsync), deadly(Path.rename), deadly(Path.replace)
    Path.open, Path.mkdir = deadly(Path.open), deadly(Path.mkdir)
    register(root, folders)
