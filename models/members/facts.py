"""What is to be known of a member besides how it learns: it stands with the member, and everyone asks there."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class MemberFacts:
    """Facts of a kind of member.

    Attributes
    ----------
    bound
        The most by which its graph's probability may differ from its library's.
    library
        The module that is imported when it fits.
    distributions
        The installed packages that decide the bits of a fitted member and of its part of the graph.
    axis
        Along what its learning curves run.
    before_training
        Curves whose first value is of the untrained member.
    importance
        What its importances measure; empty if it has none.
    carries_state
        Whether a state is carried from row to row.
    thin
        Hyperparameters of a shorter fit by the same code, for the sampled audit.
    """

    bound: float
    library: str
    distributions: tuple[str, ...]
    axis: str
    before_training: tuple[str, ...] = ()
    importance: str = ""
    carries_state: bool = False
    thin: Mapping[str, Any] = field(default_factory=dict)
