"""The explicit build step: a feature set's module is written, compiled and cached, before the first bar is asked for.

The module's name contains the digest of its code, so the cached machine code is found again by the next process
(numba cannot reload code whose module has no importable name), and never belongs to another version.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, TypeAlias

import numba
import numpy as np
from numpy.typing import NDArray

from features.door import DOOR
from features.feature_set import FeatureSet
from features.modules import LOADING, load_module

Progress: TypeAlias = Callable[[str, float], None]
"""Called with what is going on and the fraction done, between 0 and 1."""
Replay: TypeAlias = Callable[
    [NDArray[np.float64], NDArray[np.int64], NDArray[np.float64], NDArray[np.float64], NDArray[np.int64]], int
]


def module_name(feature_set: FeatureSet) -> str:
    """The importable name of the feature set's module."""
    return f"bot4_features_{feature_set.code_digest[:24]}"


def streamline(kernels: Iterable[Any]) -> None:
    """Have kernels not yet compiled inlined, and without reference counts on the arrays they are passed.

    Inlined, their offsets and windows are literals. Reference counts are atomic operations, twice per array and
    call, more than many a feature; a step function allocates nothing and keeps nothing, so it needs none.
    """
    for kernel in kernels:
        kernel.targetoptions.update(forceinline=True, _nrt=False)


def compile_replay(replay: Any) -> None:
    """Compile for contiguous arrays, or load from the cache; later calls with other types are refused."""
    floats, ints = numba.types.Array(numba.float64, 1, "C"), numba.types.Array(numba.int64, 1, "C")
    matrix, times = numba.types.Array(numba.float64, 2, "C"), numba.types.Array(numba.int64, 2, "C")
    if not replay.signatures:
        replay.targetoptions["_nrt"] = False
        replay.compile((matrix, times, matrix, floats, ints))
        replay.disable_compile()


def build(feature_set: FeatureSet, progress: Progress | None = None) -> Replay:
    """Compile a feature set (seconds, once per version and machine) or load it from the cache (under a second).

    Parameters
    ----------
    feature_set
        What to compute.
    progress
        Called with a message and the fraction done.
    """
    tell = progress or (lambda message, fraction: None)
    steps = len(feature_set.plan.nodes)
    tell(f"writing {len(feature_set.names)} features, {steps} steps", 0.0)
    with LOADING:
        replay = load_module(module_name(feature_set), feature_set.source).replay
        tell(f"compiling {len(feature_set.names)} features (up to a minute once, then cached)", 0.1)
        if not numba.config.DISABLE_JIT:
            streamline({*DOOR, *(node.kernel for node in feature_set.plan.nodes)})
            compile_replay(replay)
    tell(f"{len(feature_set.names)} features are ready", 1.0)
    return replay  # type: ignore[no-any-return]
