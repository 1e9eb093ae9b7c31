"""Bad input: one clear error, a non-zero exit, and lake, store, registry and journals as they were."""

from __future__ import annotations

import shutil
import zipfile

import pytest

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


def test_a_misspelt_key_is_named(road, tmp_path):
    config = tmp_path / "typo.toml"
    config.write_text(CONFIG.replace("holdout", "holdoutt"))
    before = contents(road.workspace / "store")
    done = bot4("train", config, "--workspace", road.workspace)
    check_refused(done, ("holdoutt",))
    assert contents(road.workspace / "store") == before


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
