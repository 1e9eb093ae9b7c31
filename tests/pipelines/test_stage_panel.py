"""The panel stage: which features are on follows from the fields of the bars, and values are the engines' own."""

from __future__ import annotations

import msgspec
import numpy as np
import pytest

from features.catalogue import CATALOGUE, GROUPS, by_default
from features.conformance import plain_bars
from features.engine import FeatureEngine
from features.panel.engine import PanelEngine
from market.bars import PANEL_FIELDS, empty_bars
from market.funding.fill import fill_bars
from market.lake import Lake, SeriesKey
from market.lake.keys import IRREGULAR
from market.time import HOUR, MINUTE
from pipelines.audit.base import Trained
from pipelines.config import RunConfig
from pipelines.errors import StageError
from pipelines.stages.artefacts import Artefacts
from pipelines.stages.data import describe, series_key
from pipelines.stages.features import facts_of, find_features
from pipelines.stages.panel import load_panel, panel_facts, panel_job

BOOK = tuple(one.name for one in GROUPS["book"])
CROSS = tuple(one.name for one in GROUPS["cross"])
FUNDING = ("funding_bps", "funding_carry")
COUNT = 900
RESEARCH = COUNT - 60
"""Bars before the cut."""


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


def made(folder, symbols, names, spoil=lambda bars: None):
    """The panel of random bars of some symbols, and the bars it may read."""
    config, lake, bars = configured(symbols, names), Lake(folder / "lake"), bars_of(symbols)
    spoil(bars)
    for symbol, one in bars.items():
        lake.write(series_key(config.data, symbol), one)
    facts = describe(config.data, lake)
    artefact = Artefacts(folder / "artefacts").make(panel_job(config, facts, lake))
    return artefact, {symbol: one[one["end"] <= facts.cut] for symbol, one in bars.items()}


def found(symbols, names, blank=(), spoil=lambda bars: None):
    """What is written down of the features of a configuration."""
    config, known = configured(symbols, names), bars_of(symbols, blank)
    spoil(known)
    bars = [one[:RESEARCH] for one in known.values()]
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


def blank(field, rows, symbol="A"):
    """What makes a field missing in some bars of a symbol."""

    def spoil(bars):
        bars[symbol][field][rows] = np.nan

    return spoil


def test_bars_without_a_field_at_the_ends_are_left_out_where_a_feature_reads_it(tmp_path, caplog):
    def spoil(bars):
        bars["A"]["funding_rate"][:5] = np.nan
        bars["A"]["funding_in"][RESEARCH - 3 : RESEARCH] = np.nan

    names = ["rsi_14", "ewma_volatility_96", *FUNDING]
    artefact, bars = made(tmp_path / "read", ("A", "B"), names, spoil)
    panel, features = load_panel(artefact), panel_facts(artefact).feature_set()
    for series, one in zip(panel.series, (bars["A"][5 : RESEARCH - 3], bars["B"]), strict=True):
        assert series.bars.tobytes() == one.tobytes()
        assert series.features.tobytes() == FeatureEngine(features).replay(one).tobytes()
    sentence = "8 of 840 bars of A are left out at the ends, where funding_in, funding_rate is missing"
    assert sentence in caplog.text
    assert panel_facts(artefact).left_out == (sentence,)
    caplog.clear()
    artefact, bars = made(tmp_path / "unread", ("A", "B"), names[:2], spoil)
    assert load_panel(artefact).series[0].bars.tobytes() == bars["A"].tobytes()
    assert caplog.text == ""
    assert panel_facts(artefact).left_out == ()


@pytest.mark.parametrize(("count", "on"), [(8, True), (9, False)])
def test_a_field_is_there_if_99_of_100_bars_of_every_series_have_it(count, on):
    about = found(("A", "B"), "all", spoil=blank("funding_rate", slice(count), "B"))
    assert (set(FUNDING) <= set(about.features)) is on
    reason = "needs funding_rate, which is missing in 9 of 840 bars of B, first at 1970-01-01T00:00:00Z"
    assert about.disabled.get("funding_bps", "") == ("" if on else reason)


def test_one_missing_value_inside_turns_off_what_reads_it_and_says_where():
    about = found(("A", "B"), "all", spoil=blank("taker_buy_volume", 100))
    off = {name for name, feature in CATALOGUE.items() if "taker_buy_volume" in feature.fields and by_default(feature)}
    assert set(about.disabled) == off
    assert set(about.disabled.values()) == {
        "needs taker_buy_volume, which is missing in 1 of 840 bars of A, first at 1970-01-01T01:40:00Z"
    }


def test_an_audit_starts_from_the_bars_that_are_left(tmp_path):
    config, lake = configured(("A",), ["rsi_14", *FUNDING]), Lake(tmp_path)
    bars = bars_of(("A",))["A"]
    bars["funding_rate"][:5] = bars["funding_in"][-30:] = np.nan
    lake.write(series_key(config.data, "A"), bars)
    base = Trained(config, describe(config.data, lake), lake, (), None, (), (), (), (), (), ())
    assert base.world.bars[0].tobytes() == bars[5:-30].tobytes()


def test_a_feature_named_over_bars_that_lack_its_field_is_an_error_before_anything_is_computed(tmp_path, monkeypatch):
    monkeypatch.setattr("pipelines.stages.panel.compute_series", lambda *all: pytest.fail("features were computed"))
    names = ["rsi_14", "ewma_volatility_96", *FUNDING]
    for rows, told in (
        (500, "1 of 840 bars of A, first at 1970-01-01T08:20:00Z"),
        (slice(700, 800), "100 of 840 bars"),
    ):
        sentence = (
            f"^feature funding_bps needs funding_rate, which is missing in {told}.*leave it out, or give all bars"
        )
        with pytest.raises(StageError, match=sentence):
            made(tmp_path / str(rows), ("A", "B"), names, blank("funding_rate", rows))
    with pytest.raises(StageError, match=r"^feature funding_bps needs funding_rate, which the bars lack: leave it out"):
        made(tmp_path / "none", ("A", "B"), names, blank("funding_rate", slice(None)))


def test_bars_filled_with_fundings_give_features_of_them_though_the_first_bars_have_none(tmp_path):
    config, lake = configured(("A",), ["rsi_14", "ewma_volatility_96", *FUNDING]), Lake(tmp_path / "lake")
    bars = plain_bars(COUNT, 3)
    for field in ("funding_rate", "funding_in", "mark_price", *PANEL_FIELDS):
        bars[field] = np.nan
    fundings = empty_bars(15)
    fundings["start"] = fundings["end"] = 4 * MINUTE + HOUR * np.arange(15)
    fundings["funding_rate"] = 1e-5 * np.arange(15)
    key = series_key(config.data, "A")
    lake.write(key, bars)
    lake.write(SeriesKey(config.data.venue, "A", "funding", IRREGULAR), fundings)
    fill_bars(lake, key)
    filled = lake.read(key)
    assert np.flatnonzero(np.isnan(filled["funding_rate"][:RESEARCH])).tolist() == [0, 1, 2]
    artefact = Artefacts(tmp_path / "artefacts").make(panel_job(config, describe(config.data, lake), lake))
    panel, about = load_panel(artefact), panel_facts(artefact)
    assert panel.series[0].bars.tobytes() == filled[3:RESEARCH].tobytes()
    column = panel.series[0].features[:, about.features.index("funding_bps")]
    assert column == pytest.approx(1e4 * filled["funding_rate"][3:RESEARCH])
    assert len(panel.samples) > 100
    assert np.isfinite(panel.rows(np.arange(len(panel.samples)))).all()
