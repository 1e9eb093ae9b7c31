"""Bars that follow no clock: several may end at once, and live is research all the same."""

from __future__ import annotations

import numpy as np
import pytest

from features.feature_set import FeatureSet
from market.events import Kind
from market.time import MINUTE
from pipelines.paper import parity, research
from serving.start import holes, read_stream
from tests.serving.small_loop import CONFIG, FEATURES, SYMBOLS, TRAINED, ran, walk, write_bundle
from trading.replay import replay

BARS = "tick-5"


def bursts(seed):
    """The walk's prices at the times of bursts: a third of the bars have no length, many end with the next."""
    bars, random = walk(seed), np.random.default_rng(100 + seed)
    steps = random.choice([0, 0, 1, 7], (len(bars), 2)) * MINUTE  # before a bar, and its length
    steps[TRAINED - 2 : TRAINED + 3] = 0  # a burst at the end of what the model knows, and behind it
    steps[TRAINED] = MINUTE
    moments = int(walk(0)["start"][0]) + np.cumsum(steps.ravel()).reshape(-1, 2)
    bars["start"], bars["end"] = moments[:, 0], moments[:, 1]
    return bars


@pytest.fixture(scope="module")
def bundle(tmp_path_factory):
    features = FeatureSet(FEATURES.names, 0, 8)
    folder = tmp_path_factory.mktemp("bundle") / "bursts"
    return write_bundle(folder, features, walk=bursts, bars=BARS, lengths=(3 * MINUTE, 5 * MINUTE))


@pytest.fixture(scope="module")
def place(bundle, tmp_path_factory):
    """A workspace whose lake has all bars, where the loop put things, and the bars that it was given."""
    place, folders = ran(bundle, tmp_path_factory.mktemp("place"), walk=bursts, interval=BARS)
    return place, folders, read_stream(bundle, CONFIG, place.lake)


def test_the_bars_are_such():
    ends = [bursts(seed)["end"] for seed in range(2)]
    assert all((np.diff(one) == 0).sum() > 40 for one in ends)
    assert all((bursts(seed)["end"] == bursts(seed)["start"]).sum() > 40 for seed in range(2))
    first = bursts(0)
    assert first["end"][TRAINED - 2] == first["end"][TRAINED - 1] == first["start"][TRAINED - 1]


def test_the_stream_goes_on_behind_the_last_bar_and_repeats_none(place, bundle):
    _, _, stream = place
    for seed, symbol in enumerate(SYMBOLS):
        assert stream[symbol].tobytes() == bursts(seed)[TRAINED:].tobytes()
    assert holes(bundle, stream) == []


def test_live_is_research_in_every_byte(place, bundle):
    where, folders, _ = place
    found = parity(research(bundle, CONFIG, where), folders, "small")
    assert {one.what: one.rows == one.equal for one in found} == dict.fromkeys((one.what for one in found), True)
    assert next(one.rows for one in found if one.what == "orders") > 10
    assert replay(folders.journal("small")).digests == 1


def test_positions_last_as_many_bars_as_labels_do(place, bundle):
    """An entry is left with its twenty-fourth bar, whenever that comes, unless a barrier was touched before."""
    _, folders, _ = place
    from trading.journal import read_journal

    events = read_journal(folders.journal("small")).events
    held = []
    for number in range(len(SYMBOLS)):
        mine = events[events["instrument"] == number]
        since = None
        for one in mine:
            if one["kind"] == Kind.SUBMIT_ORDER and one["p6"] == 4:
                held.append(since)
            elif one["kind"] == Kind.SUBMIT_ORDER and one["p6"] == 1:
                since = 0
            elif one["kind"] == Kind.BAR and since is not None:
                since += 1
    assert held
    assert set(held) == {24}
