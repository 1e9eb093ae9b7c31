"""mlfinpy: labels, uniqueness, the sequential bootstrap, purged k-fold and fractional differences, one thread each."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
from mlfinpy.cross_validation.cross_validation import PurgedKFold
from mlfinpy.labeling.labeling import get_events
from mlfinpy.sampling.bootstrapping import get_ind_matrix, seq_bootstrap
from mlfinpy.sampling.concurrent import get_av_uniqueness_from_triple_barrier
from mlfinpy.util.frac_diff import frac_diff_ffd
from timing import Task, joined, serve


def prepare(data: Mapping[str, Any]) -> Mapping[str, Task]:
    index = pd.to_datetime(data["end"])
    close = pd.Series(data["close"], index=index)
    horizon, width, seed = int(data["horizon"]), float(data["width"]), int(data["seed"])
    decided = index[data["events"]]
    vertical = pd.Series(index[data["events"] + horizon], index=decided)
    target = pd.Series(width, index=decided)
    labels = pd.DataFrame({"t1": index[data["last"]]}, index=index[data["first"]])
    few = labels.iloc[: int(data["few"])]
    until = close[: few["t1"].max()]
    samples = pd.Series(pd.to_datetime(data["fold_t1"]), index=pd.to_datetime(data["fold_t0"]))
    empty, log = np.zeros((len(samples), 1)), pd.DataFrame({"log": data["log"]})

    def barriers() -> Mapping[str, Any]:
        found = get_events(close, decided, [1.0, 1.0], target, 0.0, 1, vertical, verbose=False)
        return {"t1": found["t1"].to_numpy().astype("datetime64[ns]").astype(np.int64)}

    def uniqueness() -> Mapping[str, Any]:
        found = get_av_uniqueness_from_triple_barrier(labels, close, 1, verbose=False)
        return {"weight": found["tW"].to_numpy()}

    def bootstrap() -> Mapping[str, Any]:
        matrix = get_ind_matrix(few, until)
        state = np.random.RandomState(seed)
        return {"drawn": np.array(seq_bootstrap(matrix, sample_length=int(data["draws"]), random_state=state))}

    def folds() -> Mapping[str, Any]:
        return joined(PurgedKFold(10, samples, pct_embargo=0.0).split(empty))

    def fraction() -> Mapping[str, Any]:
        return {"values": frac_diff_ffd(log, float(data["order"]), float(data["threshold"]))["log"].to_numpy()}

    return {
        "barriers": barriers,
        "uniqueness": uniqueness,
        "bootstrap": bootstrap,
        "folds": folds,
        "fraction": fraction,
    }


if __name__ == "__main__":
    serve(prepare)
