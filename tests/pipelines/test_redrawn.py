"""Days drawn again, against the curve that they would make, point by point."""

import hypothesis.extra.numpy as arrays
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from market.time import DAY
from models.statistics.drawdowns import drawdown_distribution
from models.statistics.resampling import stationary_indices
from models.statistics.sharpe import drawdown
from pipelines.estimate import Estimate
from pipelines.report.view import performance_rows
from pipelines.stages.redrawn import DRAWS, block_length, by_day, ranges, total_return
from pipelines.tracking.content import trading_metrics
from pipelines.verdict import percent
from tests.pipelines.factory import make_result

STEP = DAY // 4


def written_out(points, order):
    """The curve of some days one after another, from 1, by multiplying; a day is its points over its beginning."""
    level, curve = 1.0, [1.0]
    for day in order:
        begin = points[day - 1][-1] if day else 1.0
        curve += [level * one / begin for one in points[day]]
        level = curve[-1]
    return np.array(curve)


@given(
    steps=arrays.arrays(np.float64, st.tuples(st.integers(1, 6), st.just(4)), elements=st.floats(-0.3, 0.3)),
    seed=st.integers(0, 99),
)
def test_any_order_of_days_ends_and_falls_as_its_curve_written_out(steps, seed):
    equity = np.exp(np.cumsum(steps.ravel()))
    days = by_day(STEP * np.arange(1, steps.size + 1), 500.0 * equity, 500.0)
    order = np.random.default_rng(seed).integers(0, len(steps), (5, len(steps)))
    curves = [written_out(equity.reshape(-1, 4), one) for one in order]
    assert days.max_drawdown(order) == pytest.approx([drawdown(one).max() for one in curves], abs=1e-12)
    assert days.total_return(order) == pytest.approx([one[-1] - 1 for one in curves], rel=1e-9, abs=1e-12)


def test_uneven_days_in_their_own_order_are_the_curve_itself():
    random = np.random.default_rng(2)
    time = np.sort(random.choice(np.arange(1, 40 * DAY, DAY // 7), 90, replace=False))
    equity = 100.0 * np.exp(np.cumsum(random.normal(0, 0.03, 90)))
    days = by_day(time, equity, 100.0)
    own = np.arange(len(days.growth))[None]
    assert days.total_return(own)[0] == pytest.approx(equity[-1] / 100 - 1)
    assert days.max_drawdown(own)[0] == pytest.approx(drawdown(np.concatenate([[100.0], equity])).max())


def test_with_one_point_a_day_the_interval_is_the_librarys():
    returns = np.random.default_rng(3).normal(0.001, 0.02, 250)
    order = stationary_indices(250, block_length(250), DRAWS, np.random.default_rng(0))
    found = ranges(DAY * np.arange(1, 251), np.cumprod(1 + returns), 1.0)
    library = drawdown_distribution(returns, order).maximum
    assert found.max_drawdown == pytest.approx((library.low, library.high))
    totals = np.prod(1 + returns[order], axis=1) - 1
    assert found.total_return == pytest.approx(tuple(np.quantile(totals, [0.025, 0.975])))


def test_the_interval_of_the_return_holds_the_truth_about_as_often_as_it_says():
    random, inside, histories, days = np.random.default_rng(5), 0, 200, 200
    for _ in range(histories):
        equity = np.exp(np.cumsum(random.normal(0.002, 0.01, days)))
        low, high = ranges(DAY * np.arange(1, days + 1), equity, 1.0).total_return
        inside += low <= np.expm1(0.002 * days) <= high
    assert 0.87 <= inside / histories <= 0.98


@pytest.mark.parametrize(
    "equity", [np.ones(50), np.linspace(1, 0, 50), np.linspace(1, 2, 9)], ids=["still", "broke", "short"]
)
def test_too_little_to_tell_has_no_interval(equity):
    found = ranges(DAY * np.arange(1, len(equity) + 1), equity, 1.0)
    assert (found.total_return, found.max_drawdown) == (None, None)
    assert total_return(np.diff(equity, prepend=1.0) / np.concatenate([[1.0], equity[:-1]])).bounds is None


@pytest.mark.parametrize("days", [10, 39, 300])
def test_of_daily_returns_alone_the_interval_of_the_return_is_the_curves(days):
    equity = 100.0 * np.exp(np.cumsum(np.random.default_rng(days).normal(0, 0.01, 4 * days)))
    end = np.concatenate([[100.0], equity[3::4]])
    found = total_return(end[1:] / end[:-1] - 1.0)
    assert found.bounds == pytest.approx(ranges(STEP * np.arange(1, 4 * days + 1), equity, 100.0).total_return)
    assert found.value == pytest.approx(equity[-1] / 100.0 - 1)


def test_no_days_have_no_return():
    assert total_return(np.zeros(0)) == Estimate(None)


def test_the_intervals_stand_beside_the_numbers_in_report_terminal_and_mlflow():
    backtest = make_result(count=1_400).backtest
    net = backtest.net_performance
    rows = {name: said for name, said, _ in performance_rows(backtest)}
    metrics = trading_metrics("backtest", backtest)
    for row, name, digits in (
        ("Total return", "total_return", 2),
        ("Maximal drawdown", "max_drawdown", 2),
        ("Of them with a profit", "hit_ratio", 1),
    ):
        low, high = net.estimates[name].bounds
        assert low < high
        signed = name == "total_return"
        assert rows[row].endswith(f"[{percent(low, digits, signed)}, {percent(high, digits, signed)}]")
        found = [metrics[f"backtest/net/{name}{which}"] for which in ("", "_low", "_high")]
        assert found == [getattr(net, name), low, high]
