"""Write a run's report: one self-contained HTML file, made from the result and nothing else."""

from __future__ import annotations

import os
import re
from pathlib import Path

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup, escape

from pipelines.report.view import view
from pipelines.results import RunResult


def whole(text: str) -> Markup:
    """A text as HTML whose dates and percentages are not broken between lines.

    Examples
    --------
    >>> whole("1970-01-02 & 3 % on")
    Markup('<span class="whole">1970-01-02</span> &amp; <span class="whole">3 %</span> on')
    """
    return Markup(re.sub(r"\d{4}-\d\d-\d\d|[+−\d.,]+ %", r'<span class="whole">\g<0></span>', str(escape(text))))


def environment() -> Environment:
    """Where the room's pages are made: templates that refuse what is not defined."""
    found = Environment(
        loader=PackageLoader("pipelines.report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    found.filters["whole"] = whole
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
