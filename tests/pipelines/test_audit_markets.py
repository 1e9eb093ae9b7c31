"""No false alarm of the audit over markets: a synthetic one with a planted edge, and real 15-minute bars."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from market.lake import Lake
from market.readers import read_bars
from market.synthetic import simulate
from market.synthetic_config import SyntheticConfig
from market.time import MINUTE
from pipelines.audit.base import train_first
from pipelines.audit.findings import UNTOUCHED
from pipelines.audit.pipeline import audit_run, needed_folds
from pipelines.config import FeaturesConfig, RunConfig
from pipelines.stages.artefacts import Artefacts
from pipelines.stages.data import instruments, series_key
from tests.pipelines.planted_run import configuration

CONF = Path(__file__).resolve().parent.parent.parent / "conf"
FEW = FeaturesConfig(names=("rsi_14", "scaled_return_4", "ewma_volatility_96"))
LIGHT = {"linear": {"inverse_strengths": [0.01]}, "xgboost": {"rounds": 20}}


def audited(config, bars, rules, folder, full=False, cuts=8):
    lake = Lake(folder / "lake")
    for symbol, one in bars.items():
        lake.write(series_key(config.data, symbol), one)
    least = needed_folds(config.validation.folds, full)
    base = train_first(config, lake, rules, least, Artefacts(folder / "artefacts"))
    return audit_run(base, full, cuts)


def test_a_synthetic_market_with_an_edge_is_no_leak(tmp_path):
    market = simulate(SyntheticConfig(bars=6_000), seed=3)
    config = msgspec.structs.replace(configuration(market), members=LIGHT, features=FEW)
    found = audited(config, market.bars, market.instruments, tmp_path)
    assert found.clean, found.leaks
    assert not [one for one in found.findings if one.verdict == UNTOUCHED and one.stage in ("predictions", "orders")]


def real(real_data, count):
    raw = msgspec.toml.decode((CONF / "spot-15m.toml").read_bytes())
    raw["data"]["symbols"] = raw["data"]["symbols"][:count]
    files = {one: next((real_data / "klines" / "spot-15m").glob(f"{one}-*")) for one in raw["data"]["symbols"]}
    bars = {symbol: read_bars(path, interval=15 * MINUTE).bars for symbol, path in files.items()}
    return raw, bars


@pytest.mark.real_data
def test_real_bars_of_three_coins_leak_nowhere(real_data, tmp_path):
    raw, bars = real(real_data, 3)
    raw |= {"members": LIGHT, "features": {"names": ["rsi_14", "scaled_return_4", "ewma_volatility_96"]}}
    config = msgspec.convert(raw, RunConfig)
    found = audited(config, bars, instruments(config.data, str(CONF)), tmp_path)
    assert found.clean, found.leaks


@pytest.mark.long
@pytest.mark.real_data
def test_the_whole_configuration_of_real_bars_leaks_nowhere_in_full(real_data, tmp_path):
    raw, bars = real(real_data, 5)
    config = msgspec.convert(raw, RunConfig)
    found = audited(config, bars, instruments(config.data, str(CONF)), tmp_path, full=True, cuts=24)
    assert found.clean, found.leaks
    print(found.compared, [one.column for one in found.findings if one.verdict == UNTOUCHED])
