"""Block bootstraps against a version by hand and their definitions; block lengths against ``arch``."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.errors import ModelError
from models.statistics.resampling import (
    bootstrap_interval,
    circular_indices,
    counts_of,
    drawn_means,
    optimal_block_length,
    stationary_indices,
)
from tests.models.test_sharpe_intervals import autoregressive


def by_hand(uniform, block):
    rows = uniform.shape[1]
    found = []
    for chances in uniform:
        draw = [int(chances[0] * rows)]
        for chance in chances[1:]:
            draw.append(int(chance * block * rows) if chance < 1 / block else (draw[-1] + 1) % rows)
        found.append(draw)
    return found


@pytest.mark.parametrize(("rows", "block"), [(1, 1.0), (7, 1.0), (50, 4.0), (64, 64.0), (200, 8.0)])
def test_stationary_draws_are_those_by_hand(rows, block):
    uniform = np.random.default_rng(3).random((20, rows))
    found = stationary_indices(rows, block, 20, np.random.default_rng(3))
    assert found.tolist() == by_hand(uniform, block)


@settings(deadline=None)
@given(st.integers(1, 60), st.floats(0, 1), st.integers(1, 9), st.integers(0, 2**32))
def test_stationary_draws_are_rows_and_go_on_or_restart(rows, share, draws, seed):
    block = 1 + share * (rows - 1)
    found = stationary_indices(rows, block, draws, np.random.default_rng(seed))
    assert found.shape == (draws, rows)
    assert ((found >= 0) & (found < rows)).all()
    assert (counts_of(found).sum(axis=1) == rows).all()


def test_blocks_have_a_geometric_length_and_begin_anywhere():
    found = stationary_indices(5000, 8.0, 200, np.random.default_rng(4))
    goes_on = (found[:, 1:] - found[:, :-1]) % 5000 == 1
    assert 1 - goes_on.mean() == pytest.approx((1 - 1 / 5000) / 8, rel=0.01)
    lengths = np.diff(np.flatnonzero(~goes_on.ravel()))
    assert lengths.std() == pytest.approx((8 * 7) ** 0.5, rel=0.02)
    begins = found[:, 1:][~goes_on]
    assert np.histogram(begins, 10, (0, 5000))[0] == pytest.approx(len(begins) / 10, rel=0.05)


def test_each_row_is_drawn_as_often_as_any_other():
    counts = counts_of(stationary_indices(40, 6.0, 20_000, np.random.default_rng(5)))
    assert counts.mean(axis=0) == pytest.approx(np.ones(40), abs=0.05)


@settings(deadline=None)
@given(st.integers(1, 40), st.integers(0, 2**32))
def test_circular_draws_are_whole_blocks(rows, seed):
    random = np.random.default_rng(seed)
    block = int(random.integers(1, rows + 1))
    found = circular_indices(rows, block, 5, random)
    assert found.shape == (5, rows)
    step = np.diff(found, axis=1) % rows
    inside = np.arange(1, rows) % block != 0
    assert (step[:, inside] == 1 % rows).all()


@pytest.mark.parametrize(("rows", "block", "draws"), [(0, 1, 1), (10, 0.5, 1), (10, 11, 1), (10, 2, 0), (9, np.nan, 2)])
def test_impossible_blocks_are_refused(rows, block, draws):
    with pytest.raises(ModelError, match="blocks"):
        stationary_indices(rows, block, draws, np.random.default_rng(0))


def test_means_by_counts_are_means_of_drawn_rows():
    random = np.random.default_rng(6)
    values, indices = random.normal(size=(50, 3)), stationary_indices(50, 4.0, 30, random)
    assert drawn_means(values, counts_of(indices)) == pytest.approx(values[indices].mean(axis=1), rel=1e-9, abs=1e-12)


def test_an_interval_of_any_statistic_covers():
    random = np.random.default_rng(7)
    inside = 0
    for _ in range(300):
        values = random.exponential(1, 150)
        found = bootstrap_interval(np.median, values, stationary_indices(150, 1.0, 300, random), 0.9)
        inside += found.low <= np.log(2) <= found.high
    assert inside / 300 == pytest.approx(0.9, abs=0.05)


ARCH = [
    (0.0, 500, 3.1897088592453056, 3.651305160776643),
    (0.3, 1000, 6.663954284275477, 7.628323380934434),
    (0.7, 1000, 18.908202293762866, 21.64448846674993),
    (0.9, 2000, 53.32228168048154, 61.038775285087816),
    (-0.5, 800, 12.797157770279867, 14.649088763841403),
    (0.95, 300, 26.068338289356916, 29.840798119525218),
]


@pytest.mark.parametrize(("memory", "count", "stationary", "circular"), ARCH)
def test_block_lengths_are_those_of_arch_8_optimal_block_length(memory, count, stationary, circular):
    noise = np.random.default_rng(1).normal(size=count)
    noise[0] *= (1 - memory**2) ** 0.5
    found = optimal_block_length(autoregressive(noise, memory))
    assert (found.stationary, found.circular) == pytest.approx((stationary, circular), rel=1e-9)


def test_block_lengths_stay_within_one_row_and_their_limit():
    walk = np.random.default_rng(2).normal(size=400).cumsum()
    assert optimal_block_length(walk).circular <= 60
    assert optimal_block_length(np.tile([1.0, -1.0], 50) + 1e-3 * walk[:100]).stationary >= 1
    lengths = [optimal_block_length(np.random.default_rng(seed).normal(size=200)).stationary for seed in range(50)]
    assert min(lengths) >= 1
    assert np.median(lengths) < 6


@pytest.mark.parametrize("values", [np.ones(100), np.arange(10.0)])
def test_what_has_no_block_length_is_refused(values):
    with pytest.raises(ModelError, match="at least 20"):
        optimal_block_length(values)
