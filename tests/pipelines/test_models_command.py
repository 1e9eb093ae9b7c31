"""``bot4 models``: promotion goes through the gates, into the store, and is shown in MLflow."""

import shutil

import pytest
from typer.testing import CliRunner

from models.bundle.names import reference
from models.bundle.store import ModelStore
from pipelines.cli import app
from pipelines.workspace import Workspace
from tests.pipelines.promoted import fill, registered, write_bundle
from tests.pipelines.test_gates import ALL, GOOD

RUNNER = CliRunner()


@pytest.fixture(scope="module")
def filled(tmp_path_factory):
    return fill(tmp_path_factory.mktemp("filled")).root


@pytest.fixture
def workspace(filled, tmp_path):
    shutil.copytree(filled, tmp_path / "workspace")
    return tmp_path / "workspace"


def run(workspace, *arguments):
    return RUNNER.invoke(app, ["models", *map(str, arguments), "--workspace", str(workspace)], prog_name="bot4")


def promote(workspace, *arguments):
    """With thresholds that the first version passes on any machine, on any day."""
    return run(workspace, "promote", "tiny", *arguments, "--gates", workspace / "easy.toml")


def gates_of(text):
    """What the table says: gate to verdict."""
    words = ("passed", "FAILED", "not enough evidence")
    lines = [line.split("  ") for line in text.splitlines()]
    cells = [[cell.strip() for cell in line if cell.strip()] for line in lines]
    return {line[0]: line[1] for line in cells if len(line) > 2 and line[1] in words}


def test_an_empty_store_says_what_to_do(tmp_path):
    assert "bot4 train" in run(tmp_path, "list").output
    assert list(tmp_path.iterdir()) == []


def test_list_promote_list_rollback(workspace):
    assert [line.split()[:2] for line in run(workspace, "list").output.splitlines()[1:]] == [
        ["tiny", "1"],
        ["tiny", "2"],
    ]
    done = promote(workspace, "1", "--person", "Ada")
    assert done.exit_code == 0, done.output
    assert gates_of(done.output) == dict.fromkeys(ALL, "passed")
    assert "tiny @champion is version 1" in done.output
    assert "no MLflow store" in done.output
    record = ModelStore(workspace / "store").aliases("tiny")["champion"]
    assert (record.person, [one.passed for one in record.verdicts]) == ("Ada", [True] * len(ALL))
    assert all(one.needed for one in record.verdicts)
    assert run(workspace, "list").output.splitlines()[1].endswith("@champion")
    forced = promote(workspace, "2", "--override", "to try the rollback")
    assert forced.exit_code == 0, forced.output
    assert run(workspace, "list").output.splitlines()[2].endswith("@champion")
    back = run(workspace, "rollback", "tiny")
    assert "tiny @champion is version 1 again" in back.output


def test_a_promotion_of_what_is_there_already_says_so_and_is_undone_by_one_rollback(workspace):
    assert promote(workspace, "1", "--person", "Ada").exit_code == 0
    assert promote(workspace, "2", "--override", "to try it", "--person", "Bob").exit_code == 0
    again = promote(workspace, "2", "--override", "killed before MLflow", "--person", "Ada")
    assert again.exit_code == 0, again.output
    assert "tiny @champion is version 2, as before (promote by Bob, " in again.output
    assert "recorded again, nothing moved" in again.output
    assert "tiny @champion is version 1 again" in run(workspace, "rollback", "tiny").output
    assert [one.override for one in ModelStore(workspace / "store").history("tiny")] == [
        None,
        "to try it",
        "killed before MLflow",
        None,
    ]


def test_after_a_rollback_the_reason_is_still_of_the_one_who_gave_it(workspace):
    """In the card's limits and promotions, and in the history that `show` prints."""
    run(workspace, "promote", "tiny", "2", "--override", "rehearsal", "--person", "Ada")
    assert promote(workspace, "1", "--person", "Ada").exit_code == 0
    assert run(workspace, "rollback", "tiny").exit_code == 0
    record = ModelStore(workspace / "store").aliases("tiny")["champion"]
    assert (record.version, record.action, record.override) == (2, "rollback", None)
    card = run(workspace, "card", "tiny", "2").output
    assert card.count("although") == 1
    assert "Ada put it at @champion although prediction, " in card
    assert f"by {record.person}: without gates, by a rollback" in card
    (row,) = [line for line in card.splitlines() if "rollback to @champion" in line]
    assert "rehearsal" not in row
    assert "no gates were run" in row
    shown = run(workspace, "show", "tiny", "2").output
    (line,) = [line for line in shown.splitlines() if "rollback to @champion" in line]
    assert line.endswith(f"rollback to @champion by {record.person}")
    assert shown.count("rehearsal") == 1


