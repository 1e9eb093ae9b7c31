"""Bad input: one clear error, a non-zero exit, and lake, store, registry and journals as they were."""

from __future__ import annotations

import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

import pipelines
from tests.pipelines.conftest import CONFIG, bot4, contents

pytestmark = pytest.mark.xdist_group("road")

HEADER = "timestamp,open,high,low,close,volume\n"


def rows(count=96):
    begin = 1_600_000_200_000
    return [f"{begin + 900_000 * n},{100 + n},{101 + n},{99 + n},{100.5 + n},{10 + n}\n" for n in range(count)]


def shuffled(folder):
    lines = rows()
    lines[10], lines[60] = lines[60], lines[10]
    path = folder / "AAAUSDT-15m-2020.csv"
    path.write_text(HEADER + "".join(lines))
    return path, ("order", "earlier", "misorder")


def duplicated(folder):
    lines = rows()
    path = folder / "AAAUSDT-15m-2020.csv"
    path.write_text(HEADER + "".join(lines + lines[:96]))
    return path, ("duplicate", "order", "earlier")


def negative(folder):
    lines = rows()
    lines[7] = lines[7].replace(",107,", ",-107,")
    path = folder / "AAAUSDT-15m-2020.csv"
    path.write_text(HEADER + "".join(lines))
    return path, ("price",)


