"""What is needed and what fits, against the papers' formulas by hand and in every case without meaning."""

import math
from statistics import NormalDist

import msgspec
import numpy as np
import pytest
from scipy.stats import binom

from market.bars import empty_bars
from market.events import MONEY
from market.time import DAY, HOUR
from models.statistics.sharpe import drawdown
from pipelines.bets import Bets
from pipelines.estimate import Estimate
from pipelines.laboratory import Strategy
from pipelines.needed import capacity_of, needed, risk_of
from pipelines.report.needed import needed_rows
from pipelines.stages.performance import performance
from pipelines.stages.redrawn import ranges
from pipelines.stages.round_trips import bets, edge
from tests.pipelines.factory import make_result
from tests.trading.trading_samples import EXCHANGE, HORIZON, INTERVAL, TRADING, four_instruments, random_tape
from trading.backtest import run
from trading.trades import TRADE, round_trips

RESULT = make_result(count=1_400)
NORMAL = NormalDist()
YEAR = 365.25**0.5


def traded(returns, result=RESULT, **changes):
    one = Strategy("ensemble", Estimate(None), 9, np.asarray(returns), total_return=0.0)
    lab = msgspec.structs.replace(result.laboratory, strategies=(one,))
    return msgspec.structs.replace(result, laboratory=lab, **changes)


def with_bets(found):
    net = msgspec.structs.replace(RESULT.backtest.net_performance, bets=found)
    return msgspec.structs.replace(RESULT, backtest=msgspec.structs.replace(RESULT.backtest, net_performance=net))


def values(result):
    return [one["value"] for one in needed_rows(result)]


def test_record_and_haircut_are_the_papers_formulas_written_out():
    returns = np.random.default_rng(8).normal(0.002, 0.01, 300)
    result = traded(returns)
    found = needed(result)
    mean, deviation = returns.mean(), returns.std()
    sharpe = mean / returns.std(ddof=1)
    skewness, kurtosis = (((returns - mean) / deviation) ** k for k in (3, 4))
    variance = 1 - skewness.mean() * sharpe + (kurtosis.mean() - 1) / 4 * sharpe**2
    for days, benchmark in ((found.record_zero, 0.0), (found.record_luck, result.laboratory.deflated.luck / YEAR)):
        wanted = math.inf
        if sharpe > benchmark:
            wanted = 1 + variance * (NORMAL.inv_cdf(0.95) / (sharpe - benchmark)) ** 2
        assert days == pytest.approx(wanted)
    p_value = 2 * NORMAL.cdf(-sharpe * math.sqrt(300))
    adjusted = 1 - (1 - p_value) ** result.trials.distinct
    assert found.haircut_p_value == pytest.approx(adjusted)
    assert found.haircut_sharpe == pytest.approx(NORMAL.inv_cdf(1 - adjusted / 2) / math.sqrt(300) * YEAR)
    assert 0 < found.haircut_sharpe < found.sharpe


def test_a_ratio_that_is_not_positive_has_no_record_and_no_haircut_and_says_so():
    result = traded(np.random.default_rng(8).normal(-0.004, 0.01, 300))
    found = needed(result)
    assert (found.record_zero, found.record_luck, found.haircut_sharpe) == (math.inf, math.inf, None)
    answers = values(result)
    assert answers[:2] == ["none is long enough: the ratio is not above it"] * 2
    assert answers[2] == "none: the ratio is not above 0"


def test_nothing_is_asked_without_trading():
    assert needed_rows(traded(np.zeros(200))) == []
    assert needed_rows(msgspec.structs.replace(RESULT, laboratory=None)) == []


def test_a_result_of_before_round_trips_were_kept_says_that_they_are_unknown():
    assert values(with_bets(None))[3:] == ["unknown: round trips are not known"] * 2


def test_the_risk_is_the_binomial_probability_of_too_few_hits():
    one = Bets(500, 317, 0.01, -0.01, 52.0, Estimate(0.002, 0.001, 0.003), 0.1, 0.02, 1e9)
    found, missing = risk_of(one)
    needed_hits = next(k for k in range(1, 53) if _sharpe(k / 52, 52) >= 1.0)
    assert missing == ""
    assert found.value == pytest.approx(binom.cdf(needed_hits - 1, 52, 317 / 500))
    assert found.low < found.value < found.high


