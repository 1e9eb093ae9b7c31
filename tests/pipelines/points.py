"""Named points of a process, before and after whatever it leaves behind: it writes them down, and kills itself at one.

A point is deadly when it is first reached. `one_after_another` imports the libraries once and forks a process for each
point, so that a kill costs no more than the work before it.
"""

from __future__ import annotations

import dataclasses
import itertools
import os
import signal
import threading
from collections.abc import Callable, Iterable
from pathlib import Path

from pipelines.stages.artefacts import Artefacts

Detail = Callable[..., str | None]
"""From a call's arguments what tells its points from those of other calls; None if the call has none."""


class Points:
    """Writes down which points are reached, and kills the process (-9) at one: by its name, or by its number from 1."""

    def __init__(self, deadly: str, file: Path) -> None:
        self.deadly, self.file, self.count, self.lock = deadly, file, 0, threading.Lock()

    def reached(self, name: str) -> None:
        with self.lock:
            self.count += 1
            with self.file.open("a") as file:
                file.write(f"{name}\n")
            if self.deadly in (str(self.count), name):
                os.kill(os.getpid(), signal.SIGKILL)

    def around(self, owner: object, name: str, detail: Detail | None = None) -> None:
        """Points ``before`` and ``after`` each call; without ``detail`` they have its number from the second on."""
        call, detail = getattr(owner, name), detail or numbered()
        what = f"{getattr(owner, '__name__', owner).rpartition('.')[2]}.{name}"

        def counted(*arguments, **options):
            told = detail(*arguments, **options)
            if told is None:
                return call(*arguments, **options)
            self.reached(f"before {what} {told}".rstrip())
            found = call(*arguments, **options)
            self.reached(f"after {what} {told}".rstrip())
            return found

        setattr(owner, name, counted)

    def around_stages(self, root: Path) -> None:
        """``ready``, ``filled``, ``made`` and ``during`` each stage whose artefacts lie below ``root``.

        They are before an artefact is begun, when it is filled but has no name yet, when it is there, and a progress
        report of the work, in the middle of a fit for example.
        """
        make = Artefacts.make

        def counted(artefacts, job, *progress):
            if artefacts.root != root:
                return make(artefacts, job, *progress)  # the auditor's own, which do not outlive it

            def build(draft, told):
                def during(what, fraction):
                    if 0.0 < fraction < 1.0:
                        self.reached(f"during {job.stage}")
                    told(what, fraction)

                job.build(draft, during)
                self.reached(f"filled {job.stage}")

            self.reached(f"ready {job.stage}")
            found = make(artefacts, dataclasses.replace(job, build=build), *progress)
            self.reached(f"made {job.stage}")
            return found

        Artefacts.make = counted


def numbered() -> Detail:
    """Nothing of a first call, then its number."""
    numbers = itertools.chain([""], (str(number) for number in itertools.count(2)))
    return lambda *_, **__: next(numbers)


def one_after_another(run: Callable[[str], None], points: Iterable[str]) -> None:
    """Run in a process of its own for each point, which kills it; prints how each ended: its exit code and point."""
    for deadly in points:
        child = os.fork()
        if child == 0:
            try:
                run(deadly)
            except BaseException:  # noqa: BLE001 - a forked process ends here, whatever it was
                import traceback

                traceback.print_exc()
                os._exit(1)
            os._exit(0)
        _, status = os.waitpid(child, 0)
        print(os.waitstatus_to_exitcode(status), deadly, flush=True)
