"""One BLAS thread: what is fitted has the same bits on any number of cores, and the limit is given back."""

from __future__ import annotations

import subprocess
import sys
import threading

import numpy as np
import pytest
import threadpoolctl

from models import blas
from models.blas import one_blas_thread
from models.ensemble.calibration import fit_platt
from models.ensemble.config import EnsembleConfig
from models.ensemble.logits import logistic, penalised_logistic
from models.ensemble.nested import Combination, FoldScores, combination_for
from models.ensemble.pools import fit_stacker, pool_logit

CLIP = 1e-4


def weak_members(seed, rows=66_041, members=4):
    """As many rows as the demo compares, members that know next to nothing, and weights of overlapping labels."""
    random = np.random.default_rng(seed)
    truth = random.normal(0, 0.02, rows)
    said = logistic(truth[:, None] + random.normal(0, 0.2, (rows, members)))
    label = (random.random(rows) < logistic(truth)).astype(np.int64)
    return said, label, random.uniform(0, 0.03, rows)


def stacker(said, label, weight):
    found = fit_stacker(said, label, weight, 1.0, CLIP)
    return np.array([*found.weights, found.intercept])


def regression(said, label, weight):
    return penalised_logistic(said, label.astype(np.float64), weight, np.zeros(4), np.ones(4))


def calibrated(said, label, weight):
    combined = pool_logit(fit_stacker(said, label, weight, 1.0, CLIP), said)
    found = fit_platt(combined, label, weight, CLIP)
    return np.array([found.slope, found.intercept, *combined])


def nested(said, label, weight):
    half = len(label) // 2
    parts = [slice(0, half), slice(half, None)]
    folds = [FoldScores(said[rows], label[rows], weight[rows], np.zeros(len(label[rows]), int), 0) for rows in parts]
    first = fit_stacker(said[:half], label[:half], weight[:half], 1.0, CLIP)
    found = combination_for(folds, [Combination(), Combination(first)], 1, EnsembleConfig())
    return np.array([*found.pool.weights, found.calibration.slope, found.calibration.intercept])


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("fit", [stacker, regression, calibrated, nested])
def test_fits_have_the_same_bits_on_one_and_two_threads(fit, seed):
    found = []
    for threads in (1, 2):
        with threadpoolctl.threadpool_limits(threads, "blas"):
            found.append(fit(*weak_members(seed)).tobytes())
    assert found[0] == found[1]


def threads_now():
    return {one["num_threads"] for one in threadpoolctl.threadpool_info() if one["user_api"] == "blas"}


def test_the_limit_holds_until_the_last_block_ends_in_any_thread():
    inside, leave = threading.Event(), threading.Event()

    def other():
        with one_blas_thread():
            inside.set()
            leave.wait(10)

    with threadpoolctl.threadpool_limits(2, "blas"):
        begun = threading.Thread(target=other)
        begun.start()
        inside.wait(10)
        with one_blas_thread(), one_blas_thread():
            assert threads_now() == {1}
        assert threads_now() == {1}
        leave.set()
        begun.join()
        assert threads_now() == {2}


def test_the_limit_is_given_back_after_an_error():
    with threadpoolctl.threadpool_limits(2, "blas"):
        with pytest.raises(ZeroDivisionError), one_blas_thread():
            raise ZeroDivisionError
        assert threads_now() == {2}


LATER = """
import threadpoolctl
from models.blas import one_blas_thread

def threads():
    return [one["num_threads"] for one in threadpoolctl.threadpool_info() if one["user_api"] == "blas"]

with one_blas_thread():
    before = len(threads())
    import scipy.linalg  # brings a BLAS of its own
    assert len(threads()) > before, "nothing was loaded: this tests nothing"
    with one_blas_thread():
        assert set(threads()) == {1}, threads()
"""


def test_a_library_that_was_loaded_since_is_limited_too():
    environment = {"OPENBLAS_NUM_THREADS": "2", "PYTHONPATH": ":".join(sys.path)}
    done = subprocess.run([sys.executable, "-c", LATER], capture_output=True, text=True, check=False, env=environment)
    assert done.returncode == 0, done.stderr


def test_libraries_are_looked_for_only_where_one_was_loaded(monkeypatch):
    with one_blas_thread():
        known = blas._libraries()
    searched = []
    monkeypatch.setattr(threadpoolctl, "ThreadpoolController", lambda: searched.append(1))
    assert blas.loaded() is not None, "Linux's loader counts"
    for _ in range(3):
        assert blas._libraries() is known
    assert not searched
    monkeypatch.undo()
    monkeypatch.setattr(blas, "loaded", lambda: None)
    assert {one.filepath for one in blas._libraries()} == {one.filepath for one in known}
    assert blas._libraries() is not blas._libraries(), "where nothing counts, each block looks"
