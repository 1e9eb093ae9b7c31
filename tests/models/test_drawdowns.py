"""Every drawdown of a curve by hand, and what the worst could have been."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.errors import ModelError
from models.statistics.drawdowns import drawdown_distribution, episodes
from models.statistics.resampling import stationary_indices
from models.statistics.sharpe import drawdown, time_under_water


def by_hand(time, equity):
    found, row = [], 0
    while row < len(equity) - 1:
        if equity[row + 1] < equity[row]:
            back = next((k for k in range(row + 1, len(equity)) if equity[k] >= equity[row]), None)
            end = len(equity) - 1 if back is None else back
            depth = max(1 - equity[k] / equity[row] for k in range(row, end + 1))
            found.append((row, end, depth, time[end] - time[row], back is not None))
            row = end
        else:
            row += 1
    return found


@settings(deadline=None)
@given(st.lists(st.integers(1, 6), min_size=1, max_size=40), st.integers(0, 1000))
def test_episodes_are_those_by_hand_and_agree_with_the_worst(values, seed):
    equity = np.array(values, float)
    time = np.cumsum(np.random.default_rng(seed).integers(1, 9, len(values)))
    found = episodes(time, equity)
    ours = list(zip(found.high, found.end, found.depth, found.under_water, found.recovered, strict=True))
    assert [tuple(one) for one in ours] == [pytest.approx(one) for one in by_hand(time, equity)]
    assert found.depth.max(initial=0) == drawdown(equity).max()
    assert found.under_water.max(initial=0) == time_under_water(time, equity)


def test_a_curve_at_zero_has_no_drawdown():
    with pytest.raises(ModelError, match="above zero"):
        episodes(np.arange(2), np.array([1.0, 0.0]))


def test_drawn_drawdowns_are_those_of_the_drawn_curves():
    random = np.random.default_rng(1)
    returns = random.normal(0, 0.02, 120)
    indices = stationary_indices(120, 5.0, 60, random)
    found = drawdown_distribution(returns, indices)
    for draw, rows in enumerate([*indices, np.arange(120)]):
        curve = np.cumprod(np.r_[1.0, 1 + returns[rows]])
        facts = episodes(np.arange(121), curve)
        ours = (
            (found.drawn_maximum[draw], found.drawn_longest[draw])
            if draw < 60
            else (found.maximum.value, found.longest.value)
        )
        assert ours == pytest.approx((facts.depth.max(), facts.under_water.max()), rel=1e-9)
    assert found.maximum.low == pytest.approx(np.quantile(found.drawn_maximum, 0.025))


def test_more_volatility_falls_deeper():
    random = np.random.default_rng(2)
    returns, indices = random.normal(0, 0.01, 300), stationary_indices(300, 5.0, 200, random)
    calm, wild = drawdown_distribution(returns, indices), drawdown_distribution(3 * returns, indices)
    assert wild.maximum.low > calm.maximum.low
    assert wild.maximum.value > calm.maximum.value


def test_no_path_without_a_loss_is_under_water():
    found = drawdown_distribution(np.full(10, 0.01), stationary_indices(10, 2.0, 20, np.random.default_rng(3)))
    assert (found.maximum.value, found.longest.value, found.drawn_longest.max()) == (0, 0, 0)


def test_a_total_loss_is_refused():
    with pytest.raises(ModelError, match="loses everything"):
        drawdown_distribution(np.array([0.1, -1.0]), np.zeros((1, 2), np.int64))
