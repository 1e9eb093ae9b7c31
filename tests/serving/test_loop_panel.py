"""The trading loop over features that compare instruments: it takes bars in steps, late ones by the rule."""

from __future__ import annotations

import numpy as np
import pytest

from features.feature_set import FeatureSet
from market.events import Kind
from serving.errors import NotReadyError
from serving.scores import read_scores
from serving.status import read_status
from tests.serving.small_loop import INTERVAL, SYMBOLS, Place, write_bundle
from tests.serving.test_loop import without_digests
from trading.journal import read_journal

FEATURES = FeatureSet(("market_momentum_24", "cross_return_rank", "ewma_volatility_24"), INTERVAL, 8)


@pytest.fixture(scope="module")
def bundle(tmp_path_factory):
    return write_bundle(tmp_path_factory.mktemp("bundle") / "panel", FEATURES, 0.0)


@pytest.fixture
def place(bundle, tmp_path):
    return Place(tmp_path, bundle)


def with_holes(place, *holes):
    """The bars behind the snapshot; of BBB some are missing."""
    bars = place.bars()
    return {"AAA": bars["AAA"], "BBB": np.delete(bars["BBB"], holes)}


def researched(bundle, bars):
    """The probabilities of every bar, from whole arrays."""
    filled = bundle.panel().replay([bars[symbol] for symbol in SYMBOLS])
    found = []
    for symbol, one in zip(SYMBOLS, filled, strict=True):
        engine, runner = bundle.engine(), bundle.runner()
        engine.restore(bundle.engine_state(symbol))
        runner.set_state(bundle.graph_state(symbol))
        found.append(runner.run_rows(engine.replay(one))[1])
    return found


@pytest.mark.parametrize("holes", [(), (0,), (7, 8, 31), (59,)])
def test_what_live_says_is_what_research_says_with_and_without_missing_bars(place, bundle, holes):
    bars = with_holes(place, *holes)
    place.loop().run(place.stream(bars))
    scores = read_scores(place.folder / "small.scores")
    for number, wanted in enumerate(researched(bundle, bars)):
        live = scores["probability"][scores["instrument"] == number]
        assert live.tobytes() == wanted.tobytes()
        assert np.isfinite(wanted).all()
    assert np.unique(scores["probability"]).size > 50


def test_the_instruments_matter_to_each_other(place, bundle):
    bars = place.bars()
    other = {**bars, "BBB": with_holes(place, 5)["BBB"]}
    one, two = researched(bundle, bars)[0], researched(bundle, other)[0]
    assert one[:5].tobytes() == two[:5].tobytes()
    assert one[5] != two[5]


@pytest.mark.parametrize("count", [1, 2, 41, 80])
def test_a_stopped_loop_goes_on_as_if_it_never_stopped(place, bundle, tmp_path, count):
    bars = with_holes(place, 3, 30)
    whole = Place(tmp_path / "whole", bundle)
    whole.loop().run(whole.stream(bars))
    left = iter(range(count))
    served = place.loop().run(place.stream(bars), lambda: next(left, None) is None)
    assert served.stopped, "in the middle of a step where the count is odd"
    place.loop().run(place.stream(bars))
    events = [read_journal(one.journal).events for one in (place, whole)]
    assert (events[0]["kind"] == Kind.SUBMIT_ORDER).any()
    assert without_digests(events[0]).tobytes() == without_digests(events[1]).tobytes()


def test_a_step_that_lacks_a_bar_is_traded_when_its_grace_is_over_not_when_the_next_bar_comes(place):
    bars = with_holes(place, 2)
    loop, seen = place.loop(speed=INTERVAL / 1e9), []  # a bar a second; the grace of 2 s is over at once

    def watch():
        seen.append(read_status(place.status)["bars"])
        return seen[-1] == 5

    served = loop.run(place.stream(bars), watch)
    assert served.stopped, "the third bar of AAA was traded while the fourth was awaited"
    assert served.traded == 5


def test_a_bar_that_is_added_behind_the_end_of_the_stream_is_refused_not_traded_late(place):
    stream = place.stream()
    place.loop().run(stream[:1])
    with pytest.raises(NotReadyError, match="bars were changed or added behind its back"):
        place.loop().run(stream)


def test_a_late_bar_is_dropped_and_said(place, bundle):
    bars, stream = place.bars(), place.stream()
    late = next(one for one in stream if one.number == 1)
    rest = [one for one in stream if one is not late]
    place.loop().run([rest[0], rest[1], late, *rest[2:]])
    assert any("BBB" in one and "came after its step was closed" in one for one in place.said)
    scores = read_scores(place.folder / "small.scores")
    wanted = researched(bundle, {**bars, "BBB": bars["BBB"][1:]})
    for number in range(2):
        assert scores["probability"][scores["instrument"] == number].tobytes() == wanted[number].tobytes()
