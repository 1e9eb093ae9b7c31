"""What the bundle room raises on purpose. Messages name the offending thing, the limit and what to do."""

from __future__ import annotations


class BundleError(Exception):
    """A bundle cannot be written, read or used."""


class DamagedBundle(BundleError):  # noqa: N818
    """A file is missing, unknown, or not what its digest says."""


class IncompatibleBundle(BundleError):  # noqa: N818
    """The bundle is whole, but this installation is not the one it was made for: format, features, machine."""


class StateError(BundleError):
    """A saved recurrent state does not belong to this graph."""


class StoreError(BundleError):
    """The model store has no such thing, or refuses it."""
