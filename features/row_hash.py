"""A 64-bit hash of a feature row's bits: a signal carries it, so that every order traces to its exact inputs."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from market.jit import kernel


@kernel
def hash_rows(words: NDArray[np.uint64], out: NDArray[np.uint64]) -> None:
    """Hash each row of words with splitmix64's finaliser (Steele, Lea, Flood 2014), as `market.events` does."""
    for row in range(words.shape[0]):
        state = np.uint64(0x9E3779B97F4A7C15)
        for column in range(words.shape[1]):
            state = (state ^ words[row, column]) + np.uint64(0x9E3779B97F4A7C15)
            state = (state ^ (state >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
            state = (state ^ (state >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
            state = state ^ (state >> np.uint64(31))
        out[row] = state


def row_hashes(rows: NDArray[np.float64]) -> NDArray[np.int64]:
    """The hash of each row of a (n, f) matrix, shape (n,), int64.

    Examples
    --------
    >>> rows = np.array([[1.0, 2.0], [2.0, 1.0]])
    >>> len(set(row_hashes(rows).tolist()))
    2
    """
    words = np.ascontiguousarray(rows, np.float64).view(np.uint64)
    out = np.empty(len(words), np.uint64)
    with np.errstate(over="ignore"):  # only seen with the JIT off
        hash_rows(words, out)
    return out.view(np.int64)


def row_hash(row: NDArray[np.float64]) -> int:
    """The hash of one feature row, shape (f,), as a signed 64-bit integer.

    Examples
    --------
    >>> row_hash(np.array([0.0])) == row_hash(np.array([-0.0]))
    False
    """
    return int(row_hashes(np.asarray(row, np.float64).reshape(1, -1))[0])
