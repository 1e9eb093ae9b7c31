"""Combinatorial purged cross-validation: many out-of-sample paths through one history (López de Prado 2018, ch. 12)."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations
from math import comb

import numpy as np
from numpy.typing import NDArray

from models.errors import SplitError
from models.splitters.grouped import GroupedSplitter, TimeGroups, check_count
from models.splitters.intervals import Embargo, Times

MOST_SPLITS = 100_000


class CombinatorialPurgedCV(GroupedSplitter):
    """Every choice of ``n_test_groups`` among ``n_groups`` stretches of time is the test of one split.

    Each group is tested in C(N − 1, k − 1) splits, and their predictions are put together into as many *paths*, each
    of which runs through the whole history once: instead of one out-of-sample Sharpe ratio there is a distribution.

    Parameters
    ----------
    n_groups, n_test_groups
        N and k of the paper; N at least 2, k from 1 to N − 1.
    t0, t1, embargo, closed
        As in `models.splitters.PurgedKFold`.

    Notes
    -----
    The paths share training data, so their Sharpe ratios are not independent: their spread says how much the
    result depends on the split, not what a new history would bring.

    Examples
    --------
    >>> t0 = np.arange(60)
    >>> splitter = CombinatorialPurgedCV(6, 2, t0, t0 + 1)
    >>> splitter.get_n_splits(), splitter.n_paths
    (15, 5)
    >>> splitter.path_splits()[0].tolist()
    [0, 0, 1, 2, 3, 4]
    """

    def __init__(
        self,
        n_groups: int,
        n_test_groups: int,
        t0: Times,
        t1: Times,
        embargo: Embargo = 0,
        closed: bool = True,
    ) -> None:
        self.n_groups = n_groups
        self.n_test_groups = n_test_groups
        self.t0 = t0
        self.t1 = t1
        self.embargo = embargo
        self.closed = closed

    @property
    def n_paths(self) -> int:
        """How many paths the splits make: C(N − 1, k − 1) = k / N · C(N, k)."""
        self._check()
        return comb(self.n_groups - 1, self.n_test_groups - 1)

    def tested_groups(self) -> list[tuple[int, ...]]:
        """Every choice of tested groups, in lexicographic order."""
        self._check()
        return list(combinations(range(self.n_groups), self.n_test_groups))

    def time_groups(self) -> TimeGroups:
        """The stretches of time."""
        self._check()
        return TimeGroups(self.t0, self.t1, self.n_groups)

    def path_splits(self) -> NDArray[np.int64]:
        """Which split predicts each group on each path, shape (n_paths, n_groups).

        Path j takes each group from the j-th of the splits that test it (figure 12.1 of the book).
        """
        splits = [
            [number for number, chosen in enumerate(self.tested_groups()) if group in chosen]
            for group in range(self.n_groups)
        ]
        return np.array(splits).T

    def paths(self, predictions: Sequence[NDArray[np.float64]]) -> NDArray[np.float64]:
        """Put the splits' predictions together into paths.

        Parameters
        ----------
        predictions
            What each split says of its test samples, in the order of `split`: shapes (tests, …).

        Returns
        -------
        Shape (n_paths, n, …): on every path each sample is predicted once, by a model that was not trained on it.

        Raises
        ------
        SplitError
            If there is not one prediction for every test sample of every split.
        """
        chosen, found = self.tested_groups(), self.time_groups()
        members = [found.members(groups) for groups in chosen]
        if [len(one) for one in predictions] != [len(one) for one in members]:
            raise SplitError(
                f"predictions have {[len(one) for one in predictions][:5]}… rows; the splits' tests have "
                f"{[len(one) for one in members][:5]}…: give one array a split, in the order of `split`"
            )
        paths = np.full((self.n_paths, len(self.t0), *predictions[0].shape[1:]), np.nan)
        for group, splits in enumerate(self.path_splits().T):
            samples = found.members([group])
            for number, split in enumerate(splits):
                paths[number, samples] = predictions[split][np.searchsorted(members[split], samples)]
        return paths

    def _check(self) -> None:
        check_count("n_groups", self.n_groups, 2)
        if not 1 <= self.n_test_groups < self.n_groups:
            raise SplitError(
                f"n_test_groups is {self.n_test_groups}; of {self.n_groups} groups at least 1 and at most "
                f"{self.n_groups - 1} can be tested"
            )
        count = comb(self.n_groups, self.n_test_groups)
        if count > MOST_SPLITS:
            raise SplitError(
                f"{count:,} splits of {self.n_groups} groups by {self.n_test_groups}; at most {MOST_SPLITS:,}"
            )
