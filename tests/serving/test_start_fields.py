"""The stream of a live process: what features read is missing at its ends or nowhere."""

from __future__ import annotations

import numpy as np
import pytest

from features.feature_set import FeatureSet
from market.lake import Lake, SeriesKey
from serving.config import ModelConfig, ServeConfig, SourceConfig
from serving.errors import NotReadyError
from serving.scores import read_scores
from serving.start import read_stream
from tests.serving.small_loop import INTERVAL, SYMBOLS, Place, write_bundle

FEATURES = FeatureSet(("trade_size_z_96", "scaled_return_4", "ewma_volatility_24"), INTERVAL, 8)
CONFIG = ServeConfig("small", ModelConfig(folder="x"), SourceConfig("lake", "test"))


@pytest.fixture(scope="module")
def bundle(tmp_path_factory):
    return write_bundle(tmp_path_factory.mktemp("bundle") / "counted", FEATURES, 0.0)


def stored(folder, bars):
    """A lake with some bars behind the bundle's data."""
    lake = Lake(folder / "lake")
    for symbol, one in bars.items():
        lake.write(SeriesKey("test", symbol, "bars", "30m"), one)
    return folder / "lake"


def lacking(place, *rows):
    """The bars behind the snapshot; BBB does not know its number of trades in some."""
    bars = place.bars()
    bars["BBB"]["trade_count"][list(rows)] = np.nan
    return bars


def test_bars_that_lack_a_field_at_the_ends_are_left_out_and_the_rest_is_traded(bundle, tmp_path):
    place = Place(tmp_path, bundle)
    bars = lacking(place, 0, 58, 59)
    found = read_stream(bundle, CONFIG, stored(tmp_path, bars))
    assert [len(found[symbol]) for symbol in SYMBOLS] == [60, 57]
    assert found["BBB"].tobytes() == bars["BBB"][1:58].tobytes()
    served = place.loop().run(place.stream(found))
    assert served.traded == 117
    assert np.isfinite(read_scores(tmp_path / "small.scores")["probability"]).all()


def test_a_field_that_is_missing_inside_is_said_before_anything_is_traded(bundle, tmp_path):
    place = Place(tmp_path, bundle)
    bars = lacking(place, 0, 30, 31)
    with pytest.raises(NotReadyError, match=r"trade_count, .* is missing in 2 of 59 bars of BBB, first at 2020-"):
        read_stream(bundle, CONFIG, stored(tmp_path, bars))


def test_a_series_without_the_field_is_refused(bundle, tmp_path):
    place = Place(tmp_path, bundle)
    with pytest.raises(NotReadyError, match=r"no bar of BBB behind the model's data has all of .*trade_count"):
        read_stream(bundle, CONFIG, stored(tmp_path, lacking(place, *range(60))))


def test_what_no_feature_reads_may_be_missing(bundle, tmp_path):
    place = Place(tmp_path, bundle)
    bars = place.bars()
    assert np.isnan(bars["AAA"]["quote_volume"]).all()
    assert len(read_stream(bundle, CONFIG, stored(tmp_path, bars))["AAA"]) == 60
