"""The errors of the serving room."""

from __future__ import annotations


class ServingError(RuntimeError):
    """Base of every error the serving room raises on purpose."""


class NotReadyError(ServingError):
    """The live process cannot start, or must not go on, with what it was given."""


class StatusError(ServingError):
    """There is no usable status block: no live process has written one here."""
