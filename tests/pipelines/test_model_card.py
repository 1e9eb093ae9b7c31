"""A model's card: every number is the result's, the verdict stands first, limits follow from what there is."""

import re
from itertools import groupby

import msgspec
import pytest
from msgspec.structs import replace

from features.catalogue import GROUPS
from models.bundle.store import AliasRecord, Verdict
from pipelines.report.card import card
from pipelines.report.limits import limits
from pipelines.report.markdown import markdown, shortened
from pipelines.report.write import render_document, write_card
from pipelines.results import METRICS, Estimate
from pipelines.verdict import verdict
from tests.pipelines.factory import make_result
from tests.pipelines.test_report import Page


@pytest.fixture(scope="module")
def result():
    return make_result()


@pytest.fixture(scope="module")
def text(result):
    return markdown(card(result))


def overruled(result, reason="to see it trade"):
    gates = (Verdict("profit", False, "none"), Verdict("parity", True, "equal"))
    return AliasRecord("artificial", "champion", 3, result.bundle.digest, 1, 0, 0, "Ada", gates, reason)


@pytest.mark.parametrize(("edge", "drift"), [(0.0, 0.0), (0.4, 0.0), (0.4, 4e-4)])
def test_the_first_line_is_the_verdict(edge, drift):
    found = make_result(edge=edge, drift=drift)
    assert markdown(card(found)).splitlines()[0] == f"**{verdict(found).headline}**"


def test_a_weak_models_page_begins_with_it(result):
    html = render_document(card(result))
    page = Page(html)
    assert html.index("No edge is supported by these statistics.") < html.index("<h2")
    assert {link.removeprefix("#") for link in page.links} == set(page.identifiers)
    strong = render_document(card(make_result(edge=0.4, drift=4e-4)))
    assert 'class="verdict supported"' in strong
    assert 'class="verdict supported"' not in render_document(card(result))


def test_every_table_is_rectangular_and_there_is_no_html(text):
    lines = text.splitlines()
    for inside, rows in groupby(lines, key=lambda line: line.startswith("|")):
        if inside:
            rows = list(rows)
            assert len({len(re.findall(r"(?<!\\)\|", row)) for row in rows}) == 1, rows[0]
            assert set(rows[1]) <= set("|- ")
    assert not re.search(r"<[a-zA-Z/]", text)


def test_markup_in_names_is_not_obeyed(result):
    nasty = replace(result, command="bot4 train <b>*x*|y</b>")
    assert r"bot4 train &lt;b>\*x\*\|y&lt;/b>" in markdown(card(nasty))
    Page(render_document(card(nasty)))


