"""The shell of ``bot4``: fast to start, helpful, and clear about errors."""

import importlib
import re
import subprocess
import sys
import types

import pytest
import typer
from typer.testing import CliRunner

import market.errors
import models.bundle.errors
import pipelines.errors
from pipelines import cli, expected
from pipelines.commands.options import command_app, table
from tests.pipelines.conftest import bot4

RUNNER = CliRunner()
HEAVY = (
    "mlflow",
    "prefect",
    "polars",
    "numba",
    "numpy",
    "torch",
    "pandas",
    "matplotlib",
    "onnxruntime",
    "msgspec",
    "jinja2",
)
PRESENT = [name for name in cli.COMMANDS if (cli.FOLDER / f"{name}.py").is_file()]


def run(*arguments):
    return RUNNER.invoke(cli.app, list(arguments), prog_name="bot4")


def leaves(command, path):
    """Every command that does something, with its words."""
    if hasattr(command, "commands"):
        for name, inner in command.commands.items():
            yield from leaves(inner, (*path, name))
    else:
        yield path, command


@pytest.fixture
def broken(monkeypatch):
    """A command ``data`` that raises what it is given."""

    def install(error):
        app = command_app("Broken.")

        @app.command()
        def fail():
            raise error

        monkeypatch.setitem(sys.modules, "pipelines.commands.data", types.SimpleNamespace(app=app))

    return install


def test_help_imports_nothing_heavy():
    code = (
        "import sys\nfrom pipelines.cli import main\ntry:\n    main(['--help'])\nexcept SystemExit:\n    pass\n"
        f"print(sorted(set({HEAVY!r}) & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"


def test_help_lists_every_command_with_its_summary():
    text = run("--help").output
    for name in PRESENT:
        assert name in text
        assert cli.COMMANDS[name].summary.split()[0] in text


def test_every_command_file_has_a_row():
    files = {path.stem for path in cli.FOLDER.glob("*.py") if re.search(r"(?m)^app = ", path.read_text())}
    assert files <= set(cli.COMMANDS)


@pytest.mark.parametrize("name", PRESENT)
def test_every_command_has_help_with_an_example_of_itself(name):
    for path, command in leaves(cli.load(name), (name,)):
        words = " ".join(("bot4", *path))
        assert command.help, words
        assert (command.epilog or "").startswith(f"Example: {words}"), words
        assert run(*path, "--help").exit_code == 0


def test_version():
    assert run("--version").output.startswith("bot4 ")


def test_a_misspelt_command_gets_a_suggestion():
    done = run("modles" if "models" in PRESENT else "dta")
    assert done.exit_code == 2
    assert "Did you mean" in done.output


@pytest.mark.parametrize(
    "error",
    [
        market.errors.QualityError("BTC.csv: row 7 is wrong; mend it"),
        models.bundle.errors.DamagedBundle("model.onnx is not what its digest says"),
        pipelines.errors.ConfigError("conf.toml: unknown field `fodls`; did you mean `folds`?"),
    ],
)
def test_expected_errors_are_one_paragraph_and_code_2(broken, error):
    broken(error)
    done = run("data")
    assert done.exit_code == 2
    assert done.stderr == f"error: {error}\n"
    assert done.stdout == ""


def test_debug_shows_the_traceback_of_an_expected_error(broken):
    broken(pipelines.errors.ConfigError("wrong"))
    done = run("--debug", "data")
    assert done.exit_code == 2
    assert "Traceback" in done.stderr
    assert "in fail" in done.stderr


def test_a_defect_is_not_dressed_up(broken):
    broken(ZeroDivisionError("a defect"))
    done = run("data")
    assert done.exit_code == 1
    assert isinstance(done.exception, ZeroDivisionError)


def test_a_defect_shows_its_traceback_with_code_1():
    code = (
        "import sys, types, typer\nfrom pipelines.commands.options import command_app\napp = command_app('x')\n"
        "@app.command()\ndef fail(): return 1 // 0\n"
        "sys.modules['pipelines.commands.data'] = types.SimpleNamespace(app=app)\n"
        "from pipelines.cli import main\nmain(['data'])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "Traceback" in done.stderr
    assert "ZeroDivisionError" in done.stderr


def test_a_missing_research_library_is_explained(broken):
    broken(ModuleNotFoundError("No module named 'mlflow'", name="mlflow.tracking"))
    done = run("data")
    assert done.exit_code == 2
    assert "needs mlflow" in done.stderr
    assert "requirements/train.txt" in done.stderr


def test_a_missing_module_of_ours_is_a_defect(broken):
    broken(ModuleNotFoundError("No module named 'market.nothing'", name="market.nothing"))
    assert run("data").exit_code == 1


def test_a_commands_own_exit_code_is_kept(broken):
    broken(typer.Exit(3))
    assert run("data").exit_code == 3


@pytest.mark.parametrize("room", sorted(expected.ROOMS))
def test_every_error_that_a_room_defines_is_expected(room):
    root = cli.FOLDER.parent.parent
    for path in (root / room).rglob("errors.py"):
        module = importlib.import_module(".".join(path.relative_to(root).with_suffix("").parts))
        raised = [found for found in vars(module).values() if isinstance(found, type) and issubclass(found, Exception)]
        assert raised
        assert set(raised) <= set(expected.expected_errors())


def test_common_exceptions_are_not_expected():
    assert not {Exception, ValueError, KeyError, TypeError, AssertionError, OSError} & set(expected.expected_errors())


@pytest.mark.parametrize("command", [("data", "import"), ("demo",)])
def test_a_workspace_that_cannot_be_made_is_said_in_a_sentence(command, tmp_path):
    (tmp_path / "file").write_text("not a folder")
    (tmp_path / "BTC-1h.csv").write_text("time,open,high,low,close,volume\n2025-01-01,1,1,1,1,1\n")
    files = [tmp_path / "BTC-1h.csv", "--venue", "x"] if command[-1] == "import" else []
    done = bot4(*command, *files, "--workspace", tmp_path / "file" / "workspace")
    assert done.returncode == 2
    assert "Traceback" not in done.stderr + done.stdout
    assert f"{tmp_path / 'file' / 'workspace'}" in done.stderr
    assert "Not a directory" in done.stderr


def test_tables_are_aligned():
    lines = table(("a", "bb"), [("ccc", "d"), ("", "e")]).splitlines()
    assert lines == ["a    bb", "ccc  d", "     e"]
