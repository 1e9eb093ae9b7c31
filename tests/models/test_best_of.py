"""The luck of the best of several trials, against an independent resampling, one draw and one trial at a time."""

from __future__ import annotations

import numpy as np
import pytest

from models.errors import ModelError
from models.statistics.best_of import drawn_losses, expected_luck, luck_probability
from models.statistics.bootstrap import time_blocks


def trials(count=6, rows=900, shared=0.0, seed=4):
    """Losses of equally good trials, shape (count, rows), whose noise is shared in part; times and weights."""
    random = np.random.default_rng(seed)
    noise = shared**0.5 * random.standard_normal(rows) + (1 - shared) ** 0.5 * random.standard_normal((count, rows))
    return 0.7 + noise, np.sort(random.integers(0, 60 * 24, rows)), random.uniform(0.1, 1.0, rows)


def cells_of(losses, blocks, weight):
    size = blocks.counts.shape[1]
    return np.stack([np.bincount(blocks.cell, weights=one * weight, minlength=size) for one in losses])


def by_hand(losses, blocks, weight):
    """Every draw's weighted means, from the rows themselves."""
    found = []
    for draw in range(len(blocks.counts)):
        times = blocks.weights(draw) * weight
        found.append([np.average(one, weights=times) for one in losses])
    return np.array(found)


def test_draws_luck_and_probability_are_those_of_the_rows():
    losses, time, weight = trials()
    blocks = time_blocks(time, 24, 4, 120, 3)
    cells, mass = cells_of(losses, blocks, weight), cells_of([np.ones(len(weight))], blocks, weight)[0]
    drawn = by_hand(losses, blocks, weight)
    np.testing.assert_allclose(drawn_losses(cells, mass, blocks.counts), drawn, rtol=1e-12)
    whole = np.array([np.average(one, weights=weight) for one in losses])
    assert expected_luck(cells, mass, blocks.counts) == pytest.approx(-(drawn - whole).min(axis=1).mean(), rel=1e-9)
    gain = drawn[:, :1] - drawn[:, 1:]
    seen = (whole[0] - whole[1:]).max()
    share = ((gain - (whole[0] - whole[1:])).max(axis=1) >= seen).mean()
    assert luck_probability(cells[1:], cells[0], mass, blocks.counts) == pytest.approx(share)


def test_the_luck_is_what_the_best_of_equally_good_trials_really_gains():
    gained, expected = [], []
    for seed in range(60):
        losses, _, weight = trials(count=12, rows=600, shared=0.5, seed=seed)
        time = np.arange(600)
        blocks = time_blocks(time, 1, 1, 200, seed)
        mass = cells_of([np.ones(600)], blocks, weight)[0]
        cells = cells_of(losses, blocks, weight)
        gained.append(0.7 - (cells.sum(axis=1) / mass.sum()).min())
        expected.append(expected_luck(cells, mass, blocks.counts))
    error = np.std(gained, ddof=1) / len(gained) ** 0.5
    assert abs(np.mean(gained) - np.mean(expected)) < 3 * error
    assert np.mean(expected) > 5 * error, "it is no small thing"


def test_trials_that_share_their_luck_are_one_trial():
    losses, time, weight = trials(count=1)
    blocks = time_blocks(time, 24, 4, 400, 3)
    mass = cells_of([np.ones(len(weight))], blocks, weight)[0]
    one = cells_of(losses, blocks, weight)
    same = np.repeat(one, 20, axis=0)
    assert expected_luck(same, mass, blocks.counts) == pytest.approx(expected_luck(one, mass, blocks.counts), rel=1e-9)


def test_shapes_that_do_not_belong_together_are_refused():
    with pytest.raises(ModelError, match="do not belong"):
        expected_luck(np.ones((2, 5)), np.ones(4), np.ones((3, 4), np.int64))
