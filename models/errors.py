"""The errors of the models room."""

from __future__ import annotations


class ModelError(ValueError):
    """Base of every error the models room raises on purpose."""


class LabelError(ModelError):
    """Labels cannot be made of what was given."""


class SplitError(ModelError):
    """The samples cannot be divided as asked."""


class EnsembleError(ModelError):
    """Members cannot be combined as asked."""
