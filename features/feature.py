"""A feature: a value of the graph, and what people and models need to know about it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

from features.nodes import Field, Fitted, Node, Part, walk

Cost: TypeAlias = Literal["cheap", "expensive"]
Unit: TypeAlias = Literal["price", "volume"]


@dataclass(frozen=True, slots=True)
class Feature:
    """One column of a feature row.

    Parameters
    ----------
    name
        Unique in its catalogue; ends in its windows.
    value
        The node (or one of its values) that is the feature.
    scale
        The size below which differences mean nothing: the feature is exact to 1e-9 of max(|exact value|, scale).
    unit
        What it is measured in; ``1`` for pure numbers.
    meaning
        The formula in words, with its value where it would be 0 / 0.
    source
        Where it is defined, or ``own``.
    parameters
        Windows, spans and periods, in bars.
    cost
        ``cheap`` if a bar costs a few operations whatever the windows, as the features of the default set do;
        ``expensive`` if it costs a pass over a window or more (`features.catalogue.costs` has what was measured).
    depends_on
        The units its value depends on: ``price`` (a shift of log prices moves it), ``volume``. By default on neither,
        so that it means the same for every instrument; conformance holds it to what is declared here, both ways.
    """

    name: str
    value: Node | Part
    scale: float
    unit: str
    meaning: str
    source: str
    parameters: Mapping[str, float] = field(default_factory=dict, hash=False)
    cost: Cost = "cheap"
    depends_on: frozenset[Unit] = frozenset()

    @property
    def node(self) -> Node:
        """The node that computes it."""
        return self.value.node if isinstance(self.value, Part) else self.value

    @property
    def kernel(self) -> str:
        """The module and name of the compiled step that gives its value."""
        return f"{self.node.kernel.__module__}.{self.node.kernel.__name__}"

    @property
    def warmup(self) -> int:
        """Bars needed until it is defined: NaN on the first ``warmup - 1`` rows, finite from row ``warmup - 1`` on."""
        return self.value.first

    @property
    def memory(self) -> int | None:
        """How many bars, the newest included, decide its bits; None: all of history (exponential averages)."""
        return self.value.memory

    @property
    def fields(self) -> frozenset[str]:
        """The bar fields it reads."""
        return frozenset(one.name for one in walk((self.value,)) if isinstance(one, Field))

    @property
    def fitted(self) -> tuple[Fitted, ...]:
        """The values it needs that are fitted on training bars, each with the function that fits it."""
        return tuple(one for one in walk((self.value,)) if isinstance(one, Fitted))
