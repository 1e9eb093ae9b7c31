"""Whether there is a second stage, and how it learns: the part of a run's configuration."""

from __future__ import annotations

import math

import msgspec


class MetaConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A logistic regression that says how probably the ensemble's side is right.

    ``ridge``: what the prior, that the side is as probable as the ensemble says, is worth, in effective rows.
    ``features``: of the run's, which it sees besides what members and ensemble say. ``sizing``: whether its probability
    sizes the bet; without, it is measured and changes nothing.
    """

    ridge: float = 1000.0
    features: tuple[str, ...] = ()
    sizing: bool = False

    def __post_init__(self) -> None:
        if not (self.ridge >= 0.0 and math.isfinite(self.ridge)):
            raise ValueError(f"ridge is {self.ridge}; it must be finite and not negative")
        twice = sorted({one for one in self.features if self.features.count(one) > 1})
        if twice:
            raise ValueError(f"features has {', '.join(twice)} more than once; list each once")
