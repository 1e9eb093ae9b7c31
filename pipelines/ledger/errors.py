"""The errors of the trial ledger."""

from __future__ import annotations

from pipelines.errors import PipelineError


class LedgerError(PipelineError):
    """The trial ledger cannot be opened, read or written, or was given what it does not keep."""
