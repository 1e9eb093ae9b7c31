"""Groups of features that are permuted, fitted or summed together: each feature alone, or clusters."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from models.errors import ModelError


@dataclass(frozen=True, slots=True, eq=False)
class FeatureGroups:
    """Named groups of columns that share out all features.

    Parameters
    ----------
    titles
        Of the groups, shape (g,).
    members
        The columns of each group, ascending.
    """

    titles: tuple[str, ...]
    members: tuple[NDArray[np.int64], ...]

    def __len__(self) -> int:
        return len(self.titles)

    @property
    def features(self) -> int:
        """How many columns there are in all."""
        return sum(len(columns) for columns in self.members)

    @property
    def single(self) -> bool:
        """Whether every group is one feature."""
        return self.features == len(self)


def each_alone(names: Sequence[str]) -> FeatureGroups:
    """Every feature is a group.

    Examples
    --------
    >>> each_alone(["a", "b"]).titles
    ('a', 'b')
    """
    return FeatureGroups(tuple(names), tuple(np.array([column]) for column in range(len(names))))


def by_hand(names: Sequence[str], groups: Mapping[str, Sequence[str]]) -> FeatureGroups:
    """Groups that a person wrote down; features that no group names stand alone.

    Raises
    ------
    ModelError
        If a group names a feature that is not there, or that another group has.

    Examples
    --------
    >>> found = by_hand(["fast", "slow", "volume"], {"momentum": ["slow", "fast"]})
    >>> found.titles, [columns.tolist() for columns in found.members]
    (('momentum', 'volume'), [[0, 1], [2]])
    """
    left = list(names)
    for title, members in groups.items():
        for name in members:
            if name not in left:
                raise ModelError(f"group {title!r} wants {name!r}, which is no feature or in a group already")
            left.remove(name)
    wanted = {**groups, **{name: [name] for name in left}}
    columns = tuple(np.sort([list(names).index(name) for name in group]) for group in wanted.values())
    return FeatureGroups(tuple(wanted), columns)


def groups_for(names: Sequence[str], clusters: FeatureGroups | None) -> FeatureGroups:
    """The clusters, checked against the features; without clusters each feature alone.

    Raises
    ------
    ModelError
        If the clusters are not of these features.
    """
    if clusters is None:
        return each_alone(names)
    held = np.sort(np.concatenate([np.asarray(columns, np.int64) for columns in clusters.members]))
    if not np.array_equal(held, np.arange(len(names))):
        raise ModelError(
            f"the clusters hold {len(held)} columns, but there are {len(names)} features; each in one cluster"
        )
    return clusters
