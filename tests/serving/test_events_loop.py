"""Where a model decides at events alone, research and the live process make signals at the same bars and no others."""

from __future__ import annotations

import numpy as np
import pytest

from features.engine import FeatureEngine
from features.feature_set import FeatureSet
from market.events import Kind
from models.dataset import decisions
from pipelines.paper import parity, research
from serving.start import trade_start
from tests.serving.small_loop import CONFIG, INTERVAL, SYMBOLS, ran, walk, write_bundle
from trading.journal import read_journal

EVENTS = "cusum_event_2"
FEATURES = FeatureSet(("rsi_14", EVENTS, "ewma_volatility_24"), INTERVAL, 8)


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A bundle, and a loop that has run over the bars behind it."""
    bundle = write_bundle(tmp_path_factory.mktemp("bundle") / "events", FEATURES, events=EVENTS)
    return bundle, *ran(bundle, tmp_path_factory.mktemp("place"))


def test_signals_are_made_at_events_alone(run):
    bundle, _, folders = run
    events = read_journal(folders.journal("small")).events
    begin = trade_start(bundle, CONFIG)
    for number in range(len(SYMBOLS)):
        rows = FeatureEngine(FEATURES).replay(walk(number))
        chosen = decisions(rows, FEATURES.names, EVENTS) & (walk(number)["end"] > begin)
        made = events[(events["kind"] == Kind.SIGNAL) & (events["instrument"] == number)]
        assert made["ts_event"].tolist() == walk(number)["end"][chosen].tolist()
        assert 3 < len(made) < 40


def test_live_is_research_in_every_byte(run):
    bundle, place, folders = run
    found = parity(research(bundle, CONFIG, place), folders, "small")
    assert all(one.rows == one.equal for one in found)
    assert next(one.rows for one in found if one.what == "probabilities") == 120  # every bar is scored all the same


def test_an_undefined_event_is_none():
    column = np.array([[np.nan], [0.0], [1.0], [-1.0], [-0.0]])
    assert decisions(column, ("e",), "e").tolist() == [False, False, True, True, False]
    assert decisions(column, ("e",), "") is None
