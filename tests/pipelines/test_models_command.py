"""``bot4 models``: promotion goes through the gates, into the store, and is shown in MLflow."""

import pytest
from typer.testing import CliRunner

from models.bundle.store import ModelStore
from pipelines.cli import app
from pipelines.commands.models import reference
from tests.pipelines.factory import make_result
from tests.pipelines.tiny_bundle import with_bundle, write_bundle

RUNNER = CliRunner()


@pytest.fixture
def workspace(tmp_path):
    store = ModelStore(tmp_path / "store")
    for number in (1, 2):
        digest = write_bundle(tmp_path / f"bundle{number}", intercept=0.1 * number)
        assert store.put(tmp_path / f"bundle{number}", "tiny") == number
        result = make_result(edge=0.4, drift=4e-4) if number == 1 else make_result()
        with_bundle(result, digest).save(tmp_path / "runs" / f"run{number}")
    return tmp_path


def run(workspace, *arguments):
    return RUNNER.invoke(app, ["models", *map(str, arguments), "--workspace", str(workspace)], prog_name="bot4")


def test_an_empty_store_says_what_to_do(tmp_path):
    assert "bot4 train" in run(tmp_path, "list").output
    assert list(tmp_path.iterdir()) == []


def test_list_promote_list_rollback(workspace):
    assert [line.split()[:2] for line in run(workspace, "list").output.splitlines()[1:]] == [
        ["tiny", "1"],
        ["tiny", "2"],
    ]
    done = run(workspace, "promote", "tiny", "1", "--person", "Ada")
    assert done.exit_code == 0, done.output
    assert done.output.count("passed") == 9
    assert "tiny @champion is version 1" in done.output
    assert "no MLflow store" in done.output
    record = ModelStore(workspace / "store").aliases("tiny")["champion"]
    assert (record.person, [one.passed for one in record.verdicts]) == ("Ada", [True] * 9)
    assert run(workspace, "list").output.splitlines()[1].endswith("@champion")
    forced = run(workspace, "promote", "tiny", "2", "--override", "to try the rollback")
    assert forced.exit_code == 0, forced.output
    assert run(workspace, "list").output.splitlines()[2].endswith("@champion")
    back = run(workspace, "rollback", "tiny")
    assert "tiny @champion is version 1 again" in back.output


def test_a_model_without_evidence_is_refused_and_the_store_unchanged(workspace):
    done = run(workspace, "promote", "tiny", "2")
    assert done.exit_code == 2
    assert "FAILED  prediction: information gain" in done.stdout
    assert "is not promoted to 'champion'" in done.stderr
    assert ModelStore(workspace / "store").aliases("tiny") == {}


def test_challenger_to_champion_by_alias(workspace):
    assert run(workspace, "promote", "tiny", "1", "--alias", "challenger").exit_code == 0
    done = run(workspace, "promote", "tiny", "@challenger")
    assert done.exit_code == 0, done.output
    assert set(ModelStore(workspace / "store").aliases("tiny")) == {"challenger", "champion"}


def test_show_tells_what_it_is_and_who_promoted_it(workspace):
    run(workspace, "promote", "tiny", "2", "--override", "curiosity", "--person", "Ada")
    text = run(workspace, "show", "tiny", "champion").output
    for words in (
        "members",
        "linear",
        "FAKE",
        "certificate.passed",
        "promote to @champion by Ada",
        "curiosity",
        " bytes",
        "not measured",
    ):
        assert words in text
    assert ModelStore(workspace / "store").versions("tiny")[1].digest in text


def test_a_card_is_printed_and_knows_who_overruled_what(workspace, tmp_path):
    run(workspace, "promote", "tiny", "2", "--override", "curiosity", "--person", "Ada")
    page = tmp_path / "card.html"
    done = run(workspace, "card", "tiny", "champion", "--html", page)
    assert done.exit_code == 0, done.output
    assert done.output.splitlines()[0] == "**No edge is supported by these statistics.**"
    assert "Ada put it at @champion although prediction, " in done.output
    assert "“curiosity”" in done.output
    assert "“curiosity”" in page.read_text(encoding="utf-8")
    assert "curiosity" not in run(workspace, "card", "tiny", "1").output


def test_a_bundle_without_its_run_has_no_card(workspace):
    (workspace / "runs" / "run1" / "result.json").unlink()
    done = run(workspace, "card", "tiny", "1")
    assert done.exit_code == 2
    assert "made bundle" in done.stderr
    assert "bot4 models show tiny 1" in done.stderr


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("show", "tiny", "7"), "has no version 7"),
        (("show", "other", "champion"), "model 'other' has no alias 'champion'"),
        (("rollback", "tiny"), "nothing before it"),
        (("promote", "../x", "1"), "must start with a letter"),
    ],
)
def test_what_is_not_there_is_named(workspace, arguments, words):
    done = run(workspace, *arguments)
    assert done.exit_code == 2
    assert words in done.stderr
    assert "Traceback" not in done.output


def test_a_flipped_byte_is_refused_and_nothing_moves(workspace):
    store = ModelStore(workspace / "store")
    victim = store.resolve("tiny", 1).folder / "model.onnx"
    content = bytearray(victim.read_bytes())
    content[len(content) // 2] ^= 1
    victim.chmod(0o644)
    victim.write_bytes(content)
    done = run(workspace, "promote", "tiny", "1")
    assert done.exit_code == 2
    assert "model.onnx is not what manifest.json says" in done.stderr
    assert store.aliases("tiny") == {}


def test_reference():
    assert reference("12") == 12
    assert reference("@champion") == reference("champion") == "champion"
