"""Write a run's report and its model's card: self-contained files, made from the result and nothing else."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from pathlib import Path

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup, escape

from models.bundle.store import AliasRecord
from pipelines.report.card import CARD_FILE, CARD_PAGE, card
from pipelines.report.document import Document
from pipelines.report.markdown import markdown
from pipelines.report.view import STYLE, image, view
from pipelines.results import RunResult


def whole(text: str) -> Markup:
    """A text as HTML whose dates and percentages are not broken between lines.

    Examples
    --------
    >>> whole("1970-01-02 & 3 % on")
    Markup('<span class="whole">1970-01-02</span> &amp; <span class="whole">3 %</span> on')
    """
    return Markup(re.sub(r"\d{4}-\d\d-\d\d|[+−\d.,]+ %", r'<span class="whole">\g<0></span>', str(escape(text))))


def stacked(text: str) -> Markup:
    """A table's cell as HTML, with the interval in brackets beneath its value.

    Examples
    --------
    >>> stacked("0.5 (0.4 to 0.6)")
    Markup('0.5<small>0.4 to 0.6</small>')
    >>> stacked("3 (of 7)")
    Markup('3 (of 7)')
    """
    found = re.fullmatch(r"(.*) \((\S+(?: %)? to \S+(?: %)?)\)", text)
    return Markup("{}<small>{}</small>").format(*found.groups()) if found else whole(text)


def environment() -> Environment:
    """Where the room's pages are made: templates that refuse what is not defined."""
    found = Environment(
        loader=PackageLoader("pipelines.report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    found.filters |= {"whole": whole, "stacked": stacked, "image": image}
    return found


def render(result: RunResult) -> str:
    """The report's HTML; the same result gives the same text."""
    return environment().get_template("report.html").render(view(result))


def write_whole(path: Path, content: bytes) -> Path:
    """Write a file whole or not at all, with the folders it needs; returns the path."""
    path.parent.mkdir(parents=True, exist_ok=True)
    scratch = path.with_name(f".{path.name}.tmp")
    scratch.write_bytes(content)
    os.replace(scratch, path)
    return path


def write_report(result: RunResult, path: Path) -> Path:
    """Write the report to ``path``, whole or not at all; returns the path."""
    return write_whole(path, render(result).encode())


def render_document(found: Document) -> str:
    """A page's HTML."""
    return environment().get_template("document.html").render(page=found, style=STYLE.read_text(encoding="utf-8"))


def write_card(result: RunResult, folder: Path, history: Sequence[AliasRecord] = ()) -> tuple[Path, Path]:
    """Write the card of a run's model into ``folder``, as Markdown and HTML; returns both paths."""
    found = card(result, history)
    text = write_whole(folder / CARD_FILE, markdown(found).encode())
    return text, write_whole(folder / CARD_PAGE, render_document(found).encode())
