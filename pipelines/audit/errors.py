"""The errors of the auditor."""

from __future__ import annotations

from pipelines.errors import PipelineError


class AuditError(PipelineError):
    """An audit cannot be made with what it was given."""
