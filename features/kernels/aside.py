"""Kernels that stay functions of their own: what runs once a window should not lengthen what runs every bar."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import numba

from market.jit import kernel

Function = TypeVar("Function", bound=Callable[..., Any])

NOT_NEGATIVE = (1 << 32) - 1
"""What an index is masked with that cannot be negative: indices that could be are tested for it, on every access."""


def aside(function: Function) -> Function:
    """Compile a kernel that other kernels call, never inlined by order, and without reference counts on its arrays.

    The kernels of a feature set are inlined into its loop (see `features.build.streamline`), and what they call would
    inherit that.
    """
    compiled: Any = kernel(function)
    if not numba.config.DISABLE_JIT:
        compiled.targetoptions.update(forceinline=False, _nrt=False)
    return compiled  # type: ignore[no-any-return]
