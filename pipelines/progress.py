"""Progress of long work: named stages with weights, one line on a terminal, throttled lines without one.

A `Stage` is called as ``stage(what, fraction)``, the same signature as `models.members.protocol.Progress`, from any
thread. Stages nest: a stage's part of the whole is its weight among its siblings. Weights are best given as the
seconds a stage is expected to take; only their ratios matter. What remains is estimated from the pace so far.
"""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Protocol, TextIO

if TYPE_CHECKING:
    from rich.progress import Progress as Bar
    from rich.progress import TaskID

Clock = Callable[[], float]
EVERY = 5.0
"""Seconds between lines where there is no terminal."""


class Stage:
    """One stage, or the whole. Fractions never go back; a skipped stage is taken out of the estimate."""

    def __init__(self, name: str, weight: float, whole: Whole, parent: Stage | None = None) -> None:
        if not weight > 0:
            raise ValueError(f"stage {name!r} has weight {weight}; a weight must be above 0")
        self.name = name
        self.weight = weight
        self.skipped = False
        self._whole = whole
        self._parent = parent
        self._fraction = 0.0
        self._shown = (False, False)
        self._parts: list[Stage] = []

    def __call__(self, what: str, fraction: float) -> None:
        """Report what is going on and the fraction of this stage that is done, between 0 and 1."""
        with self._whole.lock:
            self._fraction = max(self._fraction, min(1.0, max(0.0, fraction)))
        self._whole.changed(self, what)

    def plan(self, weights: Mapping[str, float]) -> dict[str, Stage]:
        """Divide this stage into parts, by name, with their weights."""
        with self._whole.lock:
            parts = {name: Stage(name, weight, self._whole, self) for name, weight in weights.items()}
            self._parts.extend(parts.values())
        return parts

    def finish(self, what: str = "done") -> None:
        """The stage is complete, whatever its parts said."""
        self(what, 1.0)

    def skip(self, what: str = "cached") -> None:
        """There was nothing to do: the stage is done and says nothing about the pace."""
        with self._whole.lock:
            self.skipped = True
        self.finish(what)

    @property
    def fraction(self) -> float:
        """The fraction done: its own, or its parts', whichever is more."""
        counted = [part for part in self._parts if not part.skipped]
        if not counted:
            return 1.0 if self._parts else self._fraction
        done = sum(part.weight * part.fraction for part in counted) / sum(part.weight for part in counted)
        return max(self._fraction, done)

    def news(self) -> bool:
        """Whether this stage has begun or ended since this was last asked."""
        state = (True, self.fraction >= 1.0)
        changed, self._shown = state != self._shown, state
        return changed

    @property
    def path(self) -> str:
        """The names from the whole down to this stage."""
        above = self._parent.path if self._parent is not None and self._parent.name else ""
        return f"{above} · {self.name}" if above else self.name


class Display(Protocol):
    """Where progress is shown."""

    def show(self, what: str, fraction: float, elapsed: float, left: float | None, important: bool) -> None:
        """Show a state; an important one (a stage begins or ends) is never dropped."""
        ...

    def close(self) -> None:
        """Nothing more will come."""
        ...


class Whole:
    """All stages together, and the clock."""

    def __init__(self, display: Display, clock: Clock = time.monotonic) -> None:
        self.lock = threading.RLock()
        self._display = display
        self._clock = clock
        self._begun = clock()
        self._highest = 0.0
        self.root = Stage("", 1.0, self)

    @property
    def elapsed(self) -> float:
        """Seconds since the beginning."""
        return self._clock() - self._begun

    @property
    def left(self) -> float | None:
        """Seconds left at the pace so far; None while there is too little to go by."""
        fraction = self.root.fraction
        return self.elapsed * (1.0 - fraction) / fraction if fraction > 0.01 else None

    def changed(self, stage: Stage, what: str) -> None:
        """A stage reported something."""
        with self.lock:
            # Skipping a stage changes the denominator; what was shown is never taken back.
            self._highest = max(self._highest, self.root.fraction)
            text = f"{stage.path}: {what}" if what else stage.path
            self._display.show(text, self._highest, self.elapsed, self.left, stage.news())


def seconds_text(seconds: float | None) -> str:
    """A duration for reading.

    Examples
    --------
    >>> seconds_text(8.4), seconds_text(75), seconds_text(4020), seconds_text(None)
    ('8 s', '1 min 15 s', '1 h 07 min', '?')
    """
    if seconds is None:
        return "?"
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02d} min"


class Lines:
    """Plain lines, for logs and pipes: one when a stage begins or ends, else at most one every few seconds."""

    def __init__(self, stream: TextIO, every: float = EVERY) -> None:
        self._stream = stream
        self._every = every
        self._next = 0.0

    def show(self, what: str, fraction: float, elapsed: float, left: float | None, important: bool) -> None:
        """Write a line if it is time for one."""
        if not important and elapsed < self._next:
            return
        self._next = elapsed + self._every
        remaining = f", {seconds_text(left)} left" if left is not None and fraction < 1.0 else ""
        self._stream.write(f"[{100 * fraction:3.0f} %, {seconds_text(elapsed)}{remaining}] {what}\n")
        self._stream.flush()

    def close(self) -> None:
        """Nothing to do."""


class Terminal:
    """One line with a bar, redrawn in place."""

    def __init__(self, bar: Bar, task: TaskID) -> None:
        self._bar = bar
        self._task = task

    @classmethod
    def open(cls, console: Any) -> Terminal:
        """Begin to draw."""
        from rich.progress import BarColumn, Progress, TextColumn

        bar = Progress(
            BarColumn(bar_width=24),
            TextColumn("{task.percentage:>3.0f} %"),
            TextColumn("{task.fields[times]}", style="cyan"),
            TextColumn("{task.description}", markup=False),
            console=console,
            transient=True,
        )
        bar.start()
        return cls(bar, bar.add_task("", total=1.0, times=""))

    def show(self, what: str, fraction: float, elapsed: float, left: float | None, important: bool) -> None:
        """Draw a state."""
        times = f"{seconds_text(elapsed)}, {seconds_text(left)} left"
        self._bar.update(self._task, completed=fraction, description=what, times=times)

    def close(self) -> None:
        """Take the line away."""
        self._bar.stop()


def open_display(stream: TextIO | None = None) -> Display:
    """A bar where standard error is a terminal, else lines."""
    stream = sys.stderr if stream is None else stream
    if not stream.isatty():
        return Lines(stream)
    from rich.console import Console

    return Terminal.open(Console(file=stream))


@contextmanager
def showing(name: str = "", display: Display | None = None, clock: Clock = time.monotonic) -> Iterator[Stage]:
    """Show progress while the block runs; gives the whole's stage, to be called or planned.

    Examples
    --------
    >>> import io
    >>> out = io.StringIO()
    >>> with showing(display=Lines(out), clock=iter(range(100)).__next__) as whole:
    ...     parts = whole.plan({"load": 1, "fit": 3})
    ...     parts["load"].finish()
    ...     parts["fit"]("fold 1", 0.5)
    >>> print(out.getvalue(), end="")
    [ 25 %, 1 s, 6 s left] load: done
    [ 62 %, 3 s, 2 s left] fit: fold 1
    """
    shown = open_display() if display is None else display
    whole = Whole(shown, clock)
    whole.root.name = name
    try:
        yield whole.root
    finally:
        shown.close()
