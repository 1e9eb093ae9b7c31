"""The words follow from the intervals."""

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipelines.laboratory import Snooping
from pipelines.results import METRICS, Estimate, PairedDifference, PaperRun, Parity
from pipelines.verdict import deflated_sentence, interval, listed, period, verdict
from tests.pipelines.factory import make_result

RESULT = make_result()
GOOD = make_result(edge=0.4, drift=4e-4)
bounds = st.tuples(st.floats(-1, 1), st.floats(-1, 1)).map(sorted)
NOTHING = "No edge is supported by these statistics"


def with_intervals(gain, sharpe, differences=()):
    """The artificial result with chosen intervals."""
    ensemble = RESULT.predictor("ensemble")
    scores = {**ensemble.scores, "information_gain": gain}
    changed = tuple(
        msgspec.structs.replace(one, scores=scores) if one is ensemble else one for one in RESULT.predictors
    )
    performance = msgspec.structs.replace(RESULT.backtest.net_performance, sharpe_annual=sharpe)
    backtest = msgspec.structs.replace(RESULT.backtest, net_performance=performance)
    # The trials are not what these are about: everything beside the intervals is good.
    laboratory = GOOD.laboratory
    return msgspec.structs.replace(
        RESULT, predictors=changed, backtest=backtest, laboratory=laboratory, differences=tuple(differences)
    )


@settings(max_examples=60, deadline=None)
@given(gain=bounds, sharpe=bounds)
def test_an_edge_is_claimed_only_when_both_intervals_lie_above_zero(gain, sharpe):
    found = verdict(with_intervals(Estimate(sum(gain) / 2, *gain), Estimate(sum(sharpe) / 2, *sharpe)))
    assert verdict(RESULT).profit_supported is False
    both = min(*gain, *sharpe) > 0
    assert found.edge_supported == both
    assert found.headline.startswith(NOTHING) != both
    assert ("interval that includes 0" in found.sentences[0]) == (gain[0] <= 0 <= gain[1])
    assert ("no profit is supported" in found.sentences[1]) == (sharpe[0] <= 0 <= sharpe[1])


@settings(max_examples=60, deadline=None)
@given(differences=st.lists(bounds, min_size=1, max_size=5))
def test_members_are_better_worse_or_undecided_by_their_intervals(differences):
    pairs = [PairedDifference(f"m{n}", "log_loss", Estimate(sum(d) / 2, *d)) for n, d in enumerate(differences)]
    found = verdict(with_intervals(Estimate(0.1, 0.0, 0.2), Estimate(0.0, -1.0, 1.0), pairs))
    assert set(found.better_members) == {f"m{n}" for n, (_, high) in enumerate(differences) if high < 0}
    assert set(found.worse_members) == {f"m{n}" for n, (low, _) in enumerate(differences) if low > 0}
    assert len(found.better_members + found.worse_members + found.undecided_members) == len(differences)
    assert ("should then not be used" in " ".join(found.sentences)) == bool(found.better_members)


def test_only_log_loss_decides_between_members():
    pairs = [PairedDifference("lstm", metric, Estimate(-1.0, -2.0, -0.5)) for metric in METRICS if metric != "log_loss"]
    assert verdict(with_intervals(Estimate(0.0, -1, 1), Estimate(0.0, -1, 1), pairs)).better_members == ()


@pytest.mark.parametrize(
    "broken", [Estimate(0.5), Estimate(None), Estimate(0.5, 0.2, None), Estimate(float("nan"), 0.1, 0.2)]
)
def test_an_unknown_interval_claims_nothing(broken):
    found = verdict(with_intervals(broken, broken))
    assert not found.edge_supported
    assert found.headline.startswith(NOTHING)


def test_a_run_without_backtest_claims_no_profit():
    found = verdict(msgspec.structs.replace(RESULT, backtest=None, paper=None))
    assert not found.profit_supported
    assert any("nothing is claimed about profit" in sentence for sentence in found.sentences)


def test_no_trade_is_no_profit():
    quiet = msgspec.structs.replace(RESULT.backtest.net_performance, trades=0, sharpe_annual=Estimate(None))
    found = verdict(
        msgspec.structs.replace(RESULT, backtest=msgspec.structs.replace(RESULT.backtest, net_performance=quiet))
    )
    assert any("made no trade" in sentence for sentence in found.sentences)


@pytest.mark.parametrize(
    ("parity", "same"),
    [
        ((Parity("orders", 9, 9),), True),
        ((Parity("orders", 9, 9), Parity("rows", 9, 8)), False),
        ((), False),
        ((Parity("rows", 0, 0),), False),
    ],
)
def test_parity_needs_rows_and_every_one_of_them(parity, same):
    paper = PaperRun(RESULT.paper.backtest, parity)
    text = " ".join(verdict(msgspec.structs.replace(RESULT, paper=paper)).sentences)
    assert paper.identical == same
    assert ("did NOT agree" in text) != same


def judged(deflated=0.99, problem="", **laboratory):
    """A result whose intervals all lie above zero, with a chosen judgement of its trials."""
    found = msgspec.structs.replace(GOOD.laboratory.deflated, deflated=deflated)
    return msgspec.structs.replace(
        GOOD,
        trials=msgspec.structs.replace(GOOD.trials, problem=problem),
        laboratory=msgspec.structs.replace(GOOD.laboratory, deflated=found, **laboratory),
    )


