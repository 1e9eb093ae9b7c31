"""What a member of the ensemble is: fitted on some samples, predicting over history, exported to a graph."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from models.dataset import Panel
from models.members.along import NOWHERE, Along
from models.members.facts import MemberFacts

if TYPE_CHECKING:
    from models.graph.part import GraphPart

Progress = Callable[[str, float], None]
"""Called with what is going on and the fraction done, between 0 and 1."""


@dataclass(frozen=True, slots=True)
class FitRecord:
    """What fitting left behind for people: learning curves and feature importance, by name."""

    curves: Mapping[str, list[float]] = field(default_factory=dict)
    importance: Mapping[str, float] = field(default_factory=dict)
    notes: Mapping[str, Any] = field(default_factory=dict)


class FittedMember(Protocol):
    """A trained member."""

    @property
    def name(self) -> str:
        """The member's name, as in ``MEMBERS``."""
        ...

    @property
    def record(self) -> FitRecord:
        """What fitting left behind."""
        ...

    def predict(self, panel: Panel, instrument: int, rows: NDArray[np.int64]) -> NDArray[np.float64]:
        """P(label = 1) by the native library at consecutive ``rows`` of one series, state zero before the first.

        A row with a NaN gives NaN and resets the state, exactly as `models.bundle.runner.GraphRunner` does.
        """
        ...

    def part(self) -> GraphPart:
        """The member as a graph fragment."""
        ...


@runtime_checkable
class WithoutState(Protocol):
    """A trained member whose probability is a function of one row."""

    def probability(self, features: NDArray[np.float64]) -> NDArray[np.float64]:
        """P(label = 1) of feature rows (n, f) by the native library, shape (n,), whatever it does with a NaN."""
        ...


class Member(Protocol):
    """An untrained member with its hyperparameters.

    ``facts``: what is to be known of its kind, the same for all of a class.
    """

    facts: ClassVar[MemberFacts]

    @property
    def name(self) -> str:
        """The member's name, as in ``MEMBERS``."""
        ...

    def fit(
        self,
        panel: Panel,
        train: NDArray[np.int64],
        validation: NDArray[np.int64],
        seed: int,
        progress: Progress | None = None,
        along: Along = NOWHERE,
    ) -> FittedMember:
        """Fit on the samples ``train``, stopping early by ``validation`` (indices into ``panel.samples``).

        ``along`` is told the learning curves as they grow. A member whose fits are long keeps its state there and goes
        on from it, ending with the bytes of a fit that was never interrupted.
        """
        ...
