"""fracdiff-modern: the fixed-width fractional difference."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from typing import Any

from fracdiff import fdiff
from timing import Task, serve


def prepare(data: Mapping[str, Any]) -> Mapping[str, Task]:
    warnings.simplefilter("ignore", DeprecationWarning)  # it reads numpy.core
    order, window = float(data["order"]), int(data["window"])
    return {"fraction": lambda: {"values": fdiff(data["log"], order, window=window, mode="valid")}}


if __name__ == "__main__":
    serve(prepare)
