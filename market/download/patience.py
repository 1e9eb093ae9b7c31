"""Attempts that are made again after what may pass."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TypeVar

from market.errors import DownloadError

T = TypeVar("T")


class PassingError(Exception):
    """An attempt failed in a way that may pass.

    ``wait`` is what the server asked for, in seconds; ``progress`` says that the attempt got further than any before.
    """

    def __init__(self, why: str, wait: float = 0.0, progress: bool = False) -> None:
        super().__init__(why)
        self.wait = wait
        self.progress = progress


class UnavailableError(DownloadError):
    """A request failed until patience ran out: asking for other things would not go better."""


class Stopped(Exception):  # noqa: N818
    """Another thread failed, or the user interrupted: this one ends quietly."""


@dataclass(frozen=True, slots=True)
class Patience:
    """How often something is tried.

    Attributes
    ----------
    attempts
        Failures in a row, without progress between them, after which it is given up.
    backoff, longest_wait
        Seconds before the second attempt, doubling from one to the next, and the most that is ever waited.
    stop
        Set, it ends all waiting and every further attempt.
    """

    attempts: int = 6
    backoff: float = 1.0
    longest_wait: float = 300.0
    stop: threading.Event = field(default_factory=threading.Event)

    def __call__(self, what: str, attempt: Callable[[], T]) -> T:
        """What ``attempt`` gives, which may be called several times.

        Raises
        ------
        UnavailableError
            If it fails too often, or the server asks to wait too long; names ``what`` and the last reason.
        Stopped
            If `stop` is set.
        """
        failures = 0
        while True:
            if self.stop.is_set():
                raise Stopped
            try:
                return attempt()
            except PassingError as error:
                failures = 1 if error.progress else failures + 1
                if failures >= self.attempts:
                    raise UnavailableError(
                        f"{what}: given up after {failures} failures in a row, the last: {error};"
                        " what arrived is kept, run the same command again later"
                    ) from error
                if error.wait > self.longest_wait:
                    raise UnavailableError(
                        f"{what}: {error}, and the server asks to wait {error.wait:g} s, more than the limit"
                        f" of {self.longest_wait:g} s; run the same command again after that"
                    ) from error
                self.sleep(max(error.wait, min(self.longest_wait, self.backoff * 2 ** (failures - 1))))

    def sleep(self, seconds: float) -> None:
        """Wait, unless everything stops."""
        if self.stop.wait(seconds):
            raise Stopped