@pytest.mark.parametrize(
    ("deflated", "problem", "supported"),
    [(0.95, "", True), (0.949, "", False), (None, "", False), (0.99, "row 3 was changed", False)],
)
def test_profit_is_what_is_left_when_every_trial_in_a_whole_ledger_is_counted(deflated, problem, supported):
    found = verdict(judged(deflated, problem))
    assert found.prediction_supported
    assert found.profit_supported == found.edge_supported == supported
    told = " ".join(found.sentences)
    assert GOOD.trials.sentence in told
    assert ("THE LEDGER OF TRIALS IS NOT WHOLE" in told) == bool(problem)
    assert problem in told


def test_without_a_laboratory_no_profit_is_supported():
    found = verdict(msgspec.structs.replace(GOOD, laboratory=None))
    assert not found.profit_supported
    assert "no Sharpe ratio to judge" in " ".join(found.sentences)


def test_the_sentence_of_the_deflated_ratio_says_how_many_and_what_luck_is():
    told = deflated_sentence(judged(0.3))
    luck = f"{GOOD.laboratory.deflated.luck:+.2f}"
    assert (
        f"The best of 4.5 independent strategies without any edge is expected to show an annual Sharpe ratio of {luck}"
        in told
    )
    assert "is 30.0 %, too little where 95 % are asked for" in told
    assert "is 99.0 %, enough where" in deflated_sentence(judged(0.99))


def test_a_single_trial_has_nothing_to_be_deducted():
    alone = msgspec.structs.replace(GOOD.laboratory.deflated, luck=0.0)
    found = msgspec.structs.replace(GOOD, laboratory=msgspec.structs.replace(GOOD.laboratory, deflated=alone))
    assert deflated_sentence(found).startswith("Nothing is deducted for choosing")


@pytest.mark.parametrize(("probability", "told"), [(0.5, False), (0.51, True), (None, False)])
def test_choosing_that_is_worse_than_a_coin_is_told(probability, told):
    one = msgspec.structs.replace(GOOD.laboratory.overfitting[0], probability=probability)
    found = " ".join(verdict(judged(overfitting=(one,))).sentences)
    assert ("Choosing among these by past performance is worse than a coin" in found) == told


@pytest.mark.parametrize(
    ("superior", "told"), [((), False), (("ensemble",), False), (("xgboost",), True), (("xgboost", "ensemble"), True)]
)
def test_a_member_that_stands_out_alone_is_named(superior, told):
    one = Snooping("cash", "xgboost", 0.01, 0.01, 0.01, 0.01, superior)
    found = " ".join(verdict(judged(snooping=(one,))).sentences)
    assert ("these stand out at 5 %: xgboost, better than cash" in found) == told


@pytest.mark.parametrize(("active", "told"), [(18, True), (99, True), (100, False), (0, False)])
def test_a_ratio_that_rests_on_few_days_is_told(active, told):
    returns = np.where(np.arange(120) < active, 0.01, 0.0)
    one = msgspec.structs.replace(GOOD.laboratory.strategies[-1], returns=returns)
    found = " ".join(verdict(judged(strategies=(one,))).sentences)
    assert one.name == "ensemble"
    assert (f"changed on only {active} of 120 days" in found) == told


def test_that_intervals_do_not_count_what_else_was_tried_is_told():
    assert "only the judgement of profit counts what else was tried" in " ".join(verdict(RESULT).sentences)


def test_every_return_says_when():
    told = " ".join(verdict(RESULT).sentences)
    for backtest in (RESULT.backtest, RESULT.paper.backtest):
        assert f"({period(backtest.stretch)})" in told


@pytest.mark.parametrize(
    ("kind", "events", "told"),
    [("perpetual", 0, True), ("perpetual", None, True), ("perpetual", 9, False), ("spot", 0, False)],
)
def test_funding_that_was_left_out_is_told(kind, events, told):
    backtest = msgspec.structs.replace(RESULT.backtest, funding_events=events)
    data = (RESULT.data[0], msgspec.structs.replace(RESULT.data[1], kind=kind))
    found = verdict(msgspec.structs.replace(RESULT, backtest=backtest, data=data))
    assert any("no funding was charged or received" in sentence for sentence in found.sentences) == told


def test_a_planted_edge_is_seen_and_its_absence_too():
    assert verdict(GOOD).edge_supported
    assert not verdict(make_result(edge=0.0)).edge_supported


def test_texts():
    assert interval(Estimate(None)) == "– [–, –]"
    assert listed(("a",)) == "a"


def test_a_member_that_the_last_fit_taught_nothing_is_said():
    result = make_result()
    said = "The last fits, which go live, taught lstm (weight +0.31) nothing"
    assert not any(said in one for one in verdict(result).sentences)
    members = {**result.certificate["members"], "lstm": {**result.certificate["members"]["lstm"], "spread": 0.0}}
    mute = msgspec.structs.replace(result, certificate={**result.certificate, "members": members})
    assert [one for one in verdict(mute).sentences if said in one]
