"""Prefect and MLflow on local stores, quiet and without telemetry; imported before either library."""

from __future__ import annotations

import os

from pipelines.workspace import Workspace

SETTINGS = {
    "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
    "PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS": "120",
    "PREFECT_LOGGING_LEVEL": "WARNING",
    "PREFECT_LOGGING_LOGGERS_PREFECT_FLOW_RUNS_LEVEL": "INFO",
    "PREFECT_LOGGING_LOGGERS_PREFECT_TASK_RUNS_LEVEL": "INFO",
    "PREFECT_CLI_PROMPT": "false",
    "DO_NOT_TRACK": "true",
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "2",
    "MLFLOW_HTTP_REQUEST_BACKOFF_FACTOR": "1",
    "GIT_PYTHON_REFRESH": "quiet",
}


def configure(workspace: Workspace) -> None:
    """Point Prefect at the workspace unless the environment already says otherwise."""
    for name, value in SETTINGS.items():
        os.environ.setdefault(name, value)
    workspace.prefect.mkdir(parents=True, exist_ok=True)  # Prefect makes the last folder only
    os.environ.setdefault("PREFECT_HOME", str(workspace.prefect))
