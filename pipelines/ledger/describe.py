"""What tells one configuration from another: estimators, splitters and arrays as plain values to take a digest of."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pickle import PicklingError
from types import FunctionType
from typing import Any

import numpy as np


def fingerprint(table: Any) -> str:
    """SHA-256 of a table's type, shape and content: an array, a frame or a sparse matrix.

    Examples
    --------
    >>> fingerprint(np.arange(6)[::2]) == fingerprint(np.array([0, 2, 4]))
    True
    >>> fingerprint(np.array([0, 2, 4])) == fingerprint(np.array([0, 2, 5]))
    False
    """
    if isinstance(table, np.ndarray) and not table.dtype.hasobject:
        about = f"{table.dtype.str} {table.shape} ".encode()
        return hashlib.sha256(about + np.ascontiguousarray(table).tobytes()).hexdigest()
    return _pickled(table)


def described(value: Any) -> Any:
    """A value as lists and texts that are equal for equal configurations.

    Estimators are described by their class and parameters, nested ones too, splitters by their attributes, functions by
    their name and code, everything else by what a pickle of it holds. What cannot be pickled is told by its text, which
    may name a place in memory and so differ in every process: another configuration, stricter, never milder.

    Examples
    --------
    >>> from models.splitters.kfold import PurgedKFold
    >>> times = np.arange(20)
    >>> three, four = (described(PurgedKFold(n, times, times + 1)) for n in (3, 4))
    >>> three == four, three == described(PurgedKFold(3, times.copy(), times + 1))
    (False, True)
    >>> described({"depth": np.int64(3), "rate": 0.1})
    ['mapping', ['depth', '3'], ['rate', '0.1']]
    """
    if isinstance(value, np.generic):
        return described(value.item())
    if value is None or isinstance(value, bool | int | float | str | bytes):
        return repr(value)
    if isinstance(value, np.ndarray):
        return ["array", fingerprint(value)]
    if isinstance(value, Mapping):
        return ["mapping", *([str(key), described(value[key])] for key in sorted(value, key=str))]
    if isinstance(value, list | tuple):
        return ["sequence", *map(described, value)]
    if isinstance(value, type):
        return f"{value.__module__}.{value.__qualname__}"
    if isinstance(value, FunctionType):
        return _function(value)
    if hasattr(value, "get_params"):
        return [described(type(value)), described(value.get_params(deep=False))]
    if hasattr(value, "split") and hasattr(value, "__dict__"):
        return [described(type(value)), described(vars(value))]
    return [described(type(value)), _pickled(value)]


def _function(value: FunctionType) -> Any:
    """By code too: all lambdas have the same name."""
    code = value.__code__
    kept = [cell.cell_contents for cell in value.__closure__ or ()]
    text = f"{value.__module__}.{value.__qualname__} {code.co_code.hex()} {code.co_names} {code.co_consts}"
    return [text, described(value.__defaults__), described(kept)]


def _pickled(value: Any) -> str:
    import joblib  # type: ignore[import-untyped]

    try:
        return str(joblib.hash(value, "sha1"))
    except (PicklingError, TypeError, AttributeError):
        return repr(value)
