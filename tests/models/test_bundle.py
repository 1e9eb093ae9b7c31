"""The bundle: written whole, verified byte for byte, refused by name."""

import hashlib
import os
import shutil
import subprocess
import sys

import msgspec
import numpy as np
import pytest
from bundle_samples import BURN_IN, NAMES, feature_set, ingredients, instrument, walk, write_bundle

from models.bundle import files
from models.bundle.bundle import ATTESTATION, MANIFEST, SUMS, Bundle, write
from models.bundle.combination import Conformal
from models.bundle.errors import BundleError, DamagedBundle, IncompatibleBundle
from models.bundle.golden import record_golden, self_test
from models.bundle.machine import Attestation, this_machine
from models.bundle.manifest import FORMAT, FeatureList, from_bytes, to_bytes


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    folder = tmp_path_factory.mktemp("bundles") / "whole"
    write_bundle(folder)
    return folder


@pytest.fixture
def copy(whole, tmp_path):
    shutil.copytree(whole, tmp_path / "copy")
    return tmp_path / "copy"


def paths(folder):
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())


def rewrite_sums(folder):
    """What someone does who changes a file and its digest: the identity changes too."""
    names = (MANIFEST, ATTESTATION)
    lines = [f"{hashlib.sha256((folder / name).read_bytes()).hexdigest()}  {name}\n" for name in names]
    (folder / SUMS).write_text("".join(lines))


def test_what_was_written_is_read(whole):
    bundle = Bundle.load(whole)
    manifest, model, golden, states = ingredients()
    assert bundle.model == model
    assert bundle.manifest.members == manifest.members
    assert bundle.manifest.training == manifest.training
    assert bundle.manifest.statistics == {"ensemble": {"log_loss": 0.69, "auc": None}}
    assert bundle.instruments() == (instrument(),)
    assert bundle.engine_state("BTCUSDT") == states["BTCUSDT"].engine
    assert bundle.graph_state("BTCUSDT") == states["BTCUSDT"].graph
    assert bundle.snapshot("BTCUSDT").end == walk()["end"][-1]
    assert bundle.golden().bars.tobytes() == golden.bars.tobytes()
    assert bundle.digest == hashlib.sha256((whole / MANIFEST).read_bytes()).hexdigest()
    with pytest.raises(BundleError, match="no state of 'ETHUSDT'; it has BTCUSDT"):
        bundle.engine_state("ETHUSDT")


def test_identity_is_of_the_content_and_not_of_the_measurements(tmp_path):
    first, again = write_bundle(tmp_path / "a", created=1), write_bundle(tmp_path / "b", created=2)
    other = write_bundle(tmp_path / "c", name="eth")
    assert first == again != other
    assert (tmp_path / "a" / ATTESTATION).read_bytes() != (tmp_path / "b" / ATTESTATION).read_bytes()


def test_live_goes_on_from_the_snapshot_as_research_would(whole):
    bundle = Bundle.load(whole)
    bars = np.concatenate([walk(), walk(seed=9, count=50, first=400)])
    runner = bundle.runner()
    _, research = runner.run_rows(bundle.engine().replay(bars))
    engine, live = bundle.engine(), bundle.runner()
    engine.restore(bundle.engine_state("BTCUSDT"))
    live.set_state(bundle.graph_state("BTCUSDT"))
    found = [live.step(engine.update(bar)).probability for bar in bars[400:]]
    assert np.array(found).tobytes() == research[400:].tobytes()
    assert np.isfinite(found).all()


def test_every_flipped_bit_is_refused_and_the_file_named(copy):
    generator = np.random.default_rng(0)
    for name in paths(copy):
        content = (copy / name).read_bytes()
        places = {0, len(content) - 1, *generator.integers(0, len(content), 12).tolist()}
        for place in places:
            changed = bytearray(content)
            changed[place] ^= 1 << int(generator.integers(8))
            (copy / name).write_bytes(changed)
            with pytest.raises(DamagedBundle) as refusal:
                Bundle.load(copy)
            assert name in str(refusal.value) or SUMS in (name, str(refusal.value).split(": ")[1])
        (copy / name).write_bytes(content)
    Bundle.load(copy)