def changes(result):
    """One number or digest changed after another, wherever a card shows one."""
    for place, one in enumerate(result.predictors):
        for metric in METRICS:
            for bound in ("value", "low", "high"):
                scores = {**one.scores, metric: replace(one.scores[metric], **{bound: 0.123456})}
                others = list(result.predictors)
                others[place] = replace(one, scores=scores)
                yield f"{one.name} {metric} {bound}", replace(result, predictors=tuple(others))
    for place, one in enumerate(result.differences):
        others = list(result.differences)
        others[place] = replace(one, difference=Estimate(0.1, 0.05, 0.15))
        yield f"difference {one.other}", replace(result, differences=tuple(others))
    for kind in ("net_performance", "gross_performance"):
        done = getattr(result.backtest, kind)
        for name in ("total_return", "max_drawdown", "trades", "hit_ratio", "turnover", "fees", "slippage"):
            traded = replace(result.backtest, **{kind: replace(done, **{name: getattr(done, name) + 1})})
            yield f"backtest {kind} {name}", replace(result, backtest=traded)
            traded = replace(result.paper, backtest=traded)
            yield f"paper {kind} {name}", replace(result, paper=traded)
    for name in ("rows", "gaps", "missing_bars"):
        first = replace(result.data[0], **{name: getattr(result.data[0], name) + 1})
        yield f"data {name}", replace(result, data=(first, *result.data[1:]))
    yield "fingerprint", replace(result, data=(replace(result.data[0], fingerprint="f" * 64), *result.data[1:]))
    for name in ("count", "effective", "base_rate"):
        value = replace(result.samples, **{name: getattr(result.samples, name) * 2})
        yield f"samples {name}", replace(result, samples=value)
    for name in ("distinct", "records", "unfinished"):
        yield f"trials {name}", replace(result, trials=replace(result.trials, **{name: 14}))
    for name in ("deflated", "probabilistic", "by_all", "luck"):
        lab = replace(result.laboratory, deflated=replace(result.laboratory.deflated, **{name: 0.42}))
        yield f"deflated {name}", replace(result, laboratory=lab)
    for kind in ("regimes", "sensitivities"):
        one, *rest = getattr(result.laboratory, kind)
        lab = replace(result.laboratory, **{kind: (replace(one, sharpe=Estimate(9.87, 8.0, 11.0)), *rest)})
        yield kind, replace(result, laboratory=lab)
    for name in ("config_digest", "git_commit", "command", "run_id"):
        yield name, replace(result, **{name: "changed"})
    for name in ("code", "environment"):
        yield f"lineage {name}", replace(result, lineage=replace(result.lineage, **{name: "changed"}))
    yield "parents", replace(result, lineage=replace(result.lineage, parents={"panel": "changed"}))
    yield "weights", replace(result, weights={"lstm": 0.99})
    yield "devices", replace(result, trained_on={"lstm": "cpu, bfloat16 autocast"})
    yield "features", replace(result, features=replace(result.features, names=("sma_3",)))
    yield "versions", replace(result, versions={"python": "4.0"})
    yield "certificate", replace(result, certificate={**result.certificate, "tolerance": 7e-5})
    yield "graph", replace(result, certificate={**result.certificate, "graph_bytes": 7})
    for name in ("p50", "p99", "rows"):
        yield f"latency {name}", replace(result, latency=replace(result.latency, **{name: 3}))
    yield "machine", replace(result, latency=replace(result.latency, machine="another"))
    curve = result.reliability[-1]
    yield "calibration", replace(result, reliability=(replace(curve, observed=curve.observed / 2),))


def test_whatever_changes_in_the_result_changes_on_the_card(result, text):
    seen = list(changes(result))
    assert len(seen) > 200
    unchanged = [name for name, changed in seen if markdown(card(changed)) == text]
    assert unchanged == []
    page = render_document(card(result))
    assert all(render_document(card(changed)) != page for _, changed in seen[::10])


def test_limits_follow_from_what_there_is_and_what_is_missing(result):
    perpetual = tuple(replace(one, kind="perpetual", missing_bars=0) for one in result.data)
    parity = (replace(result.paper.parity[0], equal=0),)
    few = (replace(result.laboratory.regimes[0], days=500),)
    mute = {"lstm": {**result.certificate["members"]["lstm"], "spread": 0.0}}
    cases = [
        ("of FAKE1USDT, FAKE2USDT and FAKE3USDT at 30m on fake, out of fold", result, {"folds": ()}),
        ("There is not enough power: ", result, {"predictors": make_result(edge=0.4).predictors}),
        ("It knows bars only", result, {"features": replace(result.features, names=(GROUPS["book"][0].name,))}),
        ("Bars are missing: 61 of FAKE1USDT", result, {"data": perpetual}),
        ("Regimes with fewer than 100 days: ", result, {"laboratory": replace(result.laboratory, regimes=few)}),
        ("Live it is known on paper only", result, {"paper": None}),
        ("Funding is left out", replace(result, data=perpetual), {"data": result.data}),
        ("did NOT agree with research", replace(result, paper=replace(result.paper, parity=parity)), {"paper": None}),
        ("It never traded live", replace(result, paper=None), {"paper": result.paper}),
        ("It was not audited", replace(result, audit=None), {"audit": result.audit}),
        ("Its graph is not certified", replace(result, certificate={}), {"certificate": result.certificate}),
        (
            "The last fits, which go live, taught lstm (weight +0.40) nothing",
            replace(result, weights={"lstm": 0.4}, certificate={**result.certificate, "members": mute}),
            {"certificate": result.certificate},
        ),
        ("It was not examined by regime", replace(result, laboratory=None), {"laboratory": result.laboratory}),
        (
            "The ledger of trials is not whole: row 2",
            replace(result, trials=replace(result.trials, problem="row 2")),
            {"trials": result.trials},
        ),
    ]
    for words, present, absent in cases:
        assert words in "\n".join(limits(present)), words
        assert words not in "\n".join(limits(replace(present, **absent))), words


