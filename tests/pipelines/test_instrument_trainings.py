"""Trainings whose rows say which instrument they are of: the panel, the whole road to paper, and the audit.

The whole road is long; `tests/serving/test_instruments_loop.py` holds research to live in every run of the suite.
"""

from __future__ import annotations

import re
from dataclasses import replace

import msgspec
import numpy as np
import pytest

from features.conformance import plain_bars
from market.lake import Lake
from models.bundle.golden import self_test
from models.bundle.instruments import Indicators
from models.bundle.store import ModelStore
from models.members import MEMBERS
from models.members.conformance import SEED
from pipelines.audit.pipeline import audit_run
from pipelines.config import RunConfig, load
from pipelines.errors import ConfigError
from pipelines.report.card import CARD_FILE
from pipelines.results import RunResult
from pipelines.stages.artefacts import Artefact, Artefacts
from pipelines.stages.backtest import backtest_job
from pipelines.stages.data import describe, series_key
from pipelines.stages.panel import load_panel, panel_facts, panel_job
from pipelines.tuning.config import load_study
from pipelines.workspace import Workspace
from tests.pipelines.audited import INSTRUMENTS, RAW, columns, trained
from tests.pipelines.conftest import Road, bot4
from tests.pipelines.small_training import embedded

pytestmark = pytest.mark.xdist_group("instruments")
COUNT = 2_500
CONFIG = f"""
name = "aware"
seed = 7
{embedded("BTC", "ETH", "LTC")}
[features]
instruments = "indicators"
names = ["rsi_14", "ewma_volatility_96", "scaled_return_4", "cross_return_rank", "quantile_entropy_8_96"]

[validation]
folds = 6
train = "120d"
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
[members.lstm]
hidden = 4
layers = 1
epochs = 1
"""
NAMES = ("instrument_BTC", "instrument_ETH", "instrument_LTC")


def configured(symbols, instruments, names=("rsi_14", "ewma_volatility_96")):
    document = {
        "name": "panel",
        "data": {"symbols": list(symbols), "interval": "1m", "holdout": "1h"},
        "features": {"names": list(names), "instruments": instruments},
        "labels": {"horizon": 4},
    }
    return msgspec.convert(document, RunConfig)


def panel_of(folder, symbols, instruments):
    """The panel of random bars, which are each symbol's own whatever the order of the symbols."""
    config, lake = configured(symbols, instruments), Lake(folder / "lake")
    for symbol in symbols:
        lake.write(series_key(config.data, symbol), plain_bars(COUNT, ord(symbol)))
    facts = describe(config.data, lake)
    artefact = Artefacts(folder / "artefacts").make(panel_job(config, facts, lake))
    return load_panel(artefact), panel_facts(artefact)


def test_the_panel_is_that_without_with_columns_behind_it(tmp_path):
    plain, _ = panel_of(tmp_path, "ABC", "none")
    aware, about = panel_of(tmp_path, "ABC", "indicators")
    assert aware.feature_names == about.columns == (*plain.feature_names, *Indicators(("A", "B", "C")).names)
    assert (plain.indicators, aware.indicators, about.instruments) == (0, 3, ("A", "B", "C"))
    for number, (one, other) in enumerate(zip(plain.series, aware.series, strict=True)):
        assert other.features[:, :2].tobytes() == one.features.tobytes()
        assert (other.features[:, 2:] == np.eye(3)[number]).all()
        assert other.volatility.tobytes() == one.volatility.tobytes()
    for field in ("instrument", "row", "t0", "t1", "label", "weight"):
        assert getattr(aware.samples, field).tobytes() == getattr(plain.samples, field).tobytes()
    alone = aware.features_alone()
    assert (alone.feature_names, alone.indicators) == (plain.feature_names, 0)
    assert all((np.isnan(one.features) | (one.features == other.features)).all()
               for one, other in zip(alone.series, plain.series, strict=True))  # fmt: skip
    assert plain.features_alone() is plain


def test_the_order_of_the_symbols_is_that_of_the_columns_and_changes_no_row_by_name(tmp_path):
    """Samples of one moment come in another order: fits that sum over samples agree to rounding, others need not."""
    one, _ = panel_of(tmp_path / "one", "ABC", "indicators")
    other, _ = panel_of(tmp_path / "other", "CAB", "indicators")
    place = [other.feature_names.index(name) for name in one.feature_names]
    assert place == [0, 1, 3, 4, 2]
    for series in one.series:
        (match,) = [two for two in other.series if two.symbol == series.symbol]
        assert match.features[:, place].tobytes() == series.features.tobytes()
    said = []
    for panel in (one, other):
        index = np.arange(len(panel.samples))
        fitted = MEMBERS["linear"]().fit(panel, index[:-900], index[-600:], SEED)
        said += [fitted.predict(panel, [s.symbol for s in panel.series].index("B"), np.arange(200, 400))]
    np.testing.assert_allclose(said[0], said[1], rtol=1e-9)
    assert np.ptp(said[0]) > 1e-4