def test_a_missing_file_is_refused_and_named(copy):
    for name in paths(copy):
        content = (copy / name).read_bytes()
        (copy / name).unlink()
        with pytest.raises(DamagedBundle, match=f"{name} is missing"):
            Bundle.load(copy)
        (copy / name).write_bytes(content)


def test_an_unknown_file_is_refused_and_named(copy):
    (copy / "state" / "extra.pkl").write_bytes(b"")
    with pytest.raises(DamagedBundle, match=r"state/extra\.pkl is not part of the bundle"):
        Bundle.load(copy)


def test_a_link_is_refused(copy, tmp_path):
    content = (copy / "model.onnx").read_bytes()
    (tmp_path / "elsewhere").write_bytes(content)
    (copy / "model.onnx").unlink()
    (copy / "model.onnx").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(DamagedBundle, match=r"model\.onnx is not a plain file"):
        Bundle.load(copy)


def test_a_folder_that_is_not_there(tmp_path):
    with pytest.raises(DamagedBundle, match="nowhere"):
        Bundle.load(tmp_path / "nowhere")


def test_a_newer_format_is_refused_before_its_fields_are_read(copy):
    manifest = msgspec.json.decode((copy / MANIFEST).read_bytes()) | {"format": FORMAT + 1, "novelty": 1}
    (copy / MANIFEST).write_bytes(msgspec.json.encode(manifest, order="deterministic"))
    rewrite_sums(copy)
    with pytest.raises(IncompatibleBundle, match=f"format {FORMAT + 1}, this installation reads up to {FORMAT}"):
        Bundle.load(copy)


def test_a_bundle_of_format_1_has_a_threshold_and_no_sets(copy):
    """What was written before the graph said prediction sets goes on as it did."""
    manifest = from_bytes((copy / MANIFEST).read_bytes())
    old = msgspec.structs.replace(manifest, format=1, conformal=Conformal(0.8, 0.6))
    (copy / MANIFEST).write_bytes(to_bytes(old))
    rewrite_sums(copy)
    assert b'"conformal":{"coverage":0.8,"least":0.6}' in to_bytes(old)  # as it was written then
    bundle = Bundle.load(copy)
    assert bundle.manifest.conformal == Conformal(0.8, 0.6)
    assert bundle.sets() is None
    assert bundle.runner().step(np.full(3, 0.1)).prediction_set is None


def test_decisions_by_sets_that_the_graph_does_not_say_are_refused(copy):
    manifest = from_bytes((copy / MANIFEST).read_bytes())
    deciding = msgspec.structs.replace(manifest, conformal=Conformal(0.8, 0.6, one_sided=True))
    (copy / MANIFEST).write_bytes(to_bytes(deciding))
    rewrite_sums(copy)
    with pytest.raises(DamagedBundle, match="decisions are made by prediction sets, which the graph does not say"):
        Bundle.load(copy).runner()


def test_a_threshold_without_sets_in_the_graph_is_not_written(tmp_path):
    with pytest.raises(BundleError, match="belong together"):
        write_bundle(tmp_path / "bundle", conformal=Conformal(0.8, 0.6))


@pytest.mark.parametrize("change", [{"novelty": 1}, {"burn_in": "many"}])
def test_a_manifest_of_another_shape_is_refused(copy, change):
    manifest = msgspec.json.decode((copy / MANIFEST).read_bytes()) | change
    (copy / MANIFEST).write_bytes(msgspec.json.encode(manifest, order="deterministic"))
    rewrite_sums(copy)
    with pytest.raises(DamagedBundle, match=r"manifest\.json cannot be read"):
        Bundle.load(copy)


def test_a_manifest_with_other_white_space_is_refused(copy):
    (copy / MANIFEST).write_bytes((copy / MANIFEST).read_bytes() + b"\n")
    rewrite_sums(copy)
    with pytest.raises(DamagedBundle, match="canonically"):
        Bundle.load(copy)


@pytest.mark.parametrize("listed", [FeatureList(NAMES, 60_000_000_000, 3, "0" * 64), FeatureList(("no",), 1, 1, "")])
def test_other_features_than_this_installation_computes_are_refused(copy, listed):
    manifest = msgspec.structs.replace(from_bytes((copy / MANIFEST).read_bytes()), features=listed)
    (copy / MANIFEST).write_bytes(to_bytes(manifest))
    rewrite_sums(copy)
    with pytest.raises(IncompatibleBundle, match="this installation"):
        Bundle.load(copy)