def test_a_member_that_is_better_is_a_limit(result):
    better = replace(result.differences[0], difference=Estimate(-0.01, -0.02, -0.005))
    found = limits(replace(result, differences=(better,)))
    assert f"A member alone predicted better than the ensemble: {better.other}." in found


def test_an_override_is_a_limit_and_a_promotion(result):
    found = card(result, [overruled(result)])
    words = markdown(found)
    assert "- Ada put it at @champion although profit failed: “to see it trade”." in words
    assert "| promote to @champion | Ada | profit | to see it trade |" in words
    assert "Ada" not in markdown(card(result, [replace(overruled(result), digest="other")]))


def test_a_card_says_since_and_until_when_it_is_the_champion_and_what_the_gates_said(result):
    passed = AliasRecord(
        "artificial", "champion", 3, result.bundle.digest, 1, 0, 10**18, "Ada", (Verdict("drift", True),)
    )
    said = markdown(card(result, [passed]))
    assert "## Standing" in said
    assert "- @champion since 2001-09-09T01:46:40Z, by Ada: all 1 gates were passed." in said
    assert "| Aliases | @champion |" in said
    assert "overruled: profit." in markdown(card(result, [overruled(result)]))
    after = replace(passed, version=4, digest="d" * 64, change=2, at=2 * 10**18)
    said = markdown(card(result, [passed, after]))
    assert "- @champion until 2033-05-18T03:33:20Z, when it went to version 4." in said
    assert "| Aliases | none |" in said
    back = replace(passed, change=3, at=3 * 10**18, action="rollback", verdicts=())
    said = markdown(card(result, [passed, after, back]))
    assert "- @champion since 2065-01-24T05:20:00Z, by Ada: without gates, by a rollback." in said
    assert "until" not in said.split("## Standing")[1].split("##")[0]
    assert "Standing" not in markdown(card(result, [after]))
    again = replace(passed, change=2, at=2 * 10**18, person="Bob")
    said = markdown(card(result, [passed, again]))
    assert "- @champion since 2001-09-09T01:46:40Z, by Ada: all 1 gates were passed." in said
    assert "| promote to @champion | Bob |" in said


def test_a_card_says_on_what_a_member_was_trained(text):
    assert "The final lstm was trained on cuda, float32." in text


def test_a_card_says_what_a_decision_takes(text):
    assert "A decision takes p50 71 µs, p99 164 µs of 2,000 real rows on one thread of a fast one." in text
    assert "The graph has 654,321 bytes." in text


def test_a_short_card_has_whole_sections_and_says_where_the_rest_is(result, text):
    brief = shortened(card(result), 5000, "the rest")
    assert len(brief) <= 5000
    assert brief.endswith("\nthe rest")
    assert "## Limits" in brief
    assert set(brief.removesuffix("\nthe rest").splitlines()) <= set(text.splitlines())
    assert len(shortened(card(result), 100_000, "")) >= len(text)


def test_a_bare_result_still_has_a_card(result):
    bare = replace(
        result, folds=(), differences=(), reliability=(), weights={}, backtest=None, paper=None, certificate={},
        bundle=None, git_commit=None, laboratory=None, audit=None, lineage=None,
    )  # fmt: skip
    words = markdown(card(bare))
    assert "Nothing was traded." in words
    assert "# artificial\n" in words
    Page(render_document(card(bare)))


def test_both_files_are_written_the_same_every_time(tmp_path, result, text):
    one = [path.read_bytes() for path in write_card(result, tmp_path / "a")]
    assert one == [path.read_bytes() for path in write_card(msgspec.structs.replace(result), tmp_path / "b")]
    assert one[0].decode() == text
