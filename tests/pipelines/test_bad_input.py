"""Bad input: one clear error, a non-zero exit, and lake, store, registry and journals as they were."""

from __future__ import annotations

import shutil
import sqlite3
import subprocess
import sys
import zipfile
from contextlib import closing
from pathlib import Path

import msgspec
import pytest

import pipelines
from features.feature_set import FeatureSet
from models.bundle.bundle import _sums
from models.bundle.manifest import from_bytes, to_bytes
from tests.pipelines.conftest import CONFIG, bot4, contents, served

pytestmark = pytest.mark.xdist_group("road")

HEADER = "timestamp,open,high,low,close,volume\n"


def rows(count=96):
    begin = 1_600_000_200_000
    return [f"{begin + 900_000 * n},{100 + n},{101 + n},{99 + n},{100.5 + n},{10 + n}\n" for n in range(count)]


def kept(workspace):
    """What no refused command may change: lake, store, registry, journals and trials, to the byte or row."""
    folders = {name: contents(workspace / name) for name in ("lake", "store", "journals", "runs", "mlruns")}
    return folders | {name: dumped(workspace / name) for name in ("mlflow.db", "trials.db")}


def dumped(database):
    """Every table and row of a SQLite database, as the statements that make it."""
    with closing(sqlite3.connect(f"file:{database}?mode=ro", uri=True)) as connection:
        return list(connection.iterdump())


def differing(before, after):
    """The parts that are not what they were."""
    return [name for name in before if before[name] != after[name]]


@pytest.fixture
def unchanged(road):
    """Whatever the test does, all that is kept is afterwards what it was."""
    before = kept(road.workspace)
    assert all(before.values()), "each part holds something that could be lost"
    yield
    assert differing(before, kept(road.workspace)) == []


def test_one_changed_row_or_byte_would_be_seen(road, tmp_path):
    copy = tmp_path / "workspace"
    shutil.copytree(road.workspace, copy, ignore=shutil.ignore_patterns("artefacts", "prefect"))
    before = kept(copy)
    with closing(sqlite3.connect(copy / "mlflow.db")) as connection, connection:
        connection.execute("update registered_model_aliases set version = version + 1")
    journal = next((copy / "journals").rglob("records.bin"))
    journal.write_bytes(journal.read_bytes()[:-1])
    (copy / "lake" / "new").write_bytes(b"")
    assert differing(before, kept(copy)) == ["lake", "journals", "mlflow.db"]


def csv_of(folder, lines):
    path = folder / "AAAUSDT-15m-2020.csv"
    path.write_text(HEADER + "".join(lines))
    return path


def shuffled(folder):
    """Rows 10 and 60 change places: the first below the heading that comes too early is on line 13."""
    lines = rows()
    lines[10], lines[60] = lines[60], lines[10]
    return csv_of(folder, lines), ("misordered: line 13, 2020-09-13T15:15:00Z: 2 rows before the row above",)


def duplicated(folder):
    """The first of two days stands twice in a row."""
    lines = rows(192)
    said = "line 98, 2020-09-13T12:30:00Z: 96 rows with a time seen before (this one 96 rows earlier, with the same"
    return csv_of(folder, lines[:96] + lines), ("misordered: line 98", f"duplicate: {said}")


def duplicated_behind(folder):
    """The first of two days stands again behind the second."""
    lines = rows(192)
    said = "line 194, 2020-09-13T12:30:00Z: 96 rows with a time seen before (this one 192 rows earlier"
    return csv_of(folder, lines + lines[:96]), ("misordered: line 194", f"duplicate: {said}")


def negative(folder):
    lines = rows()
    lines[7] = lines[7].replace(",107,", ",-107,")
    said = "bad_price: line 9, 2020-09-13T14:15:00Z: 1 bar with a price that is no number above zero: open -107.0"
    return csv_of(folder, lines), (said,)