def truncated(folder):
    whole = folder / "whole.zip"
    with zipfile.ZipFile(whole, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("AAAUSDT-15m-2020-09.csv", HEADER + "".join(rows()))
    path = folder / "AAAUSDT-15m-2020-09.zip"
    path.write_bytes(whole.read_bytes()[: whole.stat().st_size // 2])
    whole.unlink()
    return path, ("zip",)


def check_refused(done, words):
    assert done.returncode != 0
    assert "Traceback" not in done.stderr + done.stdout
    said = (done.stderr + done.stdout).lower()
    assert any(word in said for word in words), said


@pytest.mark.parametrize("spoil", [shuffled, duplicated, negative, truncated])
def test_a_bad_file_leaves_the_lake_as_it_was(road, tmp_path, spoil):
    path, words = spoil(tmp_path)
    before = contents(road.workspace / "lake")
    done = bot4(
        "data",
        "import",
        "--workspace",
        road.workspace,
        "--venue",
        "test",
        "--instrument",
        "AAAUSDT",
        "--interval",
        "15m",
        path,
    )
    check_refused(done, words)
    assert path.name in done.stderr + done.stdout
    assert contents(road.workspace / "lake") == before


def changed(old, new):
    """The tiny configuration with something wrong in it."""
    assert old in CONFIG
    return CONFIG.replace(old, new)


def with_line(section, line):
    return changed(f"[{section}]", f"[{section}]\n{line}")


WRONG = {
    "a misspelt key": (changed("holdout", "holdoutt"), ("holdoutt", "did you mean `holdout`")),
    "a misspelt key of a member": (with_line("members.linear", "clp = 3"), ("members.linear", "`clp`", "`clip`")),
    "an ill-typed value of a member": (with_line("members.linear", 'clip = "no"'), ("members.linear", "`float`")),
    "an unknown member": (with_line("members.linear", "[members.lstmx]"), ("lstmx", "'lstm'", "xgboost")),
    "an unknown feature": (changed("rsi_14", "rsi14"), ("features.names", "rsi14", "rsi_14")),
    "a feature unlike all others": (changed("rsi_14", "zzzzzz"), ("zzzzzz", "known features are scaled_return_1, ")),
    "a feature twice": (changed("scaled_return_16", "rsi_14"), ("features.names", "rsi_14 more than once")),
    "an unknown volatility": (with_line("features", 'volatility = "ewma_vol"'), ("volatility", "ewma_volatility_96")),
    "a volatility that is none": (with_line("features", 'volatility = "rsi_14"'), ("rsi_14", "ewma_volatility_24")),
    "an interval that is none": (changed("120d", "120 days"), ("120 days", "15m")),
    "a name that no model can have": (changed('name = "tiny"', 'name = "a/b"'), ("a/b", "letters")),
    "no symbols": (changed('["BTC", "ETH"]', "[]"), ("symbols is empty",)),
    "a symbol twice": (changed('["BTC", "ETH"]', '["BTC", "BTC"]'), ("BTC more than once",)),
    "a stop before the start": (with_line("data", 'start = "2019-01-01"'), ("2018-12-01", "2019-01-01")),
    "too few folds": (changed("folds = 7", "folds = 3"), ("folds is 3", "at least 6")),
    "no TOML": ("name = tiny", ("not valid TOML", "line 1")),
}


def one_paragraph(done):
    """The only thing said on standard error but for progress."""
    (said,) = [line for line in done.stderr.splitlines() if not line.startswith("[")]
    assert said.startswith("error: ")
    return said


@pytest.mark.parametrize("what", list(WRONG))
def test_a_wrong_configuration_is_told_at_once_in_one_paragraph(tmp_path, what):
    text, words = WRONG[what]
    config = tmp_path / "wrong.toml"
    config.write_text(text)
    done = bot4("train", config, "--workspace", tmp_path / "workspace")
    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr == one_paragraph(done) + "\n", "no progress: nothing was begun"
    assert str(config) in done.stderr
    assert [word for word in words if word not in done.stderr] == []
    assert not (tmp_path / "workspace").exists()


@pytest.mark.parametrize(("name", "word"), [(".", "is a folder"), ("none.toml", "there is no configuration file")])
@pytest.mark.parametrize("command", ["train", "backtest", "serve"])
def test_a_configuration_that_is_no_file_is_told(tmp_path, command, name, word):
    done = bot4(command, tmp_path / name, "--workspace", tmp_path / "workspace")
    assert done.returncode == 2
    assert word in one_paragraph(done)
    assert not (tmp_path / "workspace").exists()


LATER = {
    "a training window longer than the data": (
        changed("120d", "9000d"),
        ("validation.train is 9000d", "days", "shorten validation.train"),
    ),
    "too few rows for the certificate": (
        changed('"BTC", "ETH"', '"BTC"').replace("2018-12-01", "2018-05-01").replace("120d", "60d"),
        ("1 instruments have ", "10,000", "bring more history"),
    ),
    "an unknown symbol": (changed('"ETH"', '"ETHX"'), ("ETHX", "ETH", "no instrument rules")),
    "a holdout longer than the data": (changed("20d", "2000d"), ("data.holdout is 2000d", "shorten it")),
}


@pytest.mark.parametrize("what", list(LATER))
def test_what_only_the_data_shows_is_told_before_anything_is_fitted(road, tmp_path, what):
    text, words = LATER[what]
    config = tmp_path / "wrong.toml"
    config.write_text(text)
    before, fits = contents(road.workspace / "store"), set((road.workspace / "artefacts" / "fit").iterdir())
    runs = set((road.workspace / "runs").iterdir())
    done = bot4("train", config, "--workspace", road.workspace)
    assert done.returncode == 2
    assert "Traceback" not in done.stderr + done.stdout
    said = one_paragraph(done)
    assert [word for word in words if word not in said] == []
    assert contents(road.workspace / "store") == before
    assert set((road.workspace / "artefacts" / "fit").iterdir()) == fits
    assert set((road.workspace / "runs").iterdir()) == runs


def test_checking_a_configuration_imports_no_learner():
    code = (
        "import sys\nfrom pathlib import Path\nfrom pipelines.config import load\nload(Path(sys.argv[1]))\n"
        "print([name for name in ('torch', 'lightgbm', 'xgboost', 'sklearn', 'onnx', 'mlflow', 'prefect', 'polars')"
        " if name in sys.modules])"
    )
    demo = Path(pipelines.__file__).parent / "demo.toml"
    done = subprocess.run([sys.executable, "-c", code, str(demo)], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def bundle_copy(road, folder):
    (bundle,) = (road.workspace / "store" / "bundles").iterdir()
    shutil.copytree(bundle, folder)
    for path in (folder, *folder.rglob("*")):
        path.chmod(0o755 if path.is_dir() else 0o644)
    return folder


def serve_folder(road, tmp_path, bundle):
    lines = (road.run / "serve.toml").read_text().splitlines()
    begin = lines.index("[model]")
    end = next(number for number in range(begin + 1, len(lines)) if lines[number].startswith("["))
    text = "\n".join([*lines[:begin], "[model]", f'folder = "{bundle}"', "", *lines[end:]])
    path = tmp_path / "serve.toml"
    path.write_text(text.replace(lines[0], 'name = "refused"'))
    return bot4("serve", path, "--workspace", road.workspace)


@pytest.mark.parametrize("name", ["model.onnx", "manifest.json"])
def test_a_flipped_byte_in_a_bundle_is_refused(road, tmp_path, name):
    bundle = bundle_copy(road, tmp_path / "bundle")
    content = bytearray((bundle / name).read_bytes())
    content[len(content) // 2] ^= 1
    (bundle / name).write_bytes(bytes(content))
    before = contents(road.workspace / "journals")
    check_refused(serve_folder(road, tmp_path, bundle), (name,))
    assert contents(road.workspace / "journals") == before


def test_a_bundle_of_other_features_is_refused(road, tmp_path):
    import msgspec

    from models.bundle.bundle import _sums
    from models.bundle.manifest import from_bytes, to_bytes

    bundle = bundle_copy(road, tmp_path / "bundle")
    manifest = from_bytes((bundle / "manifest.json").read_bytes())
    other = msgspec.structs.replace(manifest.features, digest="0" * len(manifest.features.digest))
    (bundle / "manifest.json").write_bytes(to_bytes(msgspec.structs.replace(manifest, features=other)))
    sums = _sums((bundle / "manifest.json").read_bytes(), (bundle / "attestation.json").read_bytes())
    (bundle / "SHA256SUMS").write_bytes(sums)
    before = contents(road.workspace / "journals")
    check_refused(serve_folder(road, tmp_path, bundle), ("feature set",))
    assert contents(road.workspace / "journals") == before
