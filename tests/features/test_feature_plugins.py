"""Features from outside the repository: a file and an installed package, from loading to another process."""

from __future__ import annotations

import os
import pickle
import subprocess
import sys

import numpy as np
import pytest

from features.catalogue import CATALOGUE
from features.conformance import check_feature, check_features, check_interpreted, plain_bars, replayed
from features.engine import FeatureEngine
from features.errors import FeatureError
from features.feature_set import FeatureSet
from features.fitting import fit_features
from features.plugins import extended_catalogue, load_file
from market.time import MINUTE

pytestmark = pytest.mark.xdist_group("features")

FILE = '''
"""Features of my own."""

from dataclasses import dataclass

import numpy as np

from features.blocks import LOG_RETURN, apply
from features.feature import Feature
from features.nodes import CLOSE, COUNT, Fitted, Node, Ring
from market.jit import kernel

WEIGHTS = np.array([0.5, 0.25, 0.25])
POWER = 3.0


@kernel
def raised(x):
    return x * abs(x) ** (POWER - 1.0)


@kernel
def cubed(x):
    return raised(x) * 1e6


@kernel
def weighted(state, at, ring, mask, head, bars):
    total = 0.0
    for back in range(bars):
        total += WEIGHTS[back] * state[ring + ((head - back) & mask)]
    return total


@kernel
def over(state, at, x, fitted):
    return x / state[fitted]


@dataclass(frozen=True)
class Size:
    share: float

    def __call__(self, runs):
        return [float(np.quantile(np.abs(np.concatenate(runs)), self.share)) + 1e-9]


FEATURES = [
    Feature("cubed_return", apply(cubed, LOG_RETURN), 1.0, "1e-6", "the log return cubed", "own"),
    Feature(
        "weighted_close", Node(weighted, (Ring(CLOSE, 3), COUNT), (3,), delay=2),
        1.0, "price", "closes", "own", depends_on=frozenset({"price"}),
    ),
    Feature(
        "sized_return",
        Node(over, (LOG_RETURN, Fitted("return_size", 1, (LOG_RETURN,), Size(0.9)))),
        1.0, "1", "log return / its 90 % quantile in training", "own",
    ),
]
'''
BARS = plain_bars(900, 1)


@pytest.fixture(scope="module")
def file(tmp_path_factory):
    path = tmp_path_factory.mktemp("own") / "my features.py"
    path.write_text(FILE)
    return path


@pytest.fixture(scope="module")
def own(file) -> FeatureSet:
    catalogue = extended_catalogue([file], installed=False)
    names = ("cubed_return", "rsi_14", "weighted_close", "sized_return")
    return fit_features(FeatureSet(names, MINUTE, 3, catalogue), {"A": BARS}, 0, 600 * MINUTE)


def test_a_file_s_features_compute_what_they_say_beside_the_house_s(own):
    rows, close = replayed(FeatureEngine(own), BARS), BARS["close"]
    returns = np.diff(np.log(close))
    np.testing.assert_allclose(rows[1:, 0], returns**3 * 1e6, rtol=1e-9)
    np.testing.assert_allclose(rows[2:, 2], 0.5 * close[2:] + 0.25 * (close[1:-1] + close[:-2]), rtol=1e-12)
    np.testing.assert_allclose(rows[1:, 3], returns / (np.quantile(abs(returns[:599]), 0.9) + 1e-9), rtol=1e-9)
    house = FeatureEngine(FeatureSet(("rsi_14",), MINUTE, 3))
    np.testing.assert_array_equal(rows[:, 1], replayed(house, BARS)[:, 0])


def test_they_conform_one_by_one_together_and_without_the_jit(file, own):
    for feature in load_file(file):
        check_feature(feature)
    check_features(own)
    check_interpreted(FeatureEngine(own), BARS)


def test_a_pickled_set_computes_the_same_bytes_in_another_process_without_the_file(own, tmp_path):
    program = (
        "import pickle, sys, numpy as np\n"
        "from pathlib import Path\n"
        "wanted = pickle.loads(Path(sys.argv[1]).read_bytes())\n"
        "from features.engine import FeatureEngine\n"
        "engine = FeatureEngine(wanted)\n"
        "np.save(sys.argv[3], engine.replay(np.load(sys.argv[2])))\n"
        "replay = engine._replay\n"
        "print(wanted.digest, sum(replay.stats.cache_hits.values()), sum(replay.stats.cache_misses.values()))\n"
    )
    expected = replayed(FeatureEngine(own), BARS)
    (tmp_path / "set").write_bytes(pickle.dumps(own))
    np.save(tmp_path / "bars.npy", BARS)
    for folder, cached in ((None, ["1", "0"]), (tmp_path / "elsewhere", ["0", "1"])):  # the second: another machine
        environment = {**os.environ, **({"BOT4_CACHE_DIR": str(folder)} if folder else {})}
        command = [sys.executable, "-c", program, *(str(tmp_path / name) for name in ("set", "bars.npy", "rows.npy"))]
        done = subprocess.run(command, check=True, capture_output=True, text=True, env=environment)
        assert done.stdout.split() == [own.digest, *cached]
        assert np.load(tmp_path / "rows.npy").tobytes() == expected.tobytes()


def test_a_set_without_them_brings_no_file_along(own):
    assert b"raised" in pickle.dumps(own)
    assert b"raised" not in pickle.dumps(FeatureSet(("rsi_14",), MINUTE, 3, own.catalogue))


