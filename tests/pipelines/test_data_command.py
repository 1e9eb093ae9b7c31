"""``bot4 data``: all files or none, listed and checked."""

import random

import pytest
from typer.testing import CliRunner

from pipelines.cli import app
from pipelines.commands.data_files import column_map
from pipelines.errors import ConfigError

RUNNER = CliRunner()
BEGIN, STEP = 1_700_000_100_000, 900_000


def run(*arguments):
    return RUNNER.invoke(app, ["data", *map(str, arguments)], prog_name="bot4")


def kline(number, close=100.0):
    start = BEGIN + STEP * number
    return f"{start},100.0,101.0,99.0,{close},5.0,{start + STEP - 1},500.0,12,2.0,200.0,0"


@pytest.fixture
def write(tmp_path):
    def write(name, lines):
        path = tmp_path / name
        path.write_text("\n".join(lines) + "\n")
        return path

    return write


def tree(folder):
    return {path.relative_to(folder): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_import_list_and_import_again(tmp_path, write):
    file = write("FAKEUSDT-15m-2023-11.csv", [kline(n) for n in range(20) if n != 7])
    done = run("import", "--venue", "fake", "--workspace", tmp_path, file)
    assert done.exit_code == 0, done.output
    assert "19 new bars from 1 file" in done.output
    again = run("import", "--venue", "fake", "--workspace", tmp_path, file)
    assert "0 new bars" in again.output
    listed = run("list", "--workspace", tmp_path).output.splitlines()
    assert listed[1].split()[:5] == ["fake", "FAKEUSDT", "15m", "19", "1"]
    assert "taker_buy_volume" in listed[1]


def test_an_empty_lake_says_what_to_do(tmp_path):
    done = run("list", "--lake", tmp_path / "none")
    assert done.exit_code == 0
    assert "bot4 data import" in done.output


@pytest.mark.parametrize(
    ("place", "sentence"),
    [
        ("s3://", "lake s3://: names no bucket; write it as s3://bucket/prefix"),
        ("s3:///bars", "lake s3:///bars: names no bucket"),
        ("ftp://x", "lake ftp://x: cannot be reached from here (a lake is a folder or s3://bucket/prefix)"),
        ("http://127.0.0.1:9/x", "lake http://127.0.0.1:9/x: cannot be reached from here"),
        ("file:///tmp", "lake file:///tmp: cannot be reached from here"),
        ("pyproject.toml", "lake pyproject.toml: is a file; a lake is a folder"),
        ("", "--lake is empty: name a folder or s3://bucket/prefix, or leave it out"),
    ],
)
def test_a_place_that_is_no_lake_is_never_an_empty_one(place, sentence):
    for arguments in (["data", "list"], ["features", "plot", "rsi_14", "--on", "BTC"]):
        done = RUNNER.invoke(app, [*arguments, "--lake", place], prog_name="bot4")
        assert done.exit_code == 2, done.output
        assert done.stdout == ""
        assert done.stderr.startswith(f"error: {sentence}")
        assert done.stderr.count("\n") == 1


def test_nor_is_one_that_the_environment_names(tmp_path, monkeypatch):
    (tmp_path / "bin.toml").write_bytes(b"\x00")
    for place, sentence in (("s3://", "names no bucket"), (str(tmp_path / "bin.toml"), "bin.toml: is a file")):
        monkeypatch.setenv("BOT4_LAKE", place)
        done = run("list", "--workspace", tmp_path)
        assert done.exit_code == 2, done.output
        assert sentence in done.stderr
        assert done.stdout == ""


@pytest.mark.parametrize("flaw", ["shuffled", "duplicated", "negative"])
def test_a_bad_file_is_refused_and_the_lake_is_as_it_was(tmp_path, write, flaw):
    good = write("FAKEUSDT-15m-2023-11.csv", [kline(n) for n in range(20)])
    assert run("import", "--venue", "fake", "--workspace", tmp_path, good).exit_code == 0
    before = tree(tmp_path / "lake")
    rows = [kline(n) for n in range(20, 40)]
    if flaw == "shuffled":
        random.Random(1).shuffle(rows)
    elif flaw == "duplicated":
        rows.insert(6, rows[5])
    else:
        rows[4] = kline(24, close=-1.0)
    bad = write("FAKEUSDT-15m-2023-12.csv", rows)
    fine = write("OTHERUSDT-15m-2023-12.csv", [kline(n) for n in range(5)])
    done = run("import", "--venue", "fake", "--workspace", tmp_path, fine, bad)
    assert done.exit_code == 2
    assert done.stderr.splitlines()[-1].count(bad.name) == 1
    assert "Traceback" not in done.output
    assert tree(tmp_path / "lake") == before


def test_check_reads_all_and_stores_nothing(tmp_path, write):
    good = write("FAKEUSDT-15m-2023-11.csv", [kline(n) for n in range(20)])
    bad = write("BADUSDT-15m-2023-11.csv", [kline(n) for n in (1, 0, 2)])
    odd = write("ODDUSDT-15m-2023-11.csv", ["this is", "no table"])
    done = run("check", good, bad, odd)
    assert done.exit_code == 2
    assert "1 of 3 files would be imported" in done.output
    assert "FAKEUSDT, 20 bars of 15m" in done.output
    assert done.output.count("REFUSED") == 2
    assert sorted(tmp_path.iterdir()) == sorted([good, bad, odd])
    assert run("check", good).exit_code == 0


def test_a_table_with_other_headings(tmp_path, write):
    lines = ["When,O,H,L,Last,Amount", *(f"2024-01-01T0{n}:00:00,1,2,0.5,1.5,10" for n in range(5))]
    file = write("table.csv", lines)
    pairs = ["start=When", "open=O", "high=H", "low=L", "close=Last", "volume=Amount"]
    options = [word for pair in pairs for word in ("--column", pair)]
    done = run(
        "import", "--venue", "v", "--instrument", "X", "--interval", "1h", *options, "--lake", tmp_path / "l", file
    )
    assert done.exit_code == 0, done.output
    assert "5 new bars" in done.output


def test_wrong_options_are_explained(tmp_path, write):
    file = write("X-1h.csv", ["a"])
    assert "not FIELD=COLUMN" in run("check", "--column", "close", file).stderr
    assert "interval 'soon' is not" in run("check", "--interval", "soon", file).stderr
    assert run("check", tmp_path / "absent.csv").exit_code == 2


def test_column_map():
    assert column_map(None) is None
    with pytest.raises(ConfigError, match="'=x' is not"):
        column_map(["=x"])
