"""A page of sections with sentences, lists, tables and figures, before it becomes Markdown, HTML or plain text."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from pipelines.figures.picture import Picture

WORDED = 45
"""A cell with more characters is a sentence, not a number: its table breaks lines in all cells."""


@dataclass(frozen=True, slots=True)
class Table:
    """Headings and rows of text."""

    headings: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]

    @property
    def worded(self) -> bool:
        """Whether a cell is so long that several beside each other need lines of their own.

        Examples
        --------
        >>> Table(("", "a"), (("", "1.000; singled out: none"),)).worded
        False
        """
        return any(len(cell) > WORDED for row in self.rows for cell in row[1:])


@dataclass(frozen=True, slots=True)
class Section:
    """A heading with sentences, points of a list, figures, and tables below it."""

    title: str
    sentences: tuple[str, ...] = ()
    points: tuple[str, ...] = ()
    tables: tuple[Table, ...] = ()
    pictures: tuple[Picture, ...] = ()

    @property
    def anchor(self) -> str:
        """What links to it are called.

        Examples
        --------
        >>> Section("Trading, costs").anchor
        'trading-costs'
        """
        return "-".join("".join(one if one.isalnum() else " " for one in self.title.lower()).split())


@dataclass(frozen=True, slots=True)
class Document:
    """A whole page; ``kind`` says what it is, ``headline`` what comes out, ``supported`` whether that is a claim."""

    kind: str
    title: str
    headline: str
    supported: bool
    sections: tuple[Section, ...]


def pairs(rows: Iterable[tuple[str, str]]) -> Table:
    """A table of names and values."""
    return Table(("", ""), tuple((name, value) for name, value in rows))


def cell_text(found: dict[str, Any] | None) -> str:
    """A report's table cell on one line.

    Examples
    --------
    >>> cell_text({"value": "0.5", "interval": "0.4 to 0.6"}), cell_text({"value": "7", "interval": ""})
    ('0.5 (0.4 to 0.6)', '7')
    """
    if found is None:
        return ""
    return f"{found['value']} ({found['interval']})" if found["interval"] else str(found["value"])
