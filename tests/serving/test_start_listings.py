"""A live process follows what it was trained on through later names and units."""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction

import msgspec
import pytest

from market.errors import UniverseError
from market.lake import Lake, SeriesKey
from market.universe import Listing
from market.universe_bars import scaled
from pipelines.ledger.backtests import backtest_trial
from pipelines.live import load_live, write_live
from pipelines.workspace import Workspace
from serving.config import ModelConfig, ServeConfig, SourceConfig
from serving.errors import NotReadyError
from serving.start import read_stream
from tests.serving.small_loop import INTERVAL, TRAINED, Place, walk, write_bundle

FIRST = int(walk(0)["start"][0])
SPLIT = 20
"""Bars behind the snapshot at which AAA is called 1024AAA."""


def at(row):
    return FIRST + row * INTERVAL


def followed(*listings, **source):
    return ServeConfig("small", ModelConfig(folder="x"), SourceConfig("lake", "test", listings=listings, **source))


OTHER = Listing("BBB", 0, "BBB")
PLAIN = followed()
CHANGE = at(TRAINED + SPLIT)
RENAMED = followed(Listing("A", 0, "AAA", CHANGE), Listing("A", CHANGE, "1024AAA", None, Decimal(1024)), OTHER)


@pytest.fixture(scope="module")
def bundle(tmp_path_factory):
    return write_bundle(tmp_path_factory.mktemp("bundle") / "small")


def stored(folder, bars):
    lake = Lake(folder)
    for symbol, one in bars.items():
        lake.write(SeriesKey("test", symbol, "bars", "30m"), one)
    return folder


def pieces(bars):
    """AAA's bars, the later ones under another name and in another unit."""
    return {"AAA": bars["AAA"][:SPLIT], "1024AAA": scaled(bars["AAA"][SPLIT:], Fraction(1024)), "BBB": bars["BBB"]}


def same(one, other):
    return {name: bars.tobytes() for name, bars in one.items()} == {
        name: bars.tobytes() for name, bars in other.items()
    }


def test_it_trades_on_through_a_new_name_and_unit_to_the_same_bytes(bundle, tmp_path):
    journals = []
    for number, (config, series) in enumerate(((PLAIN, lambda bars: bars), (RENAMED, pieces))):
        place = Place(tmp_path / str(number), bundle)
        place.folder.mkdir()
        stream = read_stream(bundle, config, stored(place.folder / "lake", series(place.bars())))
        assert same(stream, place.bars())
        place.loop().run(place.stream(stream))
        journals.append((place.journal / "records.bin").read_bytes())
    assert journals[0] == journals[1]
    assert len(journals[0]) > 128 * 100


def test_the_name_of_the_training_may_be_gone_before_its_data_end(bundle, tmp_path):
    gone = followed(Listing("A", 0, "AAA", at(TRAINED - 50)), Listing("A", at(TRAINED - 50), "NEW"), OTHER)
    bars = Place(tmp_path, bundle).bars()
    taken = {"NEW": bars["AAA"], "AAA": walk(7)[TRAINED:], "BBB": bars["BBB"]}  # another coin took the name
    gone = msgspec.structs.replace(
        gone,
        source=msgspec.structs.replace(
            gone.source, listings=(*gone.source.listings, Listing("THIEF", at(TRAINED + 5), "AAA"))
        ),
    )
    assert same(read_stream(bundle, gone, stored(tmp_path / "lake", taken)), bars)


def test_what_was_delisted_before_has_nothing_to_trade(bundle, tmp_path):
    config = followed(Listing("A", 0, "AAA", at(TRAINED)), OTHER)
    lake = stored(tmp_path / "lake", Place(tmp_path, bundle).bars())
    with pytest.raises(NotReadyError, match=r"has no 30m bars of AAA .* behind"):
        read_stream(bundle, config, lake)
    with pytest.raises(UniverseError, match="AAA is not in the universe"):
        read_stream(bundle, followed(OTHER), lake)


def test_its_trial_touches_every_name(bundle, tmp_path):
    place = Workspace(tmp_path)
    stored(tmp_path / "lake", pieces(Place(tmp_path, bundle).bars()))
    trial = backtest_trial(bundle, RENAMED, place, "c" * 64)
    touched = [(one.symbol, (one.start - FIRST) // INTERVAL - TRAINED) for one in trial.touched]
    assert touched == [("AAA", 0), ("1024AAA", SPLIT), ("BBB", 0)]
    stored(tmp_path / "plain" / "lake", Place(tmp_path, bundle).bars())
    other = backtest_trial(bundle, PLAIN, Workspace(tmp_path / "plain"), "c" * 64)
    assert trial.data["AAA"] != other.data["AAA"]
    assert trial.data["BBB"] == other.data["BBB"]


def test_its_configuration_keeps_the_table_beside_it(tmp_path):
    path = write_live(RENAMED, tmp_path)
    assert 'universe = "listings.csv"' in path.read_text()
    assert "1024AAA" in (tmp_path / "listings.csv").read_text()
    assert load_live(path) == RENAMED
    assert load_live(write_live(PLAIN, tmp_path / "plain")) == PLAIN
    assert not (tmp_path / "plain" / "listings.csv").exists()
