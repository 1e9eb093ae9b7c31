"""skfolio: combinatorial purged cross-validation, which counts rows."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from skfolio.model_selection import CombinatorialPurgedCV
from timing import Task, joined, serve


def prepare(data: Mapping[str, Any]) -> Mapping[str, Task]:
    rows = np.zeros((len(data["t0"]), 1))
    splitter = CombinatorialPurgedCV(10, 2, purged_size=int(data["span"]), embargo_size=int(data["embargo"]))
    return {"combinations": lambda: joined(splitter.split(rows))}


if __name__ == "__main__":
    serve(prepare)
