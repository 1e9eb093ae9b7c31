"""What every peer's script shares: data in, medians and results out. It runs in the peer's own interpreter."""

from __future__ import annotations

import json
import statistics
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

Task = Callable[[], Mapping[str, Any]]


def serve(prepare: Callable[[Mapping[str, Any]], Mapping[str, Task]]) -> None:
    """Time the tasks that the data allows, print seconds by task as JSON, and save what each returned.

    The command line has the file with the data, the file for the results, and the repetitions.
    """
    data, results, repetitions = Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3])
    with np.load(data) as arrays:
        tasks = prepare(dict(arrays))
    seconds, found = {}, {}
    for name, task in tasks.items():
        for key, value in task().items():
            found[f"{name}.{key}"] = value
        times = []
        for _ in range(repetitions):
            begin = time.perf_counter()
            task()
            times.append(time.perf_counter() - begin)
        seconds[name] = statistics.median(times)
    np.savez(results, **found)
    print(json.dumps(seconds))


def joined(splits: Any) -> dict[str, Any]:
    """Splits as flat arrays: training positions, test positions, and how many of each."""
    pairs = [(np.asarray(train), np.concatenate(test) if isinstance(test, list) else test) for train, test in splits]
    return {
        "train": np.concatenate([train for train, _ in pairs]),
        "test": np.concatenate([np.sort(test) for _, test in pairs]),
        "sizes": np.array([(len(train), len(test)) for train, test in pairs]),
    }
