"""What people and machines see of an audit: report, MLflow, table and JSON, clean and with a leak."""

from __future__ import annotations

import msgspec
import pytest

from market.time import DAY
from pipelines.audit.audit import REVERSED
from pipelines.audit.delivery import DELIVERED
from pipelines.audit.findings import Audit
from pipelines.audit.learned import OUTSIDE
from pipelines.audit.perturb import GRIDS, VALUES
from pipelines.audit.text import HEADINGS, document, headline, rows, sentences
from pipelines.commands.audit import report
from pipelines.commands.training_run import summary
from pipelines.report.audit import CHANGES, audit_view
from pipelines.report.write import render
from pipelines.results import RunResult
from pipelines.tracking.audit import audit_metrics, audit_tables, audit_tags
from tests.pipelines.factory import make_result
from tests.pipelines.factory_audit import CAUGHT, make_audit

RESULT = make_result()
LEAKING = msgspec.structs.replace(RESULT, audit=make_audit(CAUGHT))
UNAUDITED = msgspec.structs.replace(RESULT, audit=None)
SENTENCE = "LEAK: 1 of 5 columns changed where they must not: features/centred_mean_21."


def test_the_verdict_needs_cells_and_no_leak():
    assert make_audit().clean
    assert headline(make_audit()) == "No leak: 51,000 cells of 4 columns kept every byte."
    assert not make_audit(CAUGHT).clean
    assert headline(make_audit(CAUGHT)) == SENTENCE
    nothing = Audit("sampled", 7, (), (), ())
    assert not nothing.clean
    assert headline(nothing) == "Nothing was compared: 0 columns, no cell."


def test_what_no_change_reached_is_said():
    assert "No change reached features/hour_sine: of these nothing is shown." in sentences(make_audit())


def test_a_leak_stands_first_with_place_time_and_size():
    first = dict(zip(HEADINGS, rows(make_audit(CAUGHT))[0], strict=True))
    assert first == {
        "stage": "features", "column": "centred_mean_21", "verdict": "leak",
        "first change": "1972-09-27T00:00:00Z FAKE1USDT", "size": "12.3", "compared": "16,000", "by": "scaled: changed",
    }  # fmt: skip


@pytest.mark.usefixtures("undrawn")
def test_the_report_has_the_audit_and_shouts_only_where_it_leaks():
    bare = msgspec.structs.replace(
        RESULT, folds=(), reliability=(), learning_curves=(), importances=(), importance_study=None, backtest=None,
        paper=None, certificate={}, laboratory=None,
    )  # fmt: skip
    clean, leaking, without = (
        render(msgspec.structs.replace(bare, audit=one.audit)) for one in (RESULT, LEAKING, UNAUDITED)
    )
    assert "No leak: 51,000 cells" in clean
    assert 'href="#audit"' in clean
    assert "No number of this report can be relied on" not in clean
    assert leaking.index("No number of this report can be relied on") < leaking.index('id="predictors"')
    assert leaking.count('<div class="shout">') == 2
    assert "centred_mean_21" in leaking
    assert 'id="audit"' not in without
    assert "shout" not in without.partition("</style>")[2]


def test_the_section_orders_stages_as_they_are_made_and_says_each_ones_verdict():
    view = audit_view(LEAKING)
    assert [(one["name"], one["columns"], one["cells"], one["verdict"], one["words"]) for one in view["stages"]] == [
        ("features", 3, "48,000", "leak", "1 leak, 1 untouched"),
        ("labels", 1, "15,000", "clean", "clean"),
        ("predictions", 1, "4,000", "clean", "clean"),
    ]
    assert audit_view(RESULT)["stages"][0]["words"] == "clean, 1 untouched"
    backwards = msgspec.structs.replace(RESULT.audit, findings=RESULT.audit.findings[::-1])
    found = audit_view(msgspec.structs.replace(RESULT, audit=backwards))["stages"]
    assert [one["name"] for one in found] == ["features", "labels", "predictions"]
    alone = msgspec.structs.replace(RESULT.audit, findings=RESULT.audit.findings[1:2])
    (row,) = audit_view(msgspec.structs.replace(RESULT, audit=alone))["stages"]
    assert (row["verdict"], row["words"]) == ("untouched", "1 untouched")


def test_columns_that_are_empty_for_all_are_left_out_of_the_table():
    clean, leaking = audit_view(RESULT), audit_view(LEAKING)
    assert [name for name, _ in clean["headings"]] == ["stage", "column", "verdict", "compared"]
    assert [name for name, _ in leaking["headings"]] == list(HEADINGS)
    assert leaking["rows"][0]["verdict"] == "leak"
    assert all(len(one["cells"]) == len(HEADINGS) for one in leaking["rows"])


def test_every_change_and_every_stage_has_words():
    audit = msgspec.structs.replace(RESULT.audit, cuts=(3 * DAY, DAY))
    view = audit_view(msgspec.structs.replace(RESULT, audit=audit))
    assert "changed after 1970-01-02 and 1970-01-04, and" in view["done"]
    assert "hour_sine" in view["not_shown"]
    names = {one.name for one in (*VALUES, *GRIDS)} | {REVERSED, DELIVERED, OUTSIDE}
    assert names == set(CHANGES)
    assert view["changes"] == [(one, CHANGES[one]) for one in audit.perturbations]


def test_mlflow_gets_metrics_a_tag_and_a_table():
    assert audit_metrics(RESULT) == {
        "audit/clean": 1.0, "audit/leaks": 0.0, "audit/untouched": 1.0, "audit/columns": 4.0, "audit/cells": 51_000.0,
        "audit/cuts": 1.0,
    }  # fmt: skip
    assert audit_metrics(LEAKING)["audit/clean"] == 0.0
    assert audit_metrics(UNAUDITED) == {}
    tags = [audit_tags(one)["bot4.audit"] for one in (RESULT, LEAKING, UNAUDITED)]
    assert tags == ["sampled, clean", SENTENCE, "none"]
    assert audit_tables(LEAKING)["audit"]["verdict"] == ["leak", "clean", "untouched", "clean", "clean"]
    assert audit_tables(UNAUDITED) == {}


def test_the_summary_of_a_training_speaks_of_it_only_where_it_leaks():
    assert summary(LEAKING).startswith(SENTENCE)
    assert summary(LEAKING).removeprefix(f"{SENTENCE}\n\n") == summary(RESULT) == summary(UNAUDITED)


def test_it_survives_the_result_and_old_results_have_none(tmp_path):
    RESULT.save(tmp_path)
    assert RunResult.load(tmp_path).audit == RESULT.audit
    old = msgspec.json.decode((tmp_path / "result.json").read_bytes())
    del old["audit"]
    (tmp_path / "result.json").write_bytes(msgspec.json.encode(old))
    assert RunResult.load(tmp_path).audit is None


@pytest.mark.parametrize("audit", [make_audit(), make_audit(CAUGHT)])
def test_json_is_the_same_audit_with_verdicts(audit, capsys):
    report(audit, as_json=True)
    told = msgspec.json.decode(capsys.readouterr().out)
    assert told["clean"] is audit.clean
    assert [one.pop("verdict") for one in told["findings"]] == [one.verdict for one in audit.findings]
    assert msgspec.convert(told, Audit) == audit
    assert document(audit)["scope"] == "sampled"


def test_the_table_ends_with_the_verdict(capsys):
    report(make_audit(CAUGHT), as_json=False)
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split()[:3] == ["stage", "column", "verdict"]
    assert lines[1].startswith("features     centred_mean_21")
    assert lines[-1] == SENTENCE
