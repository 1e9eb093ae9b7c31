"""Memory that is used again: what batch libraries take depends on it by a half, and glibc's choice on what ran before.

A library that returns an array for each indicator is fastest where these lie in memory that the process had before, and
a third to a half slower where the system has to find and clear pages for each. So that no peer is unlucky, all of it is
kept: arrays up to 32 MiB are then never in fresh memory after a warm-up. Larger ones, such as a whole replay's table,
always are.
"""

from __future__ import annotations

import ctypes
import sys
from typing import Final

TRIM_THRESHOLD, MMAP_THRESHOLD = -1, -3
"""Parameters of glibc's ``mallopt``: how much free memory is kept, and from which size on memory is mapped anew."""
LARGEST: Final = 32 * 1024 * 1024
KEPT: Final = 1 << 30


def keep_memory() -> None:
    """Give no memory back to the system from now on; elsewhere than on Linux's glibc nothing is changed."""
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None) if sys.platform == "linux" else None
    if mallopt is not None:
        mallopt(MMAP_THRESHOLD, LARGEST)
        mallopt(TRIM_THRESHOLD, KEPT)
