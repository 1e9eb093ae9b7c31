"""Pipelines: typed configuration, Prefect flows, reports and the ``bot4`` command."""
