"""purgedcv: purged k-fold and combinatorial purged cross-validation over label times."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
from purgedcv import CombinatorialPurgedCV, PurgedKFold
from timing import Task, joined, serve


def prepare(data: Mapping[str, Any]) -> Mapping[str, Task]:
    times = {
        "prediction_times": pd.Series(pd.to_datetime(data["t0"])),
        "evaluation_times": pd.Series(pd.to_datetime(data["t1"])),
        "embargo": pd.Timedelta(int(data["embargo"]), "ns"),
    }
    rows = np.zeros((len(data["t0"]), 1))
    return {
        "folds": lambda: joined(PurgedKFold(10, **times).split(rows)),
        "combinations": lambda: joined(CombinatorialPurgedCV(10, 2, **times).split(rows)),
    }


if __name__ == "__main__":
    serve(prepare)
