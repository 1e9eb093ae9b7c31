"""The conformance check of splitters: every pair of intervals, one by one, in plain arithmetic."""

from __future__ import annotations

from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from models.errors import SplitError
from models.splitters.intervals import Times


class Splitter(Protocol):
    """scikit-learn's protocol."""

    def split(self, X: Any, y: Any = None, groups: Any = None) -> Any:
        """Pairs of training and test positions."""
        ...

    def get_n_splits(self, X: Any = None, y: Any = None, groups: Any = None) -> int:
        """How many."""
        ...


def overlap(t0: Times, t1: Times, train: Times, test: Times, closed: bool = True) -> NDArray[np.bool_]:
    """Which pairs of a training and a test interval overlap, shape (len(train), len(test))."""
    a0, a1, b0, b1 = t0[train][:, None], t1[train][:, None], t0[test][None, :], t1[test][None, :]
    return (a0 <= b1) & (b0 <= a1) if closed else (a0 < b1) & (b0 < a1)


def embargoed(t0: Times, t1: Times, train: Times, test: Times, embargo: int, closed: bool = True) -> NDArray[np.bool_]:
    """Which training intervals begin within ``embargo`` after which test intervals, shape as `overlap`."""
    since = t0[train][:, None] - t1[test][None, :]
    return (since >= 0) & ((since <= embargo) if closed else (since < embargo)) & (embargo > 0)


def check_splitter(
    splitter: Splitter,
    t0: Times,
    t1: Times,
    embargo: int = 0,
    closed: bool = True,
    times_tested: int | None = 1,
    keeps_all: bool = True,
) -> None:
    """Prove a splitter over some label intervals, pair by pair; O(n²) on purpose.

    Parameters
    ----------
    splitter
        To be checked.
    t0, t1
        The label intervals it was given, ns, shape (n,).
    embargo, closed
        The rule it promises.
    times_tested
        How often every sample must be tested; None where not all are (walk-forward): then at most once.
    keeps_all
        Whether it promises to train on every sample that is neither tested, nor overlapping, nor under the embargo.

    Raises
    ------
    SplitError
        Naming the first pair or sample that breaks a promise.

    Examples
    --------
    >>> from models.splitters.kfold import PurgedKFold
    >>> t0 = np.arange(30)
    >>> check_splitter(PurgedKFold(5, t0, t0 + 3, embargo=2), t0, t0 + 3, embargo=2)
    """
    tested = np.zeros(len(t0), np.int64)
    count = 0
    for number, (train, test) in enumerate(splitter.split(np.empty((len(t0), 1)))):
        count += 1
        _check_indices(number, train, test)
        tested[test] += 1
        pairs = overlap(t0, t1, train, test, closed)
        _refuse(number, "overlaps", pairs, train, test)
        near = embargoed(t0, t1, train, test, embargo, closed)
        _refuse(number, "begins under the embargo of", near, train, test)
        if keeps_all:
            _check_kept(number, t0, t1, train, test, embargo, closed)
    if count != splitter.get_n_splits():
        raise SplitError(f"{count} splits, but get_n_splits says {splitter.get_n_splits()}")
    wrong = tested > 1 if times_tested is None else tested != times_tested
    if wrong.any():
        bad = int(np.flatnonzero(wrong)[0])
        raise SplitError(f"sample {bad} is tested {tested[bad]} times; promised was {times_tested or 'at most once'}")


def _check_indices(number: int, train: Times, test: Times) -> None:
    for name, index in (("training", train), ("test", test)):
        if len(index) == 0 or len(np.unique(index)) != len(index):
            raise SplitError(f"split {number}: its {name} set is empty or names a sample twice")
    both = np.intersect1d(train, test)
    if len(both):
        raise SplitError(f"split {number}: sample {both[0]} is trained on and tested")


def _refuse(number: int, what: str, pairs: NDArray[np.bool_], train: Times, test: Times) -> None:
    if pairs.any():
        i, j = (int(found[0]) for found in np.nonzero(pairs))
        raise SplitError(f"split {number}: training sample {train[i]} {what} test sample {test[j]}")


def _check_kept(number: int, t0: Times, t1: Times, train: Times, test: Times, embargo: int, closed: bool) -> None:
    rest = np.setdiff1d(np.arange(len(t0)), np.concatenate([train, test]))
    reasons = overlap(t0, t1, rest, test, closed) | embargoed(t0, t1, rest, test, embargo, closed)
    lost = rest[~reasons.any(axis=1)]
    if len(lost):
        raise SplitError(f"split {number}: sample {lost[0]} is left out of training for no reason")
