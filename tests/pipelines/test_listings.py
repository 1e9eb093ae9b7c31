"""Trainings follow their instruments through renames and changes of the unit, as if nothing had happened."""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction

import msgspec
import numpy as np
import pytest

from features.conformance import plain_bars
from market.errors import UniverseError
from market.lake import Lake
from market.time import MINUTE, format_time
from market.universe import Listing
from market.universe_bars import scaled
from pipelines.audit.base import Trained
from pipelines.audit.probe import panel_of
from pipelines.config import DataConfig, RunConfig, load
from pipelines.errors import ConfigError, StageError
from pipelines.ledger.record import stretches
from pipelines.report.view import called
from pipelines.stages.artefacts import Artefacts
from pipelines.stages.data import describe, read_series, series_key
from pipelines.stages.panel import load_panel, panel_job
from pipelines.stages.summary import series_data
from pipelines.toml import digest
from pipelines.tracking.datasets import dataset, place

COUNT = 900
NEWS = (300, 700)
"""Bars at which NEW is called something else; the second one is in the untouched stretch."""
UNIT = 1024
"""A power of two: changes of the unit round nothing, so equal means equal in every bit."""

CONFIG = """
name = "renamed"
[data]
symbols = ["{symbol}", "OTHER"]
interval = "1m"
holdout = "5h"
{universe}
[features]
names = ["rsi_14", "ewma_volatility_96", "kyle_lambda_96", "market_beta_96"]
[labels]
horizon = 4
"""


def listings_file(folder, changes=NEWS, units=(1, UNIT, 1)):
    """OLD, then ``1024NEW``, then NEW: one instrument; OTHER is another one."""
    times = [format_time(place * MINUTE) for place in changes]
    rows = [
        f"COIN,OLD,1970-01-01,{times[0]},{units[0]}",
        f"COIN,{UNIT}NEW,{times[0]},{times[1]},{units[1]}",
        f"COIN,NEW,{times[1]},,{units[2]}",
        "OTHER,OTHER,1970-01-01,,",
        "UNUSED,UNUSED,1970-01-01,,",
    ]
    (folder / "listings.csv").write_text("\n".join(["instrument,symbol,listed,delisted,multiplier", *rows]) + "\n")


def configured(folder, symbol="NEW", universe='universe = "listings.csv"'):
    path = folder / f"{symbol}.toml"
    path.write_text(CONFIG.format(symbol=symbol, universe=universe))
    return load(path)


def whole():
    """The instrument's bars as if it had been called NEW always."""
    bars = plain_bars(COUNT, 1)
    return np.delete(bars, slice(NEWS[0] - 3, NEWS[0]))  # trading rests before a rename


def pieces():
    """The same bars under the names and in the units of their time."""
    bars = whole()
    number = bars["start"] // MINUTE
    before, middle = number < NEWS[0], (number >= NEWS[0]) & (number < NEWS[1])
    return {"OLD": bars[before], f"{UNIT}NEW": scaled(bars[middle], Fraction(UNIT)), "NEW": bars[number >= NEWS[1]]}


def lake_of(folder, config, series):
    lake = Lake(folder)
    for symbol, bars in {**series, "OTHER": plain_bars(COUNT, 2)}.items():
        lake.write(series_key(config.data, symbol), bars)
    return lake


def panel_bytes(artefact):
    panel = load_panel(artefact)
    series = [part.tobytes() for one in panel.series for part in (one.bars, one.features, one.volatility)]
    samples = [getattr(panel.samples, name).tobytes() for name in ("row", "t0", "t1", "label", "move", "weight")]
    return series + samples


@pytest.fixture
def renamed(tmp_path):
    """The configuration that follows NEW, and the lake with its pieces."""
    listings_file(tmp_path)
    config = configured(tmp_path)
    return config, lake_of(tmp_path / "pieces", config, pieces())


def test_a_renamed_instrument_is_one_series_to_the_bit(renamed, tmp_path):
    config, lake = renamed
    plain = configured(tmp_path, universe="")
    always = lake_of(tmp_path / "whole", plain, {"NEW": whole()})
    assert read_series(config.data, lake, "NEW").tobytes() == read_series(plain.data, always, "NEW").tobytes()
    made = []
    for chosen, place_ in ((config, lake), (plain, always)):
        facts = describe(chosen.data, place_)
        artefacts = Artefacts(tmp_path / f"artefacts-{len(made)}")
        made.append(panel_bytes(artefacts.make(panel_job(chosen, facts, place_))))
    assert made[0] == made[1]
    assert len(load_panel(artefacts.make(panel_job(plain, facts, always))).samples) > 300


def test_the_symbol_that_is_asked_for_decides_the_unit(renamed, tmp_path):
    config, lake = renamed
    thousands = configured(tmp_path, f"{UNIT}NEW")
    coins, grouped = (read_series(one.data, lake, name) for one, name in ((config, "NEW"), (thousands, f"{UNIT}NEW")))
    assert grouped.tobytes() == scaled(coins, Fraction(UNIT)).tobytes()
    assert config.data.unit("NEW") == 1
    assert thousands.data.unit(f"{UNIT}NEW") == UNIT
    assert configured(tmp_path, "OLD").data.unit("OLD") == 1


