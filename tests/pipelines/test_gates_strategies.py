"""What champion and successor earn is what a backtest says they earn, and is compared bar by bar."""

from dataclasses import replace

import msgspec
import numpy as np
import pytest

from market.events import MONEY
from market.time import DAY, HOUR
from models.bundle.store import ModelStore
from pipelines.config import RunConfig
from pipelines.gates.config import GateConfig
from pipelines.gates.evidence import find_result, in_money, newest
from pipelines.gates.rivals import RETURN, Lead, earns_no_less_gate
from pipelines.gates.strategies import Earned, compared_returns, earned
from pipelines.paper import research, serve_config
from tests.pipelines.promoted import fill

CONFIG = GateConfig(draws=200)
HORIZON = 6 * HOUR


@pytest.fixture(scope="module")
def workspace(tmp_path_factory):
    return fill(tmp_path_factory.mktemp("strategies"))


def version(workspace, number):
    bundle = ModelStore(workspace.store).resolve("tiny", number)
    run = msgspec.convert(find_result(workspace.runs, bundle.digest).config, RunConfig)
    return bundle, newest(bundle, run, workspace), run


def eager(run):
    """Rules by which every expected gain is traded, without asking for the costs."""
    decision = msgspec.structs.replace(run.trading.decision, margin=-0.002)
    risk = msgspec.structs.replace(run.trading.risk, drawdown=0.9)
    return msgspec.structs.replace(run, trading=msgspec.structs.replace(run.trading, decision=decision, risk=risk))


def test_it_earns_what_its_backtest_earns(workspace):
    bundle, scored, run = version(workspace, 1)
    run, begin = eager(run), bundle.manifest.training.trained_through
    found = earned(bundle, scored, run, begin)
    backtest = research(bundle, serve_config(run, "run1", 1), workspace).net
    assert found.time.tolist() == backtest.time.tolist()
    assert (found.wealth * MONEY).round().astype(np.int64).tolist() == backtest.equity.tolist()
    assert len(set(backtest.equity.tolist())) > 100, "it trades"
    later = earned(bundle, scored, run, begin + 10 * DAY)
    assert later.time.min() > begin + 10 * DAY
    assert earned(bundle, scored, run, int(found.time[-1])) is None


def test_both_are_traded_and_each_is_the_others_opposite(workspace):
    (good, good_scored, run), (bad, bad_scored, _) = version(workspace, 1), version(workspace, 2)
    run = eager(run)
    forth = in_money(good, good_scored, bad, bad_scored, run, CONFIG)
    back = in_money(bad, bad_scored, good, good_scored, run, CONFIG)
    begin = good.manifest.training.trained_through
    ours, theirs = earned(good, good_scored, run, begin), earned(bad, bad_scored, run, begin)
    gains = np.diff(ours.wealth) / ours.wealth[:-1] - np.diff(theirs.wealth) / theirs.wealth[:-1]
    days = (ours.time[-1] - ours.time[0]) / DAY
    assert forth.value == pytest.approx(gains.sum() / days)
    assert back.value == pytest.approx(-forth.value)
    assert forth.value > 0
    assert forth.rows == len(gains)
    same = in_money(good, good_scored, good, good_scored, run, CONFIG)
    assert (same.value, same.visible) == (0.0, 0.0)
    assert earns_no_less_gate(same, "the champion", CONFIG).passed


def test_models_of_other_markets_are_not_compared(workspace):
    bundle, scored, run = version(workspace, 1)
    rules = {**bundle.manifest.instruments[0], "symbol": "ELSE"}
    manifest = msgspec.structs.replace(bundle.manifest, instruments=(rules,))
    other = replace(bundle, manifest=manifest)
    assert "they differ in instruments" in in_money(bundle, scored, other, scored, run, CONFIG)


def wealth(returns):
    return 1e4 * np.cumprod(np.concatenate([[1.0], 1.0 + returns]))


def two(seed, edge, count=2_400, spread=2e-4):
    """Two strategies on one market, hour by hour; the first earns ``edge`` a day more."""
    random = np.random.default_rng(seed)
    market = random.normal(0, 2e-3, count)
    time = HOUR * np.arange(count + 1)
    own = [market + random.normal(0, spread, count) for _ in range(2)]
    return Earned(time, wealth(own[0] + edge / 24)), Earned(time, wealth(own[1]))


def test_one_that_earns_less_by_the_margin_rarely_passes_and_an_equal_one_does():
    def passes(edge, margin, runs):
        config = GateConfig(draws=200, return_margin=margin)
        found = [compared_returns(*two(seed, edge), HORIZON, config) for seed in range(runs)]
        assert all(one.visible <= margin for one in found)
        return np.mean([earns_no_less_gate(one, "the champion", config).passed for one in found])

    assert passes(-0.001, 0.001, 300) < 0.1
    assert passes(0.0, 0.001, 30) > 0.9


def test_the_difference_that_is_called_visible_is_seen_as_often_as_is_said():
    found = [compared_returns(*two(seed, 0.0), HORIZON, CONFIG) for seed in range(150)]
    stated = float(np.median([one.visible for one in found]))
    assert stated == pytest.approx(2.487 * np.std([one.value for one in found]), rel=0.25)


def test_bars_of_unequal_length_count_by_their_time():
    time = DAY * np.cumsum(np.r_[0, np.tile([1, 3], 300)])
    gains = np.tile([0.01, 0.03], 300)
    found = compared_returns(
        Earned(time, wealth(gains)), Earned(time, np.full(601, 1e4)), 2 * DAY, GateConfig(draws=100)
    )
    assert found.value == pytest.approx(0.01)
    assert found.surely == pytest.approx(0.01)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda time, one: (time[:1], one[:1]), "share 1 moments"),
        (lambda time, one: (time[:60], one[:60]), "59 bars in 1 blocks of time, where 10 are needed"),
        (lambda time, one: (time, np.where(time == time[-1], 0.0, one)), "lost everything"),
        (
            lambda time, one: (time, np.where(time >= 400 * HOUR, one * 1.01, one)),
            "happened in about 1 blocks of time, where 10",
        ),
    ],
)
def test_too_little_to_compare_is_said(change, words):
    _, theirs = two(1, 0.0)
    ours = Earned(*change(theirs.time, theirs.wealth))
    said = compared_returns(ours, theirs, HORIZON, CONFIG)
    assert words in said
    assert earns_no_less_gate(said, "the champion", CONFIG).word == "not enough evidence"


def test_the_row_says_what_was_earned_and_what_could_be_seen():
    said = earns_no_less_gate(Lead(0.0004, -0.0002, 0.0001, 0.0009, 4_000, 4_000.0, 20, RETURN), "the champion", CONFIG)
    assert said.reason == (
        "net return higher by +0.040 % a day over 4,000 bars, above −0.020 % at 95 %; 4,000 bars show 0.090 % or more"
    )
