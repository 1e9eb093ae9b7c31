"""The report: one file that needs nothing else, and says what the intervals say."""

import base64
import re
import xml.etree.ElementTree as ElementTree
from html.parser import HTMLParser

import msgspec
import pytest

from pipelines.report.card import card
from pipelines.report.markdown import markdown
from pipelines.report.view import certificate_rows, certificate_sentences, decision_sentences, flattened, view
from pipelines.report.write import render, write_report
from pipelines.results import METRICS, Estimate, Finding
from pipelines.verdict import period
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
    assert len(page.images) == 23
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


@pytest.mark.usefixtures("undrawn")
def test_the_summary_stands_first_and_follows_the_intervals(page):
    text = re.sub(r"\s+", " ", page.text)
    assert text.index("No edge is supported by these statistics.") < text.index("All predictors are scored")
    seen = Page(render(make_result(edge=0.4, drift=4e-4))).text
    assert "These statistics support an edge" in seen


def test_the_same_result_gives_the_same_bytes_and_leaves_nothing_else(tmp_path, html):
    path = write_report(make_result(), tmp_path / "new" / "report.html")
    assert path.read_text(encoding="utf-8") == html
    assert list(path.parent.iterdir()) == [path]


@pytest.mark.usefixtures("undrawn")
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
        laboratory=None,
    )
    page = Page(render(bare))
    assert "exported no graph" in page.text
    assert {link.removeprefix("#") for link in page.links} == set(page.identifiers)


@pytest.mark.usefixtures("undrawn")
def test_a_paper_run_that_differs_is_shouted():
    result = make_result()
    part = msgspec.structs.replace(result.paper.parity[1], equal=1_199)
    paper = msgspec.structs.replace(result.paper, parity=(part,))
    text = render(msgspec.structs.replace(result, paper=paper))
    assert "did NOT agree" in text
    assert "DIFFERENT" in text


def test_nested_certificates_become_lines():
    nested = {"a": [1, 2], "b": {"c": None}, "d": [{"e": 1}, {"e": 2}], "f": []}
    assert dict(flattened(nested)) == {"a": "1, 2", "b.c": "None", "d.1.e": "1", "d.2.e": "2", "f": ""}


@pytest.fixture
def result_with_second_stage():
    """The artificial result, with what a certificate says of sets and second stage."""
    found = make_result()
    lstm = {**found.certificate["members"]["lstm"], "longest": 2_500, "carried": 60_000}
    more = {
        "sets": {"rows": 20_000, "at_threshold": 83, "differing": 3},
        "second_stage": {"bound": 1e-9, "errors": {"real": 5e-16}, "rows": {"real": 12_000}},
        "members": {**found.certificate["members"], "lstm": lstm},
        "notes": ["lstm: state compared over 2,500 bars in a row"],
    }
    return msgspec.structs.replace(found, certificate={**found.certificate, **more})


def test_a_certificate_is_read_by_people(page):
    certificate = make_result().certificate
    lightgbm, lstm, ensemble = certificate_rows(certificate)
    assert (lightgbm["bound"], lightgbm["cells"]) == ("0", ["0 in 12,000"] * 3 + ["–"] * 2)
    assert (lstm["bound"], lstm["cells"]) == ("2.0e−6", ["3.1e−7 in 12,000", "–", "2.2e−8 in 12,000", "–", "–"])
    (sentence,) = decision_sentences(certificate)
    assert "0 where the probability is farther than 1.0e−5 from it, 1 of the 12 rows that are nearer" in sentence
    assert sentence in page.text
    assert "{'" not in page.text
    assert ensemble["name"] == "ensemble"
    assert certificate_sentences(certificate) == [sentence]


@pytest.mark.usefixtures("undrawn")
def test_a_certificate_shows_prediction_sets_and_second_stage(result_with_second_stage):
    found = result_with_second_stage.certificate
    assert [row["name"] for row in certificate_rows(found)] == ["lightgbm", "lstm", "ensemble", "second stage"]
    assert certificate_rows(found)[-1]["cells"] == ["5.0e−16 in 12,000", *["–"] * 4]
    _, sets, second, carried, note = certificate_sentences(found)
    assert sets == (
        "Prediction sets that differ between graph and NumPy: 3, of those of 20,000 rows and of 83 probabilities at "
        "their threshold and next to it."
    )
    assert carried == "The state of lstm was carried over up to 60,000 rows in a row, and over 2,500 real ones."
    text, words = render(result_with_second_stage), markdown(card(result_with_second_stage))
    for one in (sets, second, carried, note):
        assert one in text
        assert one in words
    assert "| second stage | 1.0e−9 | 5.0e−16 in 12,000 | – | – | – | – |" in words


def test_each_kind_of_interval_says_where_it_comes_from(page):
    result = make_result()
    text = re.sub(r"\s+", " ", page.text)
    assert f"scores of predictions come from {result.interval_method}; those of Sharpe ratios" in text
    assert f"Sharpe ratios from {result.sharpe_method}." in text
    assert "Every interval" not in text


def test_it_says_what_the_intervals_leave_out(page):
    assert "number of configurations tried" not in page.text
    assert "no profit is supported unless it is left when they are counted" in page.text


def test_every_number_says_of_which_rows_and_when(page):
    result = make_result()
    text = re.sub(r"\s+", " ", page.text)
    for span in (result.compared_stretch, result.backtest.stretch, result.paper.backtest.stretch):
        assert f"{period(span)} (" in text
    assert f"{result.comparison_rows:,} decisions" in text
    assert "beginning with 100,000 USDT" in text
    assert "Fees, USDT" in text


@pytest.mark.usefixtures("undrawn")
def test_folds_are_counted_from_one():
    rows = view(make_result())["folds"]
    assert [row["number"] for row in rows] == list(range(1, 8))
    assert [row["purged"] for row in rows] == [str(70 + index) for index in range(7)]


@pytest.mark.usefixtures("undrawn")
def test_funding_that_was_left_out_is_said_for_perpetuals_only(html):
    result = make_result()
    perpetual = tuple(msgspec.structs.replace(one, kind="perpetual") for one in result.data)
    said = "perpetuals paid and received no funding"
    assert said not in html
    assert said in render(msgspec.structs.replace(result, data=perpetual))
    charged = msgspec.structs.replace(result.backtest, funding_events=3)
    assert said not in render(msgspec.structs.replace(result, data=perpetual, backtest=charged))


def test_a_table_of_scores_is_as_narrow_as_its_numbers_allow(html):
    table = html[html.index('<table class="scores">') :]
    table = table[: table.index("</table>")]
    widest = [max(len(cell) for cell in re.findall(r"<small>(.*?)</small>", row)) for row in table.split("<tr")[2:]]
    assert max(widest) <= len("+0.00000 to +0.00000")
    assert table.count("<th") == 2 + len(METRICS) + 1


@pytest.mark.usefixtures("undrawn")
def test_the_view_formats_what_is_undefined_as_a_dash():
    result = make_result()
    rows = view(msgspec.structs.replace(result, differences=()))["predictors"]
    assert all(row["difference"] is None and row["against"] == "" for row in rows)
