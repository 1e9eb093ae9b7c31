"""CSCV against a version that cuts and ranks by hand, and against what it should say of luck and of skill."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import linregress, rankdata

from models.errors import ModelError
from models.statistics.pbo import overfitting, split_scores, stochastic_dominance
from models.statistics.sharpe import sharpe_ratio


def metric_of(values, metric):
    if metric == "mean":
        return values.mean(axis=0)
    return np.nan_to_num([sharpe_ratio(column) for column in values.T], nan=0.0)


def by_hand(returns, blocks, metric):
    """Every split, cut and ranked without sums; in the order of the subsets' bits."""
    edge = np.arange(blocks + 1) * len(returns) // blocks
    parts = [returns[a:b] for a, b in itertools.pairwise(edge)]
    splits = sorted(itertools.combinations(range(blocks), blocks // 2), key=lambda split: sum(1 << b for b in split))
    found = []
    for split in splits:
        inside = metric_of(np.concatenate([parts[b] for b in split]), metric)
        outside = metric_of(np.concatenate([parts[b] for b in range(blocks) if b not in split]), metric)
        best = int(np.argmax(inside))
        found.append((best, inside[best], outside[best], rankdata(outside)[best]))
    return [np.array(column) for column in zip(*found, strict=True)]


@pytest.mark.parametrize("metric", ["sharpe", "mean"])
@pytest.mark.parametrize(
    ("rows", "strategies", "blocks"), [(64, 5, 8), (103, 12, 6), (40, 2, 10), (9, 3, 2), (81, 4, 4)]
)
def test_every_split_is_that_of_the_version_by_hand(rows, strategies, blocks, metric):
    returns = np.random.default_rng(rows).normal(0.02, 1, (rows, strategies))
    found = overfitting(returns, blocks, metric)
    chosen, inside, outside, rank = by_hand(returns, blocks, metric)
    assert found.chosen.tolist() == chosen.tolist()
    assert found.in_sample == pytest.approx(inside, rel=1e-9, abs=1e-12)
    assert found.out_of_sample == pytest.approx(outside, rel=1e-9, abs=1e-12)
    assert found.rank.tolist() == rank.tolist()
    omega = rank / (strategies + 1)
    assert found.logits == pytest.approx(np.log(omega / (1 - omega)), rel=1e-9, abs=1e-12)
    assert found.probability == np.mean(np.log(omega / (1 - omega)) <= 1e-12)
    assert found.probability_of_loss == np.mean(outside < 0)


@settings(deadline=None, max_examples=30)
@given(st.integers(0, 2**32), st.sampled_from([2, 4, 6]), st.integers(2, 6), st.booleans())
def test_small_whole_returns_with_ties_and_idle_strategies_too(seed, blocks, strategies, ratio):
    random = np.random.default_rng(seed)
    returns = random.integers(-1, 2, (int(random.integers(2 * blocks, 40)), strategies)).astype(float)
    returns[:, 0] *= random.integers(0, 2)
    metric = "sharpe" if ratio else "mean"
    found = overfitting(returns, blocks, metric)
    scores = split_scores(returns, blocks, metric)
    assert found.in_sample == pytest.approx(scores.max(axis=1), abs=1e-12)
    assert found.out_of_sample == pytest.approx(scores[::-1][np.arange(len(scores)), found.chosen], abs=1e-12)
    _, inside, _, _ = by_hand(returns, blocks, metric)
    assert found.in_sample == pytest.approx(inside, abs=1e-9)
    assert ((found.rank >= 1) & (found.rank <= strategies)).all()


def test_halves_are_complements_and_all_of_them():
    found = overfitting(np.random.default_rng(1).normal(size=(64, 3)), 8)
    assert len(found.subsets) == 70
    assert (found.subsets + found.subsets[::-1] == 255).all()
    assert len(set(found.subsets.tolist())) == 70


def test_scores_of_every_half_are_those_by_hand():
    returns = np.random.default_rng(2).normal(size=(50, 4))
    scores = split_scores(returns, 4)
    first = metric_of(np.concatenate([returns[:12], returns[12:25]]), "sharpe")
    assert scores[0] == pytest.approx(first, rel=1e-9)


def study(edge, seeds, rows=480, strategies=20, blocks=8):
    found = []
    for seed in seeds:
        returns = np.random.default_rng(seed).normal(size=(rows, strategies))
        returns[:, seed % strategies] += edge
        found.append(overfitting(returns, blocks).probability)
    return np.array(found)


def test_luck_is_at_one_half_and_a_planted_edge_goes_to_zero():
    luck = study(0.0, range(400))
    assert luck.mean() == pytest.approx(0.5, abs=3.5 * luck.std() / 20)
    weak, medium, strong = (study(edge, range(100)).mean() for edge in (0.08, 0.16, 0.8))
    assert 0.45 > weak > medium > 0.01
    assert strong == 0


@pytest.mark.long
def test_luck_is_at_one_half_with_many_strategies_and_blocks():
    luck = study(0.0, range(600), rows=1600, strategies=100, blocks=14)
    assert luck.mean() == pytest.approx(0.5, abs=3.5 * luck.std() / 600**0.5)


def test_degradation_is_the_regression_line():
    found = overfitting(np.random.default_rng(3).normal(size=(200, 10)), 8)
    line = linregress(found.in_sample, found.out_of_sample)
    ours = found.degradation
    assert (ours.intercept, ours.slope, ours.r_squared) == pytest.approx((line.intercept, line.slope, line.rvalue**2))
    assert ours.slope < 0


def test_two_strategies_that_mirror_each_other_degrade_in_full():
    random = np.random.default_rng(4).normal(size=(160, 1))
    found = overfitting(np.concatenate([random, -random], axis=1) - np.r_[[random.mean(), -random.mean()]], 8, "mean")
    assert found.out_of_sample == pytest.approx(-found.in_sample, abs=1e-12)
    assert found.probability == found.probability_of_loss == 1


def plain_distribution(sample, points):
    return np.array([(sample <= point).mean() for point in points])


def test_dominance_is_that_of_the_distribution_functions():
    random = np.random.default_rng(5)
    chosen, others = random.normal(0.5, 1, 300), random.normal(0, 1, (20, 40))
    found = stochastic_dominance(chosen, others)
    assert found.chosen == pytest.approx(plain_distribution(chosen, found.points))
    assert found.others == pytest.approx(plain_distribution(others.ravel(), found.points))


@pytest.mark.parametrize(
    ("chosen", "others", "first", "second"),
    [
        ([1.0, 3.0], [0.0, 2.0], True, True),
        ([1.0, 1.1], [0.0, 2.0], False, True),
        ([0.0, 2.0], [1.0, 1.1], False, False),
        ([1.0, 2.0], [1.0, 2.0], False, False),
    ],
)
def test_who_likes_more_and_who_dislikes_risk(chosen, others, first, second):
    found = stochastic_dominance(np.array(chosen), np.array(others))
    assert (found.first_order, found.second_order) == (first, second)


def test_a_skilled_choice_dominates_and_luck_does_not():
    returns = np.random.default_rng(6).normal(size=(400, 10))
    returns[:, 4] += 0.8
    skilled = overfitting(returns, 8)
    assert stochastic_dominance(skilled.out_of_sample, split_scores(returns, 8)).first_order
    returns[:, 4] -= 0.8
    lucky = overfitting(returns, 8)
    assert not stochastic_dominance(lucky.out_of_sample, split_scores(returns, 8)).first_order


@pytest.mark.parametrize(
    ("shape", "blocks", "metric", "message"),
    [
        ((100, 5), 7, "sharpe", "even number"),
        ((100, 5), 22, "sharpe", "even number"),
        ((100, 1), 4, "sharpe", "two strategies"),
        ((7, 5), 4, "sharpe", "8 rows"),
        ((100,), 4, "sharpe", "shape"),
        ((100, 5), 4, "sortino", "sortino"),
    ],
)
def test_what_cannot_be_split_is_refused(shape, blocks, metric, message):
    with pytest.raises(ModelError, match=message):
        overfitting(np.random.default_rng(0).normal(size=shape), blocks, metric)


def test_a_missing_return_is_refused():
    returns = np.ones((40, 2))
    returns[3, 1] = np.nan
    with pytest.raises(ModelError, match="1 returns are not finite"):
        overfitting(returns, 4)