def test_golden_rows_agree_here(whole):
    found = self_test(Bundle.load(whole))
    assert found.exact
    assert found.same_machine
    assert found.rows == 200


def changed_golden(tmp_path, machine):
    """A bundle whose golden rows were made by a machine that computes one feature and one probability otherwise."""
    manifest, model, golden, states = ingredients()
    features, probability = golden.features.copy(), golden.probability.copy()
    features[150, 1] = np.nextafter(features[150, 1], np.inf)
    probability[199] += 1e-9
    strange = type(golden)(golden.bars, features, golden.members, probability)
    write(tmp_path / "strange", manifest, model, strange, states, Attestation(machine=machine))
    return Bundle.load(tmp_path / "strange")


def test_a_difference_on_the_same_machine_class_is_refused(tmp_path):
    with pytest.raises(IncompatibleBundle, match="self-test of btc failed"):
        self_test(changed_golden(tmp_path, this_machine()))


def test_a_difference_on_another_machine_class_is_reported(tmp_path):
    other = msgspec.structs.replace(this_machine(), cpu_features=("abacus",))
    found = self_test(changed_golden(tmp_path, other))
    assert not found.same_machine
    assert not found.exact
    assert found.features == {NAMES[1]: 1}
    assert found.probabilities == 1
    assert found.members == {}
    assert found.largest_probability == pytest.approx(1e-9, rel=1e-6)
    assert NAMES[1] in str(found)


def test_golden_bars_without_a_probability_are_refused():
    _, model, _, _ = ingredients()
    with pytest.raises(BundleError, match="give at least"):
        record_golden(walk(count=30), feature_set(), model, BURN_IN)


def test_parts_that_do_not_belong_together_are_refused(tmp_path):
    manifest, model, golden, states = ingredients()
    renamed = tuple(msgspec.structs.replace(member, name="other") for member in manifest.members)
    narrow = msgspec.structs.replace(manifest.features, names=NAMES[:2])
    for changes, message in [
        ({"members": renamed}, "members"),
        ({"features": narrow}, "2 features"),
        ({"instruments": ()}, "BTCUSDT"),
        ({"features": msgspec.structs.replace(manifest.features, digest="0")}, "this installation"),
    ]:
        with pytest.raises(BundleError, match=message):
            write(tmp_path / "no", msgspec.structs.replace(manifest, **changes), model, golden, states)
    assert list(tmp_path.iterdir()) == []


def test_a_failed_write_leaves_nothing_behind(tmp_path, monkeypatch):
    calls = []

    def full_disk(handle):
        calls.append(handle)
        if len(calls) == 5:
            raise OSError("no space left on device")

    monkeypatch.setattr(files.os, "fsync", full_disk)
    with pytest.raises(OSError, match="no space"):
        write_bundle(tmp_path / "bundle")
    assert list(tmp_path.iterdir()) == []


def test_an_existing_folder_is_never_overwritten(tmp_path):
    (tmp_path / "taken").mkdir()
    with pytest.raises(BundleError, match="exists already"):
        write_bundle(tmp_path / "taken")
    assert list((tmp_path / "taken").iterdir()) == []


def test_sums_are_readable_by_the_usual_tool(whole):
    if shutil.which("sha256sum") is None:
        pytest.skip("no sha256sum on this machine")
    environment = {"PATH": os.environ["PATH"]}
    subprocess.run(["sha256sum", "-c", "--quiet", SUMS], cwd=whole, check=True, env=environment)


def test_the_room_loads_no_training_library():
    modules = (
        "bundle",
        "combination",
        "errors",
        "features",
        "files",
        "golden",
        "instruments",
        "machine",
        "manifest",
        "names",
        "runner",
        "store",
        "together",
    )
    code = (
        "import sys\n"
        + "".join(f"import models.bundle.{name}\n" for name in modules)
        + "print(' '.join(sorted(name for name in sys.modules)))"
    )
    found = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout.split()
    forbidden = {"onnx", "torch", "lightgbm", "xgboost", "sklearn", "pandas", "mlflow", "prefect", "polars", "optuna"}
    assert not forbidden & set(found)
    ours = {name for name in found if name.startswith("models.")}
    assert ours == {"models.bundle", *(f"models.bundle.{name}" for name in modules)}