def test_what_a_training_is_made_of_does_not_depend_on_the_table_it_was_read_from(renamed, tmp_path):
    config, _ = renamed
    assert config.data.universe is None
    assert {one.instrument for one in config.data.listings} == {"COIN", "OTHER"}
    (tmp_path / "other.csv").write_text((tmp_path / "listings.csv").read_text().replace("UNUSED", "NEVER"))
    assert digest(configured(tmp_path, universe='universe = "other.csv"')) == digest(config)
    listings_file(tmp_path, units=(1, UNIT, 2))
    assert digest(configured(tmp_path)) != digest(config)
    again = msgspec.convert(msgspec.json.decode(msgspec.json.encode(config)), RunConfig)
    assert again == config


def test_every_name_and_unit_is_in_the_fingerprint(renamed, tmp_path):
    config, lake = renamed
    base = describe(config.data, lake).series[0].fingerprint
    found = {base}
    changed = pieces()
    changed["OLD"]["close"][0] = changed["OLD"]["high"][0]
    found.add(describe(config.data, lake_of(tmp_path / "changed", config, changed)).series[0].fingerprint)
    listings_file(tmp_path, units=(2, UNIT, 1))
    found.add(describe(configured(tmp_path).data, lake).series[0].fingerprint)
    assert len(found) == 3


def test_a_training_that_begins_after_a_name_needs_no_bars_of_it(renamed, tmp_path):
    config, _ = renamed
    late = {name: bars for name, bars in pieces().items() if name != "OLD"}
    lake = lake_of(tmp_path / "late", config, late)
    assert describe(config.data, lake).series[0].start == NEWS[0] * MINUTE
    assert len(read_series(config.data, lake, "NEW")) == sum(map(len, late.values()))
    # An empty stretch of a series that is there is no different.
    apart = lake_of(tmp_path / "apart", config, {**late, "OLD": plain_bars(5, 3, start=COUNT * MINUTE)})
    assert describe(config.data, apart) == describe(config.data, lake)


def test_a_name_without_bars_is_told_and_not_a_silent_hole(renamed, tmp_path):
    config, _ = renamed
    without = {**pieces(), "NEW": plain_bars(5, 3)}
    with pytest.raises(StageError, match="no 1m bars of NEW, as NEW was called from 1970-01-01T11:40:00Z on: import"):
        describe(config.data, lake_of(tmp_path / "without", config, without))


def test_trials_touch_every_name_in_its_time(renamed):
    config, lake = renamed
    touched = stretches(config.data, describe(config.data, lake))
    assert [(one.symbol, one.start // MINUTE, one.stop // MINUTE) for one in touched] == [
        ("OLD", 0, NEWS[0]),
        (f"{UNIT}NEW", NEWS[0], NEWS[1]),
        ("NEW", NEWS[1], COUNT),
        ("OTHER", 0, COUNT),
    ]


def test_the_report_and_the_tracking_say_what_it_was_called(renamed):
    config, lake = renamed
    first, other = series_data(config, lake, describe(config.data, lake), {"NEW": "spot", "OTHER": "spot"})
    assert called(first) == (
        f"NEW (OLD of 1 to 1970-01-01T05:00:00Z, then {UNIT}NEW of {UNIT} to 1970-01-01T11:40:00Z, then NEW of 1)"
    )
    assert (other.names, called(other), first.gaps, first.missing_bars) == ((), "OTHER", 1, 3)
    assert place(first, None).endswith("instrument=NEW/kind=bars/interval=1m")
    assert msgspec.json.decode(dataset(first).profile)["names"] == ["OLD", f"{UNIT}NEW", "NEW"]


def test_the_audit_reads_the_joined_bars(renamed, tmp_path):
    config, lake = renamed
    facts = describe(config.data, lake)
    artefacts = Artefacts(tmp_path / "artefacts")
    made = artefacts.make(panel_job(config, facts, lake))
    base = Trained(config, facts, lake, (), made, (), (), (), (), (), ())
    assert panel_bytes(panel_of(base, base.world, Artefacts(tmp_path / "scratch"))) == panel_bytes(made)


@pytest.mark.parametrize(
    ("symbols", "error", "message"),
    [
        ('["NEW", "OLD"]', ConfigError, "data.symbols names one instrument twice: NEW and OLD are names of it"),
        ('["NEW", "NONE"]', UniverseError, "NONE named nothing between 1970-01-01"),
    ],
)
def test_symbols_that_name_no_instrument_or_one_twice_are_refused(tmp_path, symbols, error, message):
    listings_file(tmp_path)
    path = tmp_path / "bad.toml"
    path.write_text(
        CONFIG.format(symbol="NEW", universe='universe = "listings.csv"').replace('["NEW", "OTHER"]', symbols)
    )
    with pytest.raises(error, match=message):
        load(path)


def test_a_symbol_that_was_used_again_is_refused_in_a_time_that_holds_both():
    day = 24 * 60 * MINUTE
    listings = (Listing("A", 0, "X", 5 * day, Decimal(7)), Listing("B", 9 * day, "X", None, Decimal(3)))
    both = DataConfig(("X",), "1m", listings=listings)
    with pytest.raises(UniverseError, match="X named A and B one after the other"):
        both.spans("X")
    early, late = (msgspec.structs.replace(both, **{key: "1970-01-08"}) for key in ("stop", "start"))
    assert (early.unit("X"), late.unit("X")) == (7, 3)


def test_a_table_that_is_not_there_is_told(tmp_path):
    with pytest.raises(UniverseError, match=r"listings\.csv: cannot be read"):
        configured(tmp_path)