@pytest.mark.parametrize(
    ("old", "new"),
    [("* 1e6", "* 2e6"), ("POWER = 3.0", "POWER = 2.0"), ("0.5, 0.25", "0.25, 0.5"), ("abs(x) **", "abs(x)**")],
)
def test_an_edited_file_makes_other_features(file, tmp_path, old, new):
    edited = tmp_path / file.name
    edited.write_text(FILE.replace(old, new))
    one, other = (
        FeatureSet(("cubed_return", "weighted_close"), MINUTE, 3, extended_catalogue([path], installed=False))
        for path in (file, edited)
    )
    assert one.digest != other.digest
    ours, theirs = replayed(FeatureEngine(one), BARS), replayed(FeatureEngine(other), BARS)
    assert np.array_equal(ours[2:], theirs[2:]) == (new == "abs(x)**")


def test_features_that_are_not_the_set_s_do_not_change_its_digest(own):
    plain = FeatureSet(("rsi_14",), MINUTE, 3)
    assert FeatureSet(("rsi_14",), MINUTE, 3, own.catalogue).digest == plain.digest


HEAD = """
from features.blocks import LOG_RETURN, apply
from features.feature import Feature
from market.jit import kernel
import numba

def plain(x):
    return x

@kernel
def twice(x):
    return 2.0 * x

@numba.njit(fastmath=True)
def fast(x):
    return x

@numba.njit
def lax(x):
    return x

def made():
    @kernel
    def hidden(x):
        return x
    return hidden

def feature(name, step):
    return Feature(name, apply(step, LOG_RETURN), 1.0, "1", "mine", "own")
"""


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ("", "defines no FEATURES"),
        ("FEATURES = ()", "FEATURES is empty"),
        ("FEATURES = 3", "FEATURES is int, not a sequence"),
        ("FEATURES = 'rsi_14'", "FEATURES is str, not a sequence"),
        ("FEATURES = ['rsi_14']", "has 'rsi_14', which is not a features.feature.Feature"),
        ("FEATURES = [feature('Twice', twice)]", "'Twice' is not of small letters"),
        ("FEATURES = [feature('twice', twice)] * 2", "'twice' is defined twice"),
        ("FEATURES = [feature('rsi_14', twice)]", "'rsi_14' is also in the catalogue"),
        ("FEATURES = [feature('plain', plain)]", "kernel plain of feature 'plain' is not compiled"),
        ("FEATURES = [feature('fast', fast)]", "kernel fast of feature 'fast' is compiled by other rules"),
        ("FEATURES = [feature('lax', lax)]", "compiled by other rules"),
        ("FEATURES = [feature('hidden', made())]", "kernel hidden of feature 'hidden' is not at the top level"),
        ("raise RuntimeError('no luck')", "cannot be run: RuntimeError: no luck"),
        ("FEATURES = [", "cannot be run: SyntaxError"),
        ("import no_such_module", "cannot be run: ModuleNotFoundError"),
    ],
)
def test_a_file_that_cannot_serve_is_refused_and_leaves_no_module(tmp_path, body, message):
    path = tmp_path / "broken.py"
    path.write_text(HEAD + body)
    before = set(sys.modules)
    with pytest.raises(FeatureError, match=message) as refused:
        extended_catalogue([path], installed=False)
    assert str(path) in str(refused.value)
    assert "cannot be run" not in message or set(sys.modules) == before


def test_names_of_two_files_collide_by_both_paths(file, tmp_path):
    other = tmp_path / "other.py"
    other.write_text(HEAD + "FEATURES = [feature('cubed_return', twice)]")
    with pytest.raises(FeatureError, match=r"other\.py: feature 'cubed_return' is also in .*my features\.py"):
        extended_catalogue([file, other], installed=False)


@pytest.mark.parametrize("content", [None, b"\xff\xfe\x00"])
def test_unreadable_files_are_refused(tmp_path, content):
    path = tmp_path / "gone.py"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(FeatureError, match=r"gone\.py cannot be read"):
        load_file(path)


@pytest.fixture
def package(tmp_path, monkeypatch):
    """A package with an entry point, as a wheel's installation leaves it."""

    def install(target: str) -> None:
        about = tmp_path / "own_features-1.0.dist-info"
        about.mkdir()
        (about / "METADATA").write_text("Metadata-Version: 2.1\nName: own-features\nVersion: 1.0\n")
        (about / "entry_points.txt").write_text(f"[bot4.features]\nmine = {target}\n")
        (tmp_path / "own_features_package.py").write_text(FILE)
        monkeypatch.syspath_prepend(str(tmp_path))
        monkeypatch.setenv("PYTHONPATH", f"{tmp_path}{os.pathsep}{os.environ.get('PYTHONPATH', '')}")

    yield install
    sys.modules.pop("own_features_package", None)


def test_an_installed_package_s_features_are_found_and_travel_by_name(package):
    package("own_features_package:FEATURES")
    catalogue = extended_catalogue()
    assert set(catalogue) - set(CATALOGUE) == {"cubed_return", "weighted_close", "sized_return"}
    wanted = FeatureSet(("weighted_close",), MINUTE, 3, catalogue)
    assert b"raised" not in pickle.dumps(wanted)
    check_interpreted(FeatureEngine(wanted), BARS)


@pytest.mark.parametrize(
    ("target", "message"),
    [
        ("own_features_package:FEATURE", "cannot be loaded: AttributeError"),
        ("no_such_package:FEATURES", "cannot be loaded: ModuleNotFoundError"),
        ("own_features_package:POWER", "FEATURES is float, not a sequence"),
    ],
)
def test_a_broken_entry_point_is_refused_by_name(package, target, message):
    package(target)
    with pytest.raises(FeatureError, match=rf"entry point mine \({target}\).*{message}"):
        extended_catalogue()


def test_the_house_has_no_entry_points_of_its_own():
    assert dict(extended_catalogue()) == dict(CATALOGUE)
