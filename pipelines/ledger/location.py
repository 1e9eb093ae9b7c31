"""Where the ledger is: beside the experiments, so that a team which shares those shares the count too."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass

from sqlalchemy import URL, make_url
from sqlalchemy.exc import ArgumentError

from pipelines.ledger.errors import LedgerError
from pipelines.postgresql import with_driver
from pipelines.workspace import Workspace

VARIABLE = "BOT4_LEDGER_URL"
FILE = "trials.db"
DIALECTS = ("sqlite", "postgresql")


@dataclass(frozen=True, slots=True)
class Location:
    """The ledger's URL, and what a user should know about the choice (empty if nothing)."""

    url: URL
    note: str = ""


def locate(workspace: Workspace, environment: Mapping[str, str] | None = None) -> Location:
    """The ledger of a workspace.

    ``BOT4_LEDGER_URL`` decides. Without it, a ``MLFLOW_TRACKING_URI`` that is a SQLite or PostgreSQL URL holds the
    ledger too, in tables of its own; any other tracking store (a server, a folder) has no SQL to write to, so the
    ledger is ``trials.db`` in the workspace, and the note says that it is not shared.

    Raises
    ------
    LedgerError
        If ``BOT4_LEDGER_URL`` is no such URL, or a database in memory.
    """
    found = os.environ if environment is None else environment
    chosen = found.get(VARIABLE)
    if chosen:
        return Location(parse_url(chosen))
    local = URL.create("sqlite", database=str(workspace.root / FILE))
    tracking = found.get("MLFLOW_TRACKING_URI")
    if not tracking:
        return Location(local)
    try:
        return Location(parse_url(tracking))
    except LedgerError:
        scheme = tracking.partition("://")[0] if "://" in tracking else "a folder"
        return Location(
            local,
            f"MLFLOW_TRACKING_URI ({scheme}) is no SQL database this process can keep trials in, so they are counted"
            f" in {local.database}, for this workspace alone; set {VARIABLE} to an SQL URL to count as a team",
        )


def parse_url(text: str) -> URL:
    """A ledger's URL.

    Raises
    ------
    LedgerError
        If it is not a SQLite file's or a PostgreSQL database's URL.

    Examples
    --------
    >>> parse_url("sqlite:///trials.db").database
    'trials.db'
    """
    try:
        url = make_url(with_driver(text))
    except (ArgumentError, ValueError):
        raise LedgerError(
            f"{VARIABLE} is not an SQL URL such as sqlite:////data/trials.db or postgresql://user@host/database"
        ) from None
    if url.get_backend_name() not in DIALECTS:
        raise LedgerError(f"a ledger cannot be kept in {url.get_backend_name()}: use {' or '.join(DIALECTS)}")
    if url.get_backend_name() == "sqlite" and (url.database or ":memory:").startswith((":memory:", "file:")):
        raise LedgerError("a ledger in memory would forget its trials: name a file, such as sqlite:////data/trials.db")
    return url
