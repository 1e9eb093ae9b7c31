"""The panel stage: which features are on follows from the fields of the bars, and values are the engines' own."""

from __future__ import annotations

import msgspec
import numpy as np
import pytest

from features.catalogue import GROUPS
from features.conformance import plain_bars
from features.engine import FeatureEngine
from features.panel.engine import PanelEngine
from market.bars import PANEL_FIELDS
from market.lake import Lake
from market.time import MINUTE
from pipelines.config import RunConfig
from pipelines.stages.artefacts import Artefacts
from pipelines.stages.data import describe, series_key
from pipelines.stages.features import facts_of, find_features
from pipelines.stages.panel import load_panel, panel_facts, panel_job

BOOK = tuple(one.name for one in GROUPS["book"])
CROSS = tuple(one.name for one in GROUPS["cross"])
COUNT = 900


def configured(symbols, names):
    """A configuration over one-minute bars."""
    document = {
        "name": "panel",
        "data": {"symbols": list(symbols), "interval": "1m", "holdout": "1h"},
        "features": {"names": names},
        "labels": {"horizon": 4},
    }
    return msgspec.convert(document, RunConfig)


def bars_of(symbols, blank=()):
    """Random bars of every field but those of the panel; the last symbol lacks some more."""
    bars = {symbol: plain_bars(COUNT, 10 + number) for number, symbol in enumerate(symbols)}
    for symbol, one in bars.items():
        for field in (*PANEL_FIELDS, *(blank if symbol == symbols[-1] else ())):
            one[field] = np.nan
    return bars


def made(folder, symbols, names):
    """The panel of random bars of some symbols, and the bars it may read."""
    config, lake, bars = configured(symbols, names), Lake(folder / "lake"), bars_of(symbols)
    for symbol, one in bars.items():
        lake.write(series_key(config.data, symbol), one)
    facts = describe(config.data, lake)
    artefact = Artefacts(folder / "artefacts").make(panel_job(config, facts, lake))
    return artefact, {symbol: one[one["end"] <= facts.cut] for symbol, one in bars.items()}


def found(symbols, names, blank=()):
    """What is written down of the features of a configuration."""
    config, bars = configured(symbols, names), list(bars_of(symbols, blank).values())
    return facts_of(config, bars, find_features(config, bars))


def test_all_features_are_those_of_the_book_and_across_instruments_too():
    about = found(("A", "B"), "all")
    assert set(BOOK) | set(CROSS) <= set(about.features)
    assert about.disabled == {}


def test_their_values_are_the_engines_own(tmp_path):
    names = ["rsi_14", "ewma_volatility_96", *BOOK[:4], "market_beta_96", "cross_return_rank"]
    artefact, bars = made(tmp_path, ("A", "B"), names)
    about, panel = panel_facts(artefact), load_panel(artefact)
    assert about.features == tuple(names)
    filled = PanelEngine(("A", "B"), MINUTE, 8).replay(list(bars.values()))
    for series, one in zip(panel.series, filled, strict=True):
        assert series.features.tobytes() == FeatureEngine(about.feature_set()).replay(one).tobytes()
        assert series.bars.tobytes() == one.tobytes()
    assert np.isfinite(panel.rows(np.arange(len(panel.samples)))).all()
    assert len(panel.samples) > 100


def test_one_series_without_a_book_turns_its_features_off_for_all():
    about = found(("A", "B"), "all", blank=("spread", "bid_size"))
    off = {name for name in BOOK if name in about.disabled}
    assert off
    assert off.isdisjoint(about.features)
    for name in off:
        assert about.disabled[name].startswith("needs ")
        assert "which the bars lack" in about.disabled[name]


def test_an_instrument_alone_has_no_features_across_instruments(tmp_path):
    about = found(("A",), "all")
    assert set(CROSS).isdisjoint(about.features)
    assert set(CROSS) <= set(about.disabled)
    with pytest.raises(ValueError, match=r"cross_return_rank compares instruments, and data.symbols names A alone"):
        made(tmp_path, ("A",), ["rsi_14", "ewma_volatility_96", "cross_return_rank"])


def test_what_is_not_the_house_s_changes_the_panel_s_digest_and_nothing_else_does(tmp_path):
    same = [made(tmp_path / str(turn), ("A", "B"), ["rsi_14"])[0].digest for turn in range(2)]
    assert same[0] == same[1]
    assert made(tmp_path / "other", ("A", "B"), ["rsi_6"])[0].digest != same[0]
