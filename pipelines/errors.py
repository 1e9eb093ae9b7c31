"""The errors of the pipelines room."""

from __future__ import annotations


class PipelineError(ValueError):
    """Base of every error the pipelines room raises on purpose."""


class ConfigError(PipelineError):
    """A configuration file or an environment override cannot be used."""


class StageError(PipelineError):
    """A stage cannot do its work with what it was given."""
