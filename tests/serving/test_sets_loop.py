"""Prediction sets in the live process: what it journals, where it decides, and that research does the same."""

from __future__ import annotations

import msgspec
import numpy as np
import pytest

from market.events import Kind, SetFlag
from models.bundle.bundle import Bundle
from models.bundle.combination import Conformal
from models.ensemble.conformal import prediction_sets
from pipelines.commands.models import decides
from pipelines.paper import parity, research
from serving.predictor import Predictor
from serving.scores import read_scores
from serving.signal import score_signal
from tests.serving.small_loop import CONFIG, INTERVAL, LIVE, SYMBOLS, TRAINED, ran, walk, write_bundle
from trading.journal import read_journal
from trading.signals import set_flags

CENTRE = 6.8
"""Of the small model: with it, its probabilities lie on both sides of one half."""


def probabilities(bundle):
    """What research says of the bars behind the snapshot, by instrument."""
    found = []
    for seed, symbol in enumerate(SYMBOLS):
        engine, runner = bundle.engine().build(), bundle.runner()
        engine.restore(bundle.engine_state(symbol))
        runner.set_state(bundle.graph_state(symbol))
        found.append(runner.run_rows(engine.replay(walk(seed)[TRAINED:]))[1])
    return found


@pytest.fixture(scope="module")
def tie(tmp_path_factory):
    """A probability of a row to come: with it as the threshold, that row lies on it."""
    found = probabilities(write_bundle(tmp_path_factory.mktemp("plain") / "bundle", centre=CENTRE))[0]
    return float(np.sort(found)[2 * LIVE // 3])


@pytest.fixture(scope="module", params=[False, True], ids=["everywhere", "one side"])
def run(request, tie, tmp_path_factory):
    """A bundle with prediction sets, and a loop that has run over the bars behind it."""
    conformal = Conformal(0.8, tie, one_sided=request.param)
    bundle = write_bundle(tmp_path_factory.mktemp("bundle") / "sets", centre=CENTRE, conformal=conformal)
    return bundle, *ran(bundle, tmp_path_factory.mktemp("place"))


def test_signals_are_made_where_the_set_allows_and_say_it(run):
    bundle, _, folders = run
    events, conformal = read_journal(folders.journal("small")).events, bundle.manifest.conformal
    for number, probability in enumerate(probabilities(bundle)):
        sets = np.array([(1.0 - one >= conformal.least, one >= conformal.least) for one in probability.tolist()])
        assert {tuple(one) for one in sets.tolist()} >= {(True, False), (False, True)}
        one_sided = sets.sum(axis=1) == 1
        assert 5 < one_sided.sum() < LIVE - 5
        chosen = one_sided if conformal.one_sided else np.ones(LIVE, bool)
        made = events[(events["kind"] == Kind.SIGNAL) & (events["instrument"] == number)]
        assert made["ts_event"].tolist() == walk(number)[TRAINED:]["end"][chosen].tolist()
        assert made["flags"].tolist() == [4 + falls + 2 * rises for falls, rises in sets[chosen]]
    others = events[events["kind"] != Kind.SIGNAL]
    assert not others["flags"].any()


def test_a_row_on_the_threshold_is_decided_alike(run, tie):
    bundle, _, folders = run
    probability = probabilities(bundle)[0]
    (place,) = np.flatnonzero(probability == tie)
    assert prediction_sets(bundle.manifest.conformal, probability)[place].tolist() == [False, True]
    events = read_journal(folders.journal("small")).events
    mine = (events["kind"] == Kind.SIGNAL) & (events["instrument"] == 0)
    assert walk(0)[TRAINED:]["end"][place] in events["ts_event"][mine]


def test_live_is_research_in_every_byte(run):
    bundle, place, folders = run
    found = parity(research(bundle, CONFIG, place), folders, "small")
    assert all(one.rows == one.equal for one in found)
    assert next(one.rows for one in found if one.what == "probabilities") == len(SYMBOLS) * LIVE
    assert next(one.rows for one in found if one.what == "journal records") > 150


def test_the_score_tape_has_every_bar_s_set(run):
    bundle, _, folders = run
    scores = read_scores(folders.scores("small"))
    for number, probability in enumerate(probabilities(bundle)):
        mine = scores[scores["instrument"] == number]
        sets = prediction_sets(bundle.manifest.conformal, probability)
        assert mine["prediction_set"].tolist() == set_flags(sets).tolist()
        assert mine["probability"].tobytes() == probability.tobytes()


def test_where_a_model_decides_is_said(run):
    manifest = run[0].manifest
    assert decides(manifest) == (
        "at every bar, if the prediction set holds one side" if manifest.conformal.one_sided else "at every bar"
    )


def test_a_bundle_of_format_1_goes_on_without_sets(tmp_path):
    """Its threshold is in the manifest alone: signals and research's have no set, and nothing is decided by it."""
    plain = write_bundle(tmp_path / "bundle")
    old = msgspec.structs.replace(plain.manifest, format=1, conformal=Conformal(0.8, 0.55))
    bundle = Bundle(plain.folder, plain.digest, old, plain.attestation, plain.files)
    predictor, bars = Predictor(bundle, SYMBOLS), walk(0)[TRAINED:]
    scores = [predictor.observe("AAA", bars[place : place + 1]) for place in range(LIVE)]
    assert all(one.decides and one.prediction_set is None for one in scores)
    live = np.concatenate([score_signal(one, 0, old.payoff, INTERVAL) for one in scores])
    assert len(live) == LIVE
    assert not live["flags"].any()


def test_flags_are_what_the_events_page_says():
    assert (SetFlag.FALLS, SetFlag.RISES, SetFlag.SAID) == (1, 2, 4)