def test_one_instrument_is_nothing_to_tell_apart(tmp_path):
    path = tmp_path / "conf.toml"
    path.write_text('name = "e"\n[data]\nsymbols = ["A"]\ninterval = "1m"\n[features]\ninstruments = "indicators"\n')
    with pytest.raises(ConfigError, match=r"features\.instruments is 'indicators', and data\.symbols names A alone"):
        load(path)
    path.write_text(path.read_text().replace('"indicators"', '"indicator"'))
    with pytest.raises(ConfigError, match=r"[Ii]nvalid enum value 'indicator' - at `\$\.features\.instruments`"):
        load(path)


def test_a_study_can_ask_whether_it_helps(tmp_path):
    (tmp_path / "run.toml").write_text('name = "e"\n[data]\nsymbols = ["A", "B"]\ninterval = "1m"\n')
    path = tmp_path / "study.toml"
    path.write_text(
        'name = "s"\ntraining = "run.toml"\n[space]\n"features.instruments" = { values = ["none", "indicators"] }\n'
    )
    study = load_study(path, {})
    found = [study.configured({"features.instruments": value}).indicators.symbols for value in ("none", "indicators")]
    assert found == [(), ("A", "B")]


@pytest.fixture(scope="module")
def road(tmp_path_factory):
    folder = tmp_path_factory.mktemp("aware")
    config = folder / "aware.toml"
    config.write_text(CONFIG)
    done = bot4("train", config, "--workspace", folder / "workspace")
    assert done.returncode == 0, done.stderr
    (run,) = (folder / "workspace" / "runs").iterdir()
    return Road(folder / "workspace", config, run, done.stdout)


@pytest.fixture(scope="module")
def result(road):
    return RunResult.load(road.run)


@pytest.mark.long
def test_live_is_research_in_every_byte(result):
    assert {one.what for one in result.paper.parity} == {"feature rows", "probabilities", "orders", "journal records"}
    assert all(one.rows == one.equal > 0 for one in result.paper.parity)


@pytest.mark.long
def test_the_bundle_tells_instruments_apart_and_is_certified(road):
    bundle = ModelStore(Workspace(road.workspace).store).resolve("aware", "challenger")
    assert bundle.manifest.features.instruments == ("BTC", "ETH", "LTC")
    assert bundle.manifest.features.columns[-3:] == NAMES
    assert bundle.manifest.certificate["passed"] is True
    assert set(bundle.manifest.certificate["members"]) == {"linear", "lightgbm", "lstm"}
    assert self_test(bundle).exact
    assert bundle.golden().symbol in ("BTC", "ETH", "LTC")


@pytest.mark.long
def test_every_panel_of_a_window_has_them_beside_what_is_fitted_there(road):
    folder = road.workspace / "artefacts" / "fitted"
    made = [load_panel(Artefact("fitted", path.name, str(path))) for path in folder.iterdir()]
    assert len(made) > 6
    for panel in made:
        assert panel.feature_names[-3:] == NAMES
        assert all((one.features[:, -3:] == np.eye(3)[number]).all() for number, one in enumerate(panel.series))


@pytest.mark.long
def test_the_result_and_its_audit_know_the_columns(result):
    assert result.audit.clean, result.audit.leaks
    assert {f"features/{name}" for name in NAMES} <= columns(result.audit.findings)
    assert result.features.names[-3:] == NAMES
    assert result.feature_study.names == result.features.names[:-3]
    tables = {(one.member, one.method): one for one in result.importance_study.tables}
    assert set(NAMES) <= set(tables["lightgbm", "mda"].names)
    (gains,) = [one.values for one in result.importances if one.member == "linear"]
    assert set(NAMES) <= set(gains)


@pytest.mark.long
def test_the_card_says_which_columns_are_no_features(road):
    card = (road.run / CARD_FILE).read_text()
    assert f"{', '.join(NAMES)}.\n\nThe last 3 say which instrument a row is of.\n" in card


@pytest.mark.long
def test_the_gates_judge_such_a_model(road):
    done = bot4("models", "promote", "aware", "challenger", "--to", "champion", "--workspace", road.workspace)
    assert done.returncode == 2, done.stderr
    for gate, judged in (("certificate", "passed"), ("golden rows", "passed"), ("parity", "passed")):
        assert re.search(rf"^{gate} +{judged} ", done.stdout, re.MULTILINE)
    assert re.search(r"^drift +(passed|FAILED) +the newest [\d.]+ days are", done.stdout, re.MULTILINE), done.stdout


def test_an_audit_in_full_finds_no_leak(tmp_path):
    raw = {**RAW, "features": {**RAW["features"], "instruments": "indicators"}}
    config = msgspec.convert(raw, RunConfig)
    base = trained(tmp_path, 6, config)
    order = backtest_job(config, base.panels, base.windows, base.folds, base.scores, INSTRUMENTS)
    found = audit_run(replace(base, backtest=Artefacts(tmp_path / "traded").make(order)), full=True, cuts=6)
    assert found.clean, found.leaks
    assert {"features/instrument_AAA", "features/instrument_BBB", "fitted/linear"} <= columns(found.findings)
