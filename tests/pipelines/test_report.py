"""The report: one file that needs nothing else, and says what the intervals say."""

import base64
import re
import xml.etree.ElementTree as ElementTree
from html.parser import HTMLParser

import msgspec
import pytest

from pipelines.report.view import flattened, view
from pipelines.report.write import render, write_report
from pipelines.results import Estimate, Finding
from tests.pipelines.factory import make_result

VOID = {"meta", "img", "br", "link", "hr", "input"}


class Page(HTMLParser):
    """What a browser would see: balanced tags, identifiers, links, images, text."""

    def __init__(self, text):
        super().__init__()
        self.open, self.identifiers, self.links, self.images, self.alternatives, self.text = [], [], [], [], [], ""
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag, attributes):
        attributes = dict(attributes)
        if tag not in VOID:
            self.open.append(tag)
        self.identifiers += [attributes["id"]] if "id" in attributes else []
        self.links += [attributes["href"]] if "href" in attributes else []
        if tag == "img":
            self.images.append(attributes["src"])
            self.alternatives.append(attributes["alt"])
        assert tag not in {"script", "link", "iframe", "object"}

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if self.open and self.open[-1] != "style":
            self.text += f" {data}"


@pytest.fixture(scope="module")
def html():
    return render(make_result())


@pytest.fixture(scope="module")
def page(html):
    return Page(html)


def test_it_needs_nothing_else(page, html):
    assert all(link.startswith("#") for link in page.links)
    assert all(image.startswith("data:image/svg+xml;base64,") for image in page.images)
    assert "url(" not in html


def test_every_section_link_leads_somewhere(page):
    assert {link.removeprefix("#") for link in page.links} == set(page.identifiers)
    assert len(page.identifiers) == len(set(page.identifiers))


def test_every_figure_is_a_picture_with_words_for_those_who_cannot_see_it(page):
    assert len(page.images) == 8
    for image in page.images:
        ElementTree.fromstring(base64.b64decode(image.partition(",")[2]))
    assert all(page.alternatives)


def test_every_predictor_and_series_is_shown_with_its_numbers(page):
    result = make_result()
    for predictor in result.predictors:
        gain = predictor.scores["information_gain"]
        assert f"{gain.value:+.5f}".replace("-", "−") in page.text
        assert f"{gain.low:+.5f} to {gain.high:+.5f}".replace("-", "−") in page.text
    for series in result.data:
        assert series.symbol in page.text
        assert series.fingerprint in page.text
    for text in (result.config_digest, result.bundle.digest, result.command, result.git_commit, "taker_imbalance_24"):
        assert text in page.text


def test_the_summary_stands_first_and_follows_the_intervals(page):
    text = re.sub(r"\s+", " ", page.text)
    assert text.index("No edge is supported by these statistics.") < text.index("All predictors are scored")
    seen = Page(render(make_result(edge=0.4, drift=4e-4))).text
    assert "These statistics support an edge" in seen


def test_the_same_result_gives_the_same_bytes_and_leaves_nothing_else(tmp_path, html):
    path = write_report(make_result(), tmp_path / "new" / "report.html")
    assert path.read_text(encoding="utf-8") == html
    assert list(path.parent.iterdir()) == [path]


def test_names_are_escaped():
    result = make_result()
    nasty = msgspec.structs.replace(
        result,
        name="<script>alert(1)</script>",
        data=(msgspec.structs.replace(result.data[0], findings=(Finding("error", "x", 1, "<b>&</b>"),)),),
    )
    text = render(nasty)
    assert "<script>" not in text
    assert "&lt;script&gt;" in text
    Page(text)


def test_a_bare_result_still_makes_a_page():
    result = make_result()
    undefined = {name: Estimate(None) for name in result.predictors[0].scores}
    bare = msgspec.structs.replace(
        result,
        predictors=(msgspec.structs.replace(result.predictors[0], scores=undefined),),
        folds=(),
        differences=(),
        reliability=(),
        learning_curves=(),
        importances=(),
        weights={},
        backtest=None,
        paper=None,
        certificate={},
        bundle=None,
        git_commit=None,
    )
    page = Page(render(bare))
    assert "exported no graph" in page.text
    assert {link.removeprefix("#") for link in page.links} == set(page.identifiers)


def test_a_paper_run_that_differs_is_shouted():
    result = make_result()
    part = msgspec.structs.replace(result.paper.parity[1], equal=1_199)
    paper = msgspec.structs.replace(result.paper, parity=(part,))
    text = render(msgspec.structs.replace(result, paper=paper))
    assert "did NOT agree" in text
    assert "DIFFERENT" in text


def test_nested_certificates_become_lines():
    assert dict(flattened({"a": [1, 2], "b": {"c": None}})) == {"a": "1, 2", "b.c": "None"}


def test_the_view_formats_what_is_undefined_as_a_dash():
    result = make_result()
    rows = view(msgspec.structs.replace(result, differences=()))["predictors"]
    assert all(row["difference"] is None and row["against"] == "" for row in rows)