def test_a_model_without_evidence_is_refused_and_the_store_unchanged(workspace):
    done = promote(workspace, "2")
    assert done.exit_code == 2
    said = gates_of(done.stdout)
    failed = {gate for gate, word in said.items() if word != "passed"}
    assert failed == {"prediction", "profit", "deflated Sharpe", "better than the base rate"}
    assert "is not promoted to 'champion'" in done.stderr
    assert ModelStore(workspace / "store").aliases("tiny") == {}


def test_a_worse_model_does_not_follow_the_champion(workspace):
    """Its run looks as good as the champion's; the bars behind both say otherwise."""
    place = Workspace(workspace)
    digest = write_bundle(workspace / "bundle3", slope=-0.3)
    ModelStore(place.store).put(workspace / "bundle3", "tiny")
    registered(place, 3, digest, GOOD)
    assert promote(workspace, "1").exit_code == 0
    done = promote(workspace, "3")
    assert done.exit_code == 2
    said = gates_of(done.stdout)
    assert {gate for gate, word in said.items() if word != "passed"} == {
        "not worse than the champion",
        "better than the champion",
    }


def test_a_better_model_follows_the_champion(workspace):
    assert promote(workspace, "2", "--override", "a beginning").exit_code == 0
    done = promote(workspace, "1")
    assert done.exit_code == 0, done.output
    said = gates_of(done.stdout)
    assert said["not worse than the champion"] == said["better than the champion"] == "passed"
    assert said["earns no less than the champion"] == "passed"
    assert "better than the base rate" not in said


def test_models_with_other_labels_are_not_compared(workspace):
    place = Workspace(workspace)
    digest = write_bundle(workspace / "bundle3", label={"horizon": 3, "barrier": 1.5})
    ModelStore(place.store).put(workspace / "bundle3", "tiny")
    registered(place, 3, digest, GOOD)
    assert promote(workspace, "1").exit_code == 0
    done = promote(workspace, "3")
    assert done.exit_code == 2
    assert gates_of(done.stdout)["better than the champion"] == "not enough evidence"
    assert "they differ in labels" in done.stderr


def test_a_lake_without_newer_bars_is_not_enough(workspace):
    shutil.rmtree(workspace / "lake")
    done = promote(workspace, "1")
    said = gates_of(done.stdout)
    assert {gate for gate, word in said.items() if word != "passed"} == {"better than the base rate", "drift"}
    assert said["drift"] == "not enough evidence"


def test_by_the_house_thresholds_a_model_of_years_ago_is_expired(workspace):
    done = run(workspace, "promote", "tiny", "1")
    assert gates_of(done.stdout)["expiry"] == "FAILED"
    assert done.exit_code == 2


def test_a_champion_that_is_damaged_is_said_and_may_be_overruled(workspace):
    assert promote(workspace, "1").exit_code == 0
    manifest = ModelStore(workspace / "store").resolve("tiny", 1).folder / "manifest.json"
    manifest.write_bytes(manifest.read_bytes() + b" ")
    done = promote(workspace, "2")
    assert gates_of(done.stdout)["better than the champion"] == "not enough evidence"
    assert "the champion, version 1, cannot be read" in done.stderr
    assert promote(workspace, "2", "--override", "the champion is damaged").exit_code == 0


def test_challenger_to_champion_by_alias(workspace):
    assert promote(workspace, "1", "--to", "challenger").exit_code == 0
    done = promote(workspace, "@challenger")
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
        (("show", "tiny", "champion"), "model 'tiny' has no alias 'champion'"),
        (("show", "tiny", "²"), "there is no alias '²'"),
        (("show", "other", "champion"), "there is no model 'other'"),
        (("rollback", "tiny"), "nothing before it"),
        (("rollback", "tinny"), "did you mean 'tiny'?"),
        (("promote", "tinny", "1"), "did you mean 'tiny'?"),
        (("promote", "tiny", "2", "--to", "champoin"), "there is no alias 'champoin', only challenger and champion"),
        (("promote", "tiny", "@champoin"), "did you mean 'champion'?"),
        (("rollback", "tiny", "--to", "champoin"), "did you mean 'champion'?"),
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
