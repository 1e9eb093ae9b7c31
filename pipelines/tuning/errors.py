"""The errors of tuning."""

from __future__ import annotations

from pipelines.errors import PipelineError


class TuningError(PipelineError):
    """A study cannot go on with what it was given."""
