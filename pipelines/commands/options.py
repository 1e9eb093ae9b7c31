"""What several commands share: the workspace option, plain tables, a progress line."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from pipelines.errors import ConfigError
from pipelines.workspace import Workspace

WorkspaceOption = Annotated[
    Path,
    typer.Option(
        "--workspace", envvar="BOT4_WORKSPACE", help="The folder of lake, models, runs and journals.", file_okay=False
    ),
]


def _named_lake(lake: str | None) -> str | None:
    if lake == "":
        raise ConfigError("--lake is empty: name a folder or s3://bucket/prefix, or leave it out for the workspace's")
    return lake


LakeOption = Annotated[
    str | None,
    typer.Option(
        "--lake", callback=_named_lake, help="Another lake than the workspace's: a folder, or s3://bucket/prefix."
    ),
]
WORKSPACE = Path("workspace")
"""The default of `WorkspaceOption`."""


def command_app(about: str) -> typer.Typer:
    """An empty app for a command's file."""
    return typer.Typer(help=about, add_completion=False, no_args_is_help=True, pretty_exceptions_enable=False)


def open_workspace(path: Path) -> Workspace:
    """The workspace at a path, which need not exist yet."""
    return Workspace(path.resolve())


def json_text(value: Any) -> str:
    """A value as JSON for people and programs.

    Examples
    --------
    >>> print(json_text({"bars": 7}))
    {
      "bars": 7
    }
    """
    import msgspec

    return msgspec.json.format(msgspec.json.encode(value), indent=2).decode()


def table(headings: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Aligned columns, as wide as their contents: plain text that pipes well.

    Examples
    --------
    >>> print(table(("name", "bars"), [("BTCUSDT", "35,040"), ("ETH", "7")]))
    name     bars
    BTCUSDT  35,040
    ETH      7
    """
    lines = [tuple(headings), *[tuple(row) for row in rows]]
    widths = [max(len(line[column]) for line in lines) for column in range(len(headings))]
    return "\n".join(
        "  ".join(text.ljust(width) for text, width in zip(line, widths, strict=True)).rstrip() for line in lines
    )
