"""The errors of the features room. Each message names the offending thing, the limit, and what to do."""

from __future__ import annotations


class FeatureError(ValueError):
    """Base of every error the features room raises on purpose."""


class BarError(FeatureError):
    """A bar was refused at the door; the engine's state is as it was before."""


class StateError(FeatureError):
    """A snapshot cannot be restored into this engine."""


class ConformanceError(FeatureError, AssertionError):
    """A feature breaks a promise of the room: parity, warm-up, memory, finiteness, or no look-ahead."""
