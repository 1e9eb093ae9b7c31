"""Hyperparameters have a domain: a value outside of it is refused when it is read, not where a library trips."""

from __future__ import annotations

import math


def between(owner: object, least: float, most: float, *names: str) -> None:
    """Refuse an attribute that is not from ``least`` to ``most``.

    Raises
    ------
    ValueError
        With the first such attribute, its value and both bounds.

    Examples
    --------
    >>> from types import SimpleNamespace
    >>> between(SimpleNamespace(depth=5), 1, 64, "depth")
    >>> between(SimpleNamespace(depth=0), 1, 64, "depth")
    Traceback (most recent call last):
    ValueError: depth is 0; it must lie between 1 and 64
    """
    for name in names:
        value = getattr(owner, name)
        if not least <= value <= most:
            raise ValueError(f"{name} is {value}; it must lie between {least:g} and {most:g}")


def above(owner: object, floor: float, most: float, *names: str) -> None:
    """Refuse an attribute that is not above ``floor``, or is above ``most``; errors as `between`."""
    for name in names:
        value = getattr(owner, name)
        if not floor < value <= most:
            limit = "" if math.isinf(most) else f" and at most {most:g}"
            raise ValueError(f"{name} is {value}; it must be above {floor:g}{limit}")
