"""The result of every method: one value a feature and fold, and what the folds say together."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from models.errors import ModelError

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class Importances:
    """What some features, or clusters of features, are worth by one method.

    Parameters
    ----------
    method
        What was done, as people read it: ``permutation (MDA)``.
    unit
        Of the values: ``nats``, ``share of the total``, …
    names
        Of the features or clusters, shape (f,), without repetition.
    values
        Shape (k, f): one row a fold, or a tree. NaN where a row says nothing about a feature.
    along
        What a row is: ``fold`` or ``tree``.

    Raises
    ------
    ModelError
        If the shapes disagree, a name comes twice, or a value is infinite.

    Notes
    -----
    The error is the deviation of the rows that say something, over the root of their number (López de Prado 2018,
    snippets 8.2 and 8.3; those divide by the number of all rows). It takes rows for independent. Folds share most of
    their training data, so it is on the optimistic side: see ``overlap`` in `interval`.

    Examples
    --------
    >>> table = Importances("demo", "nats", ("a", "b"), np.array([[0.0, 2.0], [0.2, 4.0]]))
    >>> table.mean.tolist(), table.error.round(3).tolist(), table.sorted().names
    ([0.1, 3.0], [0.1, 1.0], ('b', 'a'))
    """

    method: str
    unit: str
    names: tuple[str, ...]
    values: Floats
    along: str = "fold"

    def __post_init__(self) -> None:
        if self.values.ndim != 2 or self.values.shape[1] != len(self.names) or len(self.values) == 0:
            raise ModelError(
                f"importances of {len(self.names)} names need values (k, names), k ≥ 1; got {self.values.shape}"
            )
        if len(set(self.names)) != len(self.names):
            double = next(name for name in self.names if self.names.count(name) > 1)
            raise ModelError(f"the name {double!r} comes twice among the features; name each once")
        if np.isinf(self.values).any():
            raise ModelError(f"{self.method}: a value is infinite; is a score unbounded on one of the folds?")

    def __len__(self) -> int:
        return len(self.names)

    @property
    def count(self) -> NDArray[np.int64]:
        """How many rows say something about each feature, shape (f,)."""
        return np.asarray((~np.isnan(self.values)).sum(axis=0), np.int64)

    @property
    def mean(self) -> Floats:
        """Mean of each feature over the rows that say something, shape (f,); NaN where none does."""
        return _divided(np.nansum(self.values, axis=0), self.count)

    @property
    def error(self) -> Floats:
        """Standard error of the mean, shape (f,); NaN where fewer than two rows say something."""
        squares = np.nansum((self.values - self.mean) ** 2, axis=0)
        return np.sqrt(_divided(squares, (self.count - 1) * self.count))

    def interval(self, level: float = 0.95, overlap: float = 0.0) -> tuple[Floats, Floats]:
        """Student's interval of the mean.

        Parameters
        ----------
        level
            Its confidence, in (0, 1).
        overlap
            Test rows over training rows in a fold: widens the interval for what training sets have in common
            (Nadeau and Bengio 2003, section 3). Zero takes the rows for independent.

        Returns
        -------
        low, high
            Shape (f,); NaN where fewer than two rows say something.

        Raises
        ------
        ModelError
            If the level is not between 0 and 1, or ``overlap`` is negative.
        """
        from scipy.stats import t

        if not 0.0 < level < 1.0 or overlap < 0.0:
            raise ModelError(f"level {level} must be in (0, 1) and overlap {overlap} must not be negative")
        spread = self.error * np.sqrt(1.0 + self.count * overlap)
        half = spread * t.ppf((1.0 + level) / 2.0, np.maximum(self.count - 1, 1))
        return self.mean - half, self.mean + half

    def order(self) -> NDArray[np.int64]:
        """Positions of the features by mean, largest first; ties as they stand, NaN last. Shape (f,)."""
        return np.argsort(np.where(np.isnan(self.mean), np.inf, -self.mean), kind="stable")

    def take(self, positions: NDArray[np.int64]) -> Importances:
        """The same of some features, in that order."""
        names = tuple(self.names[place] for place in positions)
        return replace(self, names=names, values=np.ascontiguousarray(self.values[:, positions]))

    def sorted(self, most: int | None = None) -> Importances:
        """The ``most`` largest, or all, largest first."""
        return self.take(self.order()[:most])

    def columns(self, level: float = 0.95) -> dict[str, NDArray[np.generic]]:
        """Plain arrays by name, largest first: what ``polars.DataFrame`` takes.

        Examples
        --------
        >>> table = Importances("demo", "nats", ("a", "b"), np.array([[0.0, 2.0], [0.2, 4.0]]))
        >>> {name: column.round(2).tolist() for name, column in table.columns().items() if name != "feature"}
        {'mean': [3.0, 0.1], 'error': [1.0, 0.1], 'low': [-9.71, -1.17], 'high': [15.71, 1.37], 'rows': [2, 2]}
        """
        table = self.sorted()
        low, high = table.interval(level)
        return {
            "feature": np.array(table.names),
            "mean": table.mean,
            "error": table.error,
            "low": low,
            "high": high,
            "rows": table.count,
        }


def _divided(total: Floats, count: NDArray[np.int64]) -> Floats:
    found: Floats = np.divide(total, count, out=np.full(len(total), np.nan), where=count > 0)
    return found
