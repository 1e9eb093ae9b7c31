"""One BLAS thread where bits count: a sum that is split over threads has other last bits than one that is not."""

from __future__ import annotations

import ctypes
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import threadpoolctl


class _Limit:
    """The process's BLAS libraries and the threads they had; the last block that ends gives them back."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.inside = 0
        self.before: dict[str, int] = {}

    def enter(self) -> None:
        """Limit every library that is loaded by now; one that was loaded since the last block began, too."""
        with self.lock:
            self.inside += 1
            for library in _libraries():
                self.before.setdefault(library.filepath, library.num_threads)
                _set(library, 1)

    def leave(self) -> None:
        """Restore, if nobody is inside any more."""
        with self.lock:
            self.inside -= 1
            if self.inside == 0:
                for library in _libraries():
                    _set(library, self.before.get(library.filepath, library.num_threads))
                self.before.clear()


class _Object(ctypes.Structure):
    """What ``dl_iterate_phdr`` says of a loaded object: the beginning of ``struct dl_phdr_info``."""

    _fields_ = (
        ("address", ctypes.c_size_t),
        ("name", ctypes.c_char_p),
        ("headers", ctypes.c_void_p),
        ("headers_count", ctypes.c_uint16),
        ("adds", ctypes.c_ulonglong),
        ("subs", ctypes.c_ulonglong),
    )


def _count(found: Any, _: int, counts: list[tuple[int, int]]) -> int:
    counts.append((found.contents.adds, found.contents.subs))
    return 1  # the counts are the whole process's: one object is enough


_VISIT = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.POINTER(_Object), ctypes.c_size_t, ctypes.py_object)(_count)


def loaded() -> tuple[int, int] | None:
    """How many libraries the process has loaded and unloaded so far; None where the loader does not count.

    Examples
    --------
    >>> loaded() == loaded()
    True
    """
    visit = getattr(ctypes.CDLL(None), "dl_iterate_phdr", None) if sys.platform == "linux" else None
    if visit is None:
        return None
    counts: list[tuple[int, int]] = []
    visit(_VISIT, ctypes.py_object(counts))
    return counts[0]


_known: tuple[tuple[int, int] | None, list[threadpoolctl.LibController]] = (None, [])


def _libraries() -> list[threadpoolctl.LibController]:
    """The process's BLAS libraries; they are looked for, which takes milliseconds, when one was loaded since."""
    global _known
    count = loaded()
    if count is None or count != _known[0]:
        _known = count, threadpoolctl.ThreadpoolController().select(user_api="blas").lib_controllers
    return _known[1]


def _set(library: threadpoolctl.LibController, threads: int) -> None:
    # The number is the whole process's, but threadpoolctl lets only the thread that set it first change it, and
    # ignores all others without a word: a library that a worker loads would keep its threads.
    threadpoolctl.OpenBLASController.clear_controlling_thread(force=True)
    library.set_num_threads(threads)


_LIMIT = _Limit()


@contextmanager
def one_blas_thread() -> Iterator[None]:
    """Run a block, or a function it decorates, with one BLAS thread in the whole process.

    Blocks may be nested and overlap in several threads: the limit holds until the last of them ends.

    Examples
    --------
    >>> with one_blas_thread():
    ...     {one["num_threads"] for one in threadpoolctl.threadpool_info() if one["user_api"] == "blas"}
    {1}
    """
    _LIMIT.enter()
    try:
        yield
    finally:
        _LIMIT.leave()
