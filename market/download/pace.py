"""How fast a server is asked, by all threads together."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable


class Pace:
    """Requests at most ``rate`` a second, and none while the server has asked for a pause.

    Parameters
    ----------
    rate
        Requests a second, over all threads.
    clock, sleep
        Of tests; ``sleep(seconds)`` waits.

    Examples
    --------
    >>> waits = []
    >>> pace = Pace(2.0, clock=lambda: 0.0, sleep=waits.append)
    >>> pace.wait(), pace.wait(), pace.wait()
    (None, None, None)
    >>> waits
    [0.5, 1.0]
    """

    def __init__(
        self,
        rate: float,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        if not rate > 0:
            raise ValueError(f"rate is {rate} requests a second; it must be above 0")
        self._step = 1.0 / rate
        self._clock = clock
        self._sleep = sleep
        self._lock = threading.Lock()
        self._next = clock()

    def wait(self) -> None:
        """Return when it is this caller's turn."""
        with self._lock:
            now = self._clock()
            turn = max(now, self._next)
            self._next = turn + self._step
        if turn > now:
            self._sleep(turn - now)

    def pause(self, seconds: float) -> None:
        """Let nobody's turn come for a while."""
        with self._lock:
            self._next = max(self._next, self._clock() + seconds)
