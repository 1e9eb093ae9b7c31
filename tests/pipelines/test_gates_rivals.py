"""Who is better is said with the confidence that is stated, and not where it could not have been seen."""

from dataclasses import replace

import numpy as np
import pytest

from market.time import DAY, HOUR
from pipelines.behind import Behind
from pipelines.gates.config import GateConfig
from pipelines.gates.rivals import better_gate, lead, matched, not_worse_gate

CONFIG = GateConfig(draws=200)
HORIZON = 6 * HOUR


def logistic(values):
    return 1.0 / (1.0 + np.exp(-values))


def decisions(signal, label, heed, count):
    """What a model says that heeds the signal so much, decided hour by hour; six hours share a label's time."""
    return Behind(
        np.full(count, "FAKE"),
        HOUR * np.arange(1, count + 1),
        label,
        logistic(heed * signal),
        np.full(count, 1.0 / 6.0),
        HORIZON,
        logistic(heed * signal),
        np.full(count, np.nan),
    )


def two_models(seed, ours, theirs, count=6_000, truth=0.3):
    """Both see a signal that stays for six hours, of which the truth heeds ``truth``."""
    random = np.random.default_rng(seed)
    signal = np.repeat(random.normal(size=count // 6), 6)
    label = np.repeat((random.random(count // 6) < logistic(truth * signal[::6])).astype(np.int64), 6)
    return decisions(signal, label, ours, count), decisions(signal, label, theirs, count)


def leads(ours, theirs, runs=200, **options):
    found = []
    for seed in range(runs):
        mine, other = two_models(seed, ours, theirs, **options)
        found.append(lead(mine, other.probability, CONFIG))
    return found


def share(gate, found, config):
    return np.mean([gate(one, "the champion", config).passed for one in found])


@pytest.fixture(scope="module")
def alike():
    """Two models that are equally good in expectation, though they say different things: half and one and a half."""
    random = np.random.default_rng(99)
    signal = random.normal(size=400_000)
    probability = logistic(0.3 * signal)

    def loss(heed):
        said = logistic(heed * signal)
        return -(probability * np.log(said) + (1 - probability) * np.log1p(-said)).mean()

    wanted = loss(0.15)
    low, high = 0.3, 0.8
    for _ in range(40):
        middle = (low + high) / 2
        low, high = (middle, high) if loss(middle) < wanted else (low, middle)
    return leads(0.15, low)


def test_of_two_equally_good_models_neither_is_often_called_better(alike):
    """At a confidence of 80 % one in five is, by chance; the bootstrap of few blocks is a little too sure."""
    wide = GateConfig(margin=1.0, draws=200)
    assert 0.12 < share(better_gate, alike, wide) < 0.28


def test_a_model_worse_by_the_margin_rarely_passes_and_an_equal_one_does():
    """Non-inferiority at 95 %: where the truth lies on the margin, one in twenty passes by chance."""
    worse = leads(-0.1, 0.3)
    expected = -float(np.mean([one.value for one in worse]))
    on_the_margin = GateConfig(margin=expected, draws=200)
    assert share(lambda one, *rest: not_worse_gate(replace(one, visible=0.0), *rest), worse, on_the_margin) < 0.1
    equal = leads(0.3, 0.31, runs=20)
    assert share(not_worse_gate, equal, GateConfig(draws=200)) == 1.0


def test_a_better_model_is_found():
    assert share(better_gate, leads(0.3, -0.3, runs=50), GateConfig(margin=1.0, draws=200)) > 0.95


def test_the_difference_that_is_called_visible_is_seen_as_often_as_is_said(alike):
    """A lead of the stated size exceeds zero at the confidence of 95 % about as often as the power says."""
    spread = float(np.std([one.value for one in alike]))
    stated = float(np.median([one.visible for one in alike]))
    seen = np.mean([one.surely + (stated - np.mean([two.value for two in alike])) > 0 for one in alike])
    assert 0.7 < seen < 0.95
    assert stated == pytest.approx(2.487 * spread, rel=0.25)


def test_few_rows_cannot_show_a_small_difference():
    ours, theirs = two_models(1, 0.3, 0.0, count=600)
    found = lead(ours, theirs.probability, CONFIG)
    assert found.visible > CONFIG.margin
    for gate in (better_gate, not_worse_gate):
        said = gate(found, "the champion", CONFIG)
        assert said.word == "not enough evidence"
        assert "100 effective rows show" in said.reason


def test_too_little_time_to_draw_from_is_said():
    ours, theirs = two_models(1, 0.3, 0.0, count=120)
    assert "2 blocks of time, where 10 are needed" in lead(ours, theirs.probability, CONFIG)
    nothing = ours.rows(np.zeros(len(ours), np.bool_))
    assert "0 decisions" in lead(nothing, nothing.probability, CONFIG)


def test_the_same_model_is_not_worse_and_not_better():
    ours, _ = two_models(1, 0.3, 0.0)
    found = lead(ours, ours.probability, CONFIG)
    assert (found.value, found.visible) == (0.0, 0.0)
    assert not_worse_gate(found, "the champion", CONFIG).passed
    assert better_gate(found, "the champion", CONFIG).word == "FAILED"


def test_only_decisions_of_the_same_instrument_and_time_are_compared():
    ours, theirs = two_models(1, 0.3, 0.0, count=60)
    late = theirs.rows(theirs.t0 > DAY)
    other = replace(late, symbol=np.where(np.arange(len(late)) == 0, "ELSE", late.symbol))
    mine, same = matched(ours, other)
    assert len(mine) == len(same) == 60 - 24 - 1
    assert (mine.t0 == same.t0).all()
    assert (mine.symbol == same.symbol).all()
    assert mine.t0.min() == 26 * HOUR
    assert len(matched(ours, other.rows(np.zeros(len(other), np.bool_)))[0]) == 0