def truncated(folder):
    whole = folder / "whole.zip"
    with zipfile.ZipFile(whole, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("AAAUSDT-15m-2020-09.csv", HEADER + "".join(rows()))
    path = folder / "AAAUSDT-15m-2020-09.zip"
    path.write_bytes(whole.read_bytes()[: whole.stat().st_size // 2])
    whole.unlink()
    return path, ("the zip is truncated or damaged",)


def one_paragraph(done):
    """The only thing said on standard error but for progress."""
    (said,) = [line for line in done.stderr.splitlines() if line and not line.startswith("[")]
    assert said.startswith("error: ")
    return said


def check_refused(done, *words):
    """Told in one paragraph with every one of the words, nothing printed, and an exit that says so."""
    assert done.returncode == 2
    assert done.stdout == ""
    said = one_paragraph(done)
    assert [word for word in words if word not in said] == [], said


@pytest.mark.usefixtures("unchanged")
@pytest.mark.parametrize("spoil", [shuffled, duplicated, duplicated_behind, negative, truncated])
def test_a_bad_file_is_refused_by_file_and_row(road, tmp_path, spoil):
    path, words = spoil(tmp_path)
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
    check_refused(done, f"error: {path}: ", *words)


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
    "a feature unlike all others": (changed("rsi_14", "zzzzzz"), ("zzzzzz", "`bot4 features list` shows all")),
    "a feature twice": (changed("scaled_return_16", "rsi_14"), ("features.names", "rsi_14 more than once")),
    "an unknown volatility": (with_line("features", 'volatility = "ewma_vol"'), ("volatility", "ewma_volatility_96")),
    "a volatility that is none": (with_line("features", 'volatility = "rsi_14"'), ("rsi_14", "ewma_volatility_24")),
    "an interval that is none": (changed("120d", "120 days"), ("120 days", "15m")),
    "a name that no model can have": (changed('name = "tiny"', 'name = "a/b"'), ("a/b", "letters")),
    "no symbols": (changed('["BTC", "ETH"]', "[]"), ("symbols is empty",)),
    "a symbol twice": (changed('["BTC", "ETH"]', '["BTC", "BTC"]'), ("BTC more than once",)),
    "a stop before the start": (with_line("data", 'start = "2019-01-01"'), ("2018-12-01", "2019-01-01")),
    "too few folds": (changed("folds = 7", "folds = 3"), ("folds is 3", "at least 6")),
    "a value that is none of a few": (
        changed("[laboratory]", '[ensemble]\nmethod = "stak"\n[laboratory]'),
        ("'stak'", "$.ensemble.method", 'did you mean "stack"?', '"stack", "mean", "weighted" or "bma"'),
    ),
    "a member's value that is none of a few": (
        with_line("members.lstm", 'device = "tpu"'),
        ("members.lstm", "'tpu'", "$.device", '"cpu", "cuda" or "auto"'),
    ),
    "a prior worth any number of rows": (
        changed("[laboratory]", "[ensemble]\nridge = inf\n[laboratory]"),
        ("ridge is inf", "between 0 and 1e+09", "$.ensemble"),
    ),
    "a burn-in longer than any history": (
        changed("[laboratory]", "[ensemble]\nburn_in = 100000000\n[laboratory]"),
        ("burn_in is 100000000", "100,000", "$.ensemble"),
    ),
    "no TOML": ("name = tiny", ("not valid TOML", "line 1")),
}


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


def of_training(road):
    return CONFIG


def of_serving(road):
    return (road.run / "serve.toml").read_text()


@pytest.mark.usefixtures("unchanged")
@pytest.mark.parametrize(
    ("command", "source", "right", "wrong"),
    [
        ("train", of_training, "holdout", "holdoutt"),
        ("backtest", of_training, "draws", "drows"),
        ("backtest", of_serving, "[trading.decision]\nmargin", "[trading.decision]\nmargn"),
        ("serve", of_serving, "speed", "sped"),
    ],
)
def test_a_misspelt_key_changes_nothing_in_a_workspace_with_a_run(road, tmp_path, command, source, right, wrong):
    text = source(road)
    assert right in text
    config = tmp_path / "misspelt.toml"
    config.write_text(text.replace(right, wrong))
    key, meant = wrong.split()[-1], right.split()[-1]
    done = bot4(command, config, "--workspace", road.workspace)
    check_refused(done, str(config), f"`{key}`", f"did you mean `{meant}`?")


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
    "too few rows for the calibration": (
        changed("[laboratory]", '[ensemble]\ncalibration = "isotonic"\n[laboratory]'),
        ('ensemble.calibration is "isotonic"', "1,000 effective rows", 'take "platt" or "auto"'),
    ),
    "a burn-in longer than a training window": (
        changed("[laboratory]", "[ensemble]\nburn_in = 5761\n[laboratory]"),
        ("ensemble.burn_in is 5,761 rows", "has 5,760 bars at most", "lengthen validation.train"),
    ),
    "a GPU that is not there": (
        with_line("members.lstm", 'device = "cuda"'),
        ('members.lstm.device is "cuda"', "torch sees no NVIDIA GPU here"),
    ),
    "an unknown symbol": (changed('"ETH"', '"ETHX"'), ("ETHX", "ETH", "no instrument rules")),
    "a holdout longer than the data": (changed("20d", "2000d"), ("data.holdout is 2000d", "shorten it")),
}


@pytest.mark.parametrize("what", list(LATER))
def test_what_only_the_data_shows_is_told_before_anything_is_fitted(road, server, tmp_path, what):
    text, words = LATER[what]
    config = tmp_path / "wrong.toml"
    config.write_text(text)
    before, fits = kept(road.workspace), set((road.workspace / "artefacts" / "fit").iterdir())
    done = bot4("train", config, "--workspace", road.workspace, environment=served(server, CUDA_VISIBLE_DEVICES=""))
    assert done.returncode == 2
    assert "Traceback" not in done.stderr + done.stdout
    said = one_paragraph(done)
    assert [word for word in words if word not in said] == []
    # What had begun to look at data is a trial, failed or not.
    assert differing(before, kept(road.workspace)) == (["trials.db"] if what.startswith("too few rows") else [])
    assert set((road.workspace / "artefacts" / "fit").iterdir()) == fits


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


@pytest.mark.usefixtures("unchanged")
@pytest.mark.parametrize(
    ("name", "named"),
    [
        ("model.onnx", "model.onnx is not what manifest.json says"),
        ("manifest.json", "manifest.json is not what SHA256SUMS says"),
        ("attestation.json", "attestation.json is not what SHA256SUMS says"),
        ("golden/features.npy", "golden/features.npy is not what manifest.json says"),
        ("state/ETH.engine", "state/ETH.engine is not what manifest.json says"),
    ],
)
def test_a_flipped_byte_in_a_bundle_is_refused(road, tmp_path, name, named):
    bundle = bundle_copy(road, tmp_path / "bundle")
    content = bytearray((bundle / name).read_bytes())
    content[len(content) // 2] ^= 1
    (bundle / name).write_bytes(bytes(content))
    check_refused(serve_folder(road, tmp_path, bundle), f"{bundle}: {named}")


NAMES = ("rsi_14", "scaled_return_4", "ewma_volatility_96", "scaled_return_16")
OTHER_FEATURES = {
    "another digest": (NAMES, False, ("manifest.json: feature set 0000000000000000… is computed as ",)),
    "another feature": ((*NAMES[:3], "scaled_return_8"), False, ("manifest.json: feature set ", "is computed as ")),
    "another order": (NAMES[::-1], False, ("manifest.json: feature set ", "is computed as ")),
    "a feature less": (NAMES[:3], False, ("manifest.json: feature set ", "is computed as ")),
    "an unknown feature": ((*NAMES[:3], "no_such"), False, ("manifest.json: ", "no feature is called 'no_such'")),
    # The forger recomputed the set's digest, so that only what the graph was made from can tell.
    "another feature, digest and all": (
        (*NAMES[:3], "scaled_return_8"),
        True,
        ("features differ in {'scaled_return_8'",),
    ),
    "a feature less, digest and all": (NAMES[:3], True, ("manifest.json lists 3 features, the graph reads 4",)),
}


@pytest.mark.usefixtures("unchanged")
@pytest.mark.parametrize("what", list(OTHER_FEATURES))
def test_a_bundle_of_other_features_is_refused(road, tmp_path, what):
    names, forged, words = OTHER_FEATURES[what]
    bundle = bundle_copy(road, tmp_path / "bundle")
    manifest = from_bytes((bundle / "manifest.json").read_bytes())
    listed = manifest.features
    assert listed.names == NAMES
    digest = listed.digest if names != NAMES else "0" * len(listed.digest)
    if forged:
        digest = FeatureSet(names, listed.interval, listed.max_gap).digest
    other = msgspec.structs.replace(listed, names=names, digest=digest)
    (bundle / "manifest.json").write_bytes(to_bytes(msgspec.structs.replace(manifest, features=other)))
    sums = _sums((bundle / "manifest.json").read_bytes(), (bundle / "attestation.json").read_bytes())
    (bundle / "SHA256SUMS").write_bytes(sums)
    check_refused(serve_folder(road, tmp_path, bundle), *words)
