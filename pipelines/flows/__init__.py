"""Prefect flows: they schedule, cache, retry and show the stages."""
