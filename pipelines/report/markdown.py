"""A card as Markdown that terminals and MLflow's pages show alike: headings, lists and tables, no HTML."""

from __future__ import annotations

import re
from collections.abc import Iterator

from pipelines.report.document import Document, Section, Table


def escaped(text: str) -> str:
    r"""A text in which nothing is taken for markup.

    Examples
    --------
    >>> print(escaped("a|b <i> *x*"))
    a\|b &lt;i> \*x\*
    """
    return re.sub(r"([|*`\\])", r"\\\1", " ".join(text.split())).replace("<", "&lt;")


def markdown(found: Document) -> str:
    """The whole card."""
    return "\n".join([*_head(found), *(line for one in found.sections for line in _section(one))])


def shortened(found: Document, longest: int, where: str) -> str:
    """The card in at most ``longest`` characters: headline, then whole sections in their order while they fit.

    ``where`` says where the whole one is; it stands at the end.
    """
    text = "\n".join(_head(found))
    for one in found.sections:
        part = "\n" + "\n".join(_section(one))
        if len(text) + len(part) + len(where) + 1 <= longest:
            text += part
    return f"{text}\n{where}"


def _head(found: Document) -> list[str]:
    return [f"**{escaped(found.headline)}**", "", f"# {escaped(found.title)}", ""]


def _section(one: Section) -> Iterator[str]:
    yield f"## {one.title}"
    yield ""
    for sentence in one.sentences:
        yield from (escaped(sentence), "")
    if one.points:
        yield from (*(f"- {escaped(point)}" for point in one.points), "")
    for table in one.tables:
        yield from (*_table(table), "")


def _table(table: Table) -> Iterator[str]:
    yield f"| {' | '.join(map(escaped, table.headings))} |"
    yield f"|{' --- |' * len(table.headings)}"
    for row in table.rows:
        yield f"| {' | '.join(map(escaped, row))} |"
