"""The CUSUM filter: the book's events, the same however rows are divided, restarted or interpreted."""

from __future__ import annotations

import hashlib
import math
import os
import subprocess
import sys
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from market.cusum import CusumFilter, CusumSpec, cusum_events
from market.errors import MarketError, SnapshotError, TradeError
from market.trades.read import read_trades


def walk(count, seed=0):
    rng = np.random.default_rng(seed)
    prices = 100 * np.exp(np.cumsum(rng.normal(0, 0.002, count)))
    volatility = 0.002 * np.exp(0.3 * np.sin(np.arange(count) / 90))
    volatility[:20] = np.nan
    volatility[count // 2 : count // 2 + 5] = 0.0
    return prices, volatility


PRICES, VOLATILITY = walk(3000)
FIXED, SCALED = CusumSpec(threshold=0.01), CusumSpec(multiple=4.0)


def twin(prices, thresholds):
    """Snippet 2.4 of the book over log returns, with the threshold of each row; sums empty where it is unknown."""
    events, up, down = [0], 0.0, 0.0
    for before, price, threshold in zip(prices[:-1], prices[1:], thresholds[1:], strict=True):
        move = math.log(price / before)
        up, down = max(0.0, up + move), min(0.0, down + move)
        events.append(0)
        if not threshold > 0:
            up = down = 0.0
        elif down <= -threshold:
            down, events[-1] = 0.0, -1
        elif up >= threshold:
            up, events[-1] = 0.0, 1
    return events


def test_fixed_and_scaled_events_are_those_of_the_book():
    fixed = CusumFilter(FIXED).update(PRICES)
    scaled = CusumFilter(SCALED).update(PRICES, VOLATILITY)
    assert fixed.tolist() == twin(PRICES.tolist(), [0.01] * 3000)
    assert scaled.tolist() == twin(PRICES.tolist(), (4.0 * VOLATILITY).tolist())
    for sides in (fixed, scaled):
        assert min((sides == 1).sum(), (sides == -1).sum()) > 30
    assert cusum_events(PRICES, FIXED).tolist() == np.flatnonzero(fixed).tolist()


def test_a_sum_that_equals_the_threshold_is_an_event():
    step = math.log(2.0)
    assert CusumFilter(CusumSpec(threshold=2 * step)).update([1.0, 2.0, 4.0, 2.0, 1.0]).tolist() == [0, 0, 1, 0, -1]


def test_events_are_a_threshold_of_movement_apart():
    """Between events of one kind the price has moved by the threshold from some price since the last: no hovering."""
    sides = CusumFilter(FIXED).update(PRICES)
    rows = np.flatnonzero(sides == 1)
    for first, last in pairwise(rows):
        assert math.log(PRICES[last] / PRICES[first : last + 1].min()) >= 0.01 - 1e-12


def test_after_a_fall_of_the_threshold_both_sums_give_their_events():
    prices = [100.0, 102.0, 100.5]
    assert CusumFilter(SCALED).update(prices, [1.0, 1.0, 0.001]).tolist() == [0, 0, -1]
    assert CusumFilter(SCALED).update([*prices, 100.5], [1.0, 1.0, 0.001, 0.001]).tolist() == [0, 0, -1, 1]


@settings(max_examples=150, deadline=None)
@given(st.lists(st.integers(0, 3000), max_size=8), st.booleans(), st.booleans())
def test_division_and_restart_change_no_byte(cuts, scaled, restart):
    spec = SCALED if scaled else FIXED
    whole, one = CusumFilter(spec), CusumFilter(spec)
    expected = whole.update(PRICES, VOLATILITY if scaled else None)
    parts = []
    for first, last in zip([0, *sorted(cuts)], [*sorted(cuts), 3000], strict=True):
        parts.append(one.update(PRICES[first:last], VOLATILITY[first:last] if scaled else None))
        if restart:
            snapshot = one.snapshot()
            one = CusumFilter(spec)
            one.restore(snapshot)
    assert np.concatenate(parts).tobytes() == expected.tobytes()
    assert one.snapshot() == whole.snapshot()


def test_one_price_at_a_time():
    one = CusumFilter(FIXED)
    assert [int(one.update(price)[0]) for price in PRICES[:500]] == CusumFilter(FIXED).update(PRICES[:500]).tolist()


@pytest.mark.parametrize(
    ("spec", "prices", "volatility", "said"),
    [
        (FIXED, [1.0, np.nan], None, "row 1: price nan is not between"),
        (FIXED, [1.0, -1.0], None, r"row 1: price -1.0 is not between"),
        (FIXED, [np.inf], None, "row 0: price inf"),
        (SCALED, [1.0, 2.0], [0.1, -0.1], r"row 1: volatility -0.1 is negative"),
        (SCALED, [1.0, 2.0], [0.1, np.inf], "row 1: volatility inf"),
        (SCALED, [1.0, 2.0], [0.1], r"shape \(2,\) and volatility of shape \(1,\)"),
        (SCALED, [1.0], None, "needs the volatility"),
        (FIXED, [1.0], [0.1], "has a fixed threshold"),
    ],
)
def test_impossible_rows_are_refused_and_change_nothing(spec, prices, volatility, said):
    one = CusumFilter(spec)
    before = one.snapshot()
    with pytest.raises(TradeError, match=said):
        one.update(prices, volatility)
    assert one.snapshot() == before


def test_impossible_specs_and_foreign_snapshots_are_refused():
    for parts in ({}, {"threshold": 1.0, "multiple": 2.0}):
        with pytest.raises(MarketError, match="and not both"):
            CusumSpec(**parts)
    for bad in (0.0, -1.0, math.nan, math.inf):
        with pytest.raises(MarketError, match="above zero and finite"):
            CusumSpec(threshold=bad)
    one = CusumFilter(FIXED)
    with pytest.raises(SnapshotError, match="not of a CUSUM filter with this spec"):
        one.restore(CusumFilter(SCALED).snapshot())
    with pytest.raises(SnapshotError, match="no intact snapshot"):
        one.restore(one.snapshot()[:-1])


@pytest.mark.real_data
def test_events_of_a_real_day(real_data):
    prices = read_trades(real_data / "trades" / "spot-PEPEUSDT-aggTrades-2024-10-27.zip").trades["price"]
    sides = CusumFilter(CusumSpec(threshold=0.005)).update(prices)
    assert sides.tolist() == twin(prices.tolist(), [0.005] * len(prices))
    assert ((sides == 1).sum(), (sides == -1).sum()) == (56, 60)


def digests():
    for spec, volatility in ((FIXED, None), (SCALED, VOLATILITY)):
        one = CusumFilter(spec)
        yield hashlib.sha256(one.update(PRICES, volatility).tobytes() + one.snapshot()).hexdigest()


def test_the_bits_are_the_same_with_the_compiler_off():
    environment = os.environ | {"NUMBA_DISABLE_JIT": "1"}
    done = subprocess.run([sys.executable, __file__], capture_output=True, text=True, check=True, env=environment)
    assert done.stdout.splitlines() == list(digests())


if __name__ == "__main__":
    print("\n".join(digests()))
