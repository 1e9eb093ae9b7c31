"""What runs log goes to Prefect's API and UI, not to the terminal: there, the progress line and one paragraph speak."""

from __future__ import annotations

import logging

RUN_LOGGERS = ("prefect.flow_runs", "prefect.task_runs")


def keep_runs_off_the_terminal() -> None:
    """Let the loggers of flow and task runs write to the API alone, exceptions with their tracebacks included.

    An error that ends a run is raised out of the flow; who called it says it to the user, once. HTTP clients need not
    tell of every attempt either: a task that is tried again says so in its own log.
    """
    for name in RUN_LOGGERS:
        logging.getLogger(name).propagate = False
    logging.getLogger("urllib3.connectionpool").setLevel(logging.ERROR)
