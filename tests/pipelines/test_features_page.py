"""The manual's page of features: what is committed is what the catalogue says today."""

import re
from pathlib import Path

from markdown_it import MarkdownIt
from typer.testing import CliRunner

from features.catalogue import CATALOGUE, GROUPS
from features.catalogue.costs import NANOSECONDS
from pipelines.catalogue.page import HEADINGS, page
from pipelines.cli import app

DOCS = Path(__file__).resolve().parents[2] / "docs"


def tables(text):
    """The cells of every table of a Markdown text, row by row, as a reader sees them."""
    rows = []
    for token in MarkdownIt().enable("table").parse(text):
        if token.type == "tr_open":
            rows.append([])
        elif token.type == "inline" and rows and token.level == 4:
            rows[-1].append("".join(child.content for child in token.children))
    return rows


def test_the_committed_page_is_the_catalogues():
    assert (DOCS / "features.md").read_text(encoding="utf-8") == page(), (
        "run: bot4 features page --out docs/features.md"
    )


def test_the_page_says_of_every_feature_what_the_catalogue_says():
    rows = [row for row in tables(page()) if row and row != list(HEADINGS)]
    assert [row[0] for row in rows] == list(CATALOGUE)
    for name, formula, unit, source, warmup, memory, reads, cost in rows:
        feature = CATALOGUE[name]
        assert (formula, unit, source) == (feature.meaning, feature.unit, feature.source)
        assert int(warmup) == feature.warmup
        assert memory == ("all" if feature.memory is None else str(feature.memory))
        fitted = re.findall(r"fitted (\w+)", reads)
        assert fitted == [one.name for one in feature.fitted]
        words = set() if reads == "the time" else set(reads.split()) - {"fitted", *fitted}
        assert words == feature.fields
        measured = NANOSECONDS.get(name)
        assert cost == ("cheap" if measured is None else f"{measured:,} ns")


def test_groups_are_sections_that_the_contents_link_to():
    text = page()
    assert re.findall(r"(?m)^## (\w+)$", text) == list(GROUPS) == re.findall(r"\[\w+\]\(#(\w+)\)", text)


def test_the_command_writes_the_page_and_the_architecture_links_to_it(tmp_path):
    done = CliRunner().invoke(app, ["features", "page", "--out", str(tmp_path / "new" / "features.md")])
    assert done.exit_code == 0, done.output
    assert (tmp_path / "new" / "features.md").read_text(encoding="utf-8") == page()
    assert CliRunner().invoke(app, ["features", "page"]).stdout == page()
    assert "(features.md)" in (DOCS / "architecture.md").read_text(encoding="utf-8")
