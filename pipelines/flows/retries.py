"""When a task is tried again: only after an error of input or output that may pass by itself.

Stages are pure and artefacts appear whole, registration and tracking are safe to repeat: so every task of ours may be
tried again. But a wrong configuration, a hole in the data or a defect stays what it is, and is raised at once.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from prefect.tasks import exponential_backoff

TRIES_AGAIN = 2
LASTING = (FileNotFoundError, FileExistsError, NotADirectoryError, IsADirectoryError, PermissionError)
"""Errors of the operating system that waiting does not mend."""
PASSING_CODES = frozenset({"TEMPORARILY_UNAVAILABLE", "REQUEST_LIMIT_EXCEEDED", "INTERNAL_ERROR"})
"""MLflow's error codes of a server or database that cannot answer now."""


def chain(error: BaseException | None) -> Iterator[BaseException]:
    """An error, what it was raised from, and so on."""
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


def may_pass(error: BaseException) -> bool:
    """Whether an error comes of input or output that may work a moment later.

    Examples
    --------
    >>> may_pass(ConnectionError("refused")), may_pass(ValueError("wrong")), may_pass(FileNotFoundError("gone"))
    (True, False, False)
    """
    return any(
        (isinstance(one, OSError) and not isinstance(one, LASTING)) or getattr(one, "error_code", "") in PASSING_CODES
        for one in chain(error)
    )


def retry_if_it_may_pass(task: Any, run: Any, state: Any) -> bool:
    """Prefect's question after a failure."""
    try:
        state.result()
    except Exception as error:  # noqa: BLE001 - looked at, not handled: Prefect keeps it
        return may_pass(error)
    return False


RETRIES: dict[str, Any] = {
    "retries": TRIES_AGAIN,
    "retry_delay_seconds": exponential_backoff(backoff_factor=1),
    "retry_condition_fn": retry_if_it_may_pass,
}
"""Settings of every task: tried again after one second, then after two."""
