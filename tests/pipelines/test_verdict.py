"""The words follow from the intervals."""

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipelines.results import METRICS, Estimate, PairedDifference, PaperRun, Parity
from pipelines.verdict import interval, listed, period, verdict
from tests.pipelines.factory import make_result

RESULT = make_result()
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
    return msgspec.structs.replace(RESULT, predictors=changed, backtest=backtest, differences=tuple(differences))


@settings(max_examples=60, deadline=None)
@given(gain=bounds, sharpe=bounds)
def test_an_edge_is_claimed_only_when_both_intervals_lie_above_zero(gain, sharpe):
    found = verdict(with_intervals(Estimate(sum(gain) / 2, *gain), Estimate(sum(sharpe) / 2, *sharpe)))
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


def test_that_nothing_corrects_for_other_configurations_is_told():
    assert "Nothing here is corrected for the number of configurations tried." in " ".join(verdict(RESULT).sentences)


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
    assert verdict(make_result(edge=0.4, drift=4e-4)).edge_supported
    assert not verdict(make_result(edge=0.0)).edge_supported


def test_texts():
    assert interval(Estimate(None)) == "– [–, –]"
    assert listed(("a",)) == "a"
