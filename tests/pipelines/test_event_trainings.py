"""Trainings that decide at the events of a feature alone."""

from __future__ import annotations

import msgspec
import numpy as np
import pytest

from features.conformance import plain_bars
from market.lake import Lake
from models.bundle.manifest import Payoff
from pipelines.config import RunConfig, load
from pipelines.errors import ConfigError, StageError
from pipelines.stages.artefacts import Artefacts
from pipelines.stages.backtest import series_signals
from pipelines.stages.data import describe, series_key
from pipelines.stages.features import find_features
from pipelines.stages.panel import load_panel, panel_facts, panel_job

COUNT = 3_000


def configured(events, names=("rsi_14", "ewma_volatility_96")):
    document = {
        "name": "events",
        "data": {"symbols": ["A", "B"], "interval": "1m", "holdout": "1h"},
        "features": {"names": list(names), "events": events},
        "labels": {"horizon": 4},
    }
    return msgspec.convert(document, RunConfig)


def panel_of(folder, events):
    config, lake = configured(events), Lake(folder / "lake")
    for number, symbol in enumerate(config.data.symbols):
        lake.write(series_key(config.data, symbol), plain_bars(COUNT, number))
    facts = describe(config.data, lake)
    artefact = Artefacts(folder / f"artefacts-{events}").make(panel_job(config, facts, lake))
    return load_panel(artefact), panel_facts(artefact)


def test_samples_are_those_of_all_bars_at_events(tmp_path):
    every, _ = panel_of(tmp_path, "")
    some, about = panel_of(tmp_path, "cusum_event_4")
    assert about.events == "cusum_event_4"
    assert some.feature_names == (*every.feature_names, "cusum_event_4")
    column = some.feature_names.index("cusum_event_4")
    kept = np.zeros(len(every.samples), bool)
    for number, one in enumerate(some.series):
        mine = every.samples.instrument == number
        kept[mine] = one.features[every.samples.row[mine], column] != 0
        assert one.decides.sum() == (np.nan_to_num(one.features[:, column]) != 0).sum()
    assert 100 < kept.sum() == len(some.samples) < len(every.samples) / 5
    for name in ("instrument", "row", "t0", "start", "t1", "label", "move"):
        assert getattr(some.samples, name).tobytes() == getattr(every.samples, name)[kept].tobytes()
    assert some.samples.weight.mean() > 2 * every.samples.weight[kept].mean()  # they overlap less, and say more each


def test_signals_are_those_of_all_bars_at_events(tmp_path):
    every, _ = panel_of(tmp_path, "")
    some, _ = panel_of(tmp_path, "cusum_event_4")
    said, pays = np.full(500, 0.6), Payoff(1.5, 4, 0.5)
    all_bars, at_events = (series_signals(one.series[0], 0, 1_000, said, pays, 60) for one in (every, some))
    chosen = some.series[0].decides[1_000:1_500]
    assert 10 < chosen.sum() == len(at_events) < len(all_bars) == 500
    assert at_events["ts_event"].tolist() == all_bars["ts_event"][chosen].tolist()


def test_an_event_that_is_unknown_or_fitted_is_refused(tmp_path):
    path = tmp_path / "conf.toml"
    path.write_text('name = "e"\n[data]\nsymbols = ["A"]\ninterval = "1m"\n[features]\nevents = "cusum_event_3"\n')
    with pytest.raises(ConfigError, match=r"features\.events has 'cusum_event_3', .* did you mean cusum_event_"):
        load(path)
    bars = [plain_bars(COUNT, number) for number in range(2)]
    with pytest.raises(StageError, match=r"features\.events is regime_turbulent_2, which is fitted in every fold anew"):
        find_features(configured("regime_turbulent_2"), bars)
