"""``bot4 report`` writes the report of a finished run again."""

from typer.testing import CliRunner

from pipelines.cli import app
from pipelines.results import RESULT_FILE
from tests.pipelines.factory import make_result

RUNNER = CliRunner()


def test_it_writes_the_report_from_the_result_alone(tmp_path):
    make_result().save(tmp_path)
    done = RUNNER.invoke(app, ["report", str(tmp_path)])
    assert done.exit_code == 0, done.output
    assert done.output.startswith("No edge is supported by these statistics.")
    assert "<!DOCTYPE html>" in (tmp_path / "report.html").read_text()


def test_a_folder_that_is_no_run_is_refused(tmp_path):
    done = RUNNER.invoke(app, ["report", str(tmp_path)])
    assert done.exit_code == 2
    assert f"{RESULT_FILE} is missing" in done.stderr
    assert list(tmp_path.iterdir()) == []