def _sharpe(precision, bets):
    """Of even bets a year."""
    spread = 2 * math.sqrt(precision * (1 - precision))
    return math.inf if spread == 0 else (2 * precision - 1) / spread * math.sqrt(bets)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"gain": None, "hits": 0}, "all won or all lost"),
        ({"loss": None, "hits": 400}, "all won or all lost"),
        ({"per_year": 0.5}, "less than one"),
        ({"per_year": None}, "less than one"),
    ],
)
def test_a_risk_without_meaning_says_why(changes, said):
    one = Bets(400, 210, 0.01, -0.01, 900.0, Estimate(0.001, -0.001, 0.003), 0.1, 0.03, 1e9)
    found, missing = risk_of(msgspec.structs.replace(one, **changes))
    assert found.value is None
    assert said in missing


def test_at_capacity_two_impacts_eat_the_edge():
    one = Bets(400, 210, 0.01, -0.01, 900.0, Estimate(0.004, -0.001, 0.006), 0.1, 0.03, 1e9)
    found, missing = capacity_of(one)
    assert missing == ""
    assert 2 * 0.03 * math.sqrt(0.1 * found.value / 1e9) == pytest.approx(0.004)
    assert (found.low, found.high) == (0.0, pytest.approx(found.value * 2.25))
    assert capacity_of(msgspec.structs.replace(one, daily_volume=None))[1] == "the market's traded value is not known"


def test_round_trips_are_measured_as_written():
    days = 40
    prices = 100 * np.exp(np.cumsum(np.random.default_rng(2).normal(0, 0.02, (2, 24 * days)), axis=1))
    series = []
    for number in range(2):
        bars = empty_bars(24 * days)
        bars["end"] = HOUR * np.arange(1, 24 * days + 1)
        bars["start"] = bars["end"] - HOUR
        bars["close"] = prices[number]
        bars["quote_volume"] = 1e6 * (number + 1)
        series.append(bars)
    trades = np.zeros(12, TRADE)
    trades["instrument"] = np.arange(12) % 3 == 0
    trades["entry_notional"] = 1_000 * MONEY
    trades["profit"] = MONEY * np.array([10, -5, 0, 20, -5, 30, -15, 10, -5, 5, 5, -2])
    equity = np.full(24 * days, 10_000.0)
    found = bets(trades, series[0]["end"], equity, series)
    assert (found.count, found.hits) == (12, 6)
    assert found.gain == pytest.approx(80 / 6 / 1_000)
    assert found.loss == pytest.approx(-32 / 6 / 1_000)
    assert found.edge.value == pytest.approx(48 / 12 / 1_000)
    assert found.edge.low < found.edge.value < found.edge.high
    assert found.fraction == pytest.approx(0.1)
    assert found.per_year == pytest.approx(12 * 365.25 * DAY / (24 * days - 1) / HOUR)
    sigma = [np.diff(np.log(one["close"][23::24])).std(ddof=1) for one in series]
    costs = [sigma[k] * math.sqrt(1 / (24e6 * (k + 1))) for k in range(2)]
    assert found.volatility == pytest.approx((8 * sigma[0] + 4 * sigma[1]) / 12)
    assert found.volatility / math.sqrt(found.daily_volume) == pytest.approx((8 * costs[0] + 4 * costs[1]) / 12)
    series[1]["quote_volume"] = np.nan
    unknown = bets(trades, series[0]["end"], equity, series)
    assert (unknown.volatility, unknown.daily_volume) == (None, None)
    series[1]["volume"] = 2e6 / series[1]["close"]
    by_volume = bets(trades, series[0]["end"], equity, series)
    assert by_volume.daily_volume == pytest.approx(found.daily_volume)
    assert bets(trades[:0], series[0]["end"], equity, series) is None


def test_few_round_trips_have_no_interval():
    assert edge(np.array([0.1, -0.1, 0.2])).bounds is None


def test_a_real_backtest_has_intervals_and_bets_and_the_same_numbers_beside_them():
    rules = four_instruments()
    done = run(rules, TRADING, EXCHANGE, random_tape(3, 400, rules), INTERVAL, HORIZON)
    stretch = empty_bars(400)
    stretch["end"] = done.time[0] + INTERVAL * np.arange(400)
    stretch["close"], stretch["quote_volume"] = 100.0 + np.arange(400) % 7, 1e6
    capital = float(TRADING.capital)
    found = performance(done, rules, [stretch] * 4, capital)
    trades = round_trips(done.journal, rules)
    curve = np.concatenate([[capital], done.equity / MONEY])
    assert found.max_drawdown == drawdown(curve).max()
    assert found.hit_ratio == (trades["profit"] > 0).mean() == found.bets.hits / found.bets.count
    assert found.hit_ratio_interval[0] < found.hit_ratio < found.hit_ratio_interval[1]
    between = ranges(done.time, done.equity / MONEY, capital)
    assert (found.total_return_interval, found.max_drawdown_interval) == (between.total_return, between.max_drawdown)
    assert found.bets.edge.value == pytest.approx((trades["profit"] / trades["entry_notional"]).mean())
