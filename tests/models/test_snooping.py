"""Tests of data snooping: against ``arch`` draw for draw, a version by hand, and their promised size and power."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.errors import ModelError
from models.statistics.resampling import counts_of, stationary_indices
from models.statistics.snooping import reality_check, stationary_error, stepdown, superior_ability


def arch_draws(rows, block, draws, seed):
    """The rows that ``arch.bootstrap.StationaryBootstrap`` draws."""
    generator = np.random.default_rng(seed)
    found = np.empty((draws, rows), np.int64)
    for draw in range(draws):
        found[draw] = generator.integers(rows, size=rows)
        chances = generator.random(rows)
        for k in range(1, rows):
            if chances[k] > 1 / block:
                found[draw, k] = (found[draw, k - 1] + 1) % rows
    return found


def arch_excess():
    random = np.random.default_rng(7)
    benchmark = random.normal(size=400)
    noise = random.normal(size=(400, 12)) * np.linspace(0.5, 2, 12)
    return benchmark[:, None] - (benchmark[:, None] * 0.5 + noise - np.linspace(-0.15, 0.12, 12)[::-1])


def test_spa_p_values_are_those_of_arch_8_on_the_same_draws():
    """``SPA(benchmark, models, block_size=6, reps=999, seed=1).pvalues``: 190, 371 and 559 of 999 draws exceed.

    ``arch`` does not divide by the errors, whatever ``studentize`` says; it uses them to tell poor models only.
    """
    excess = arch_excess()
    counts = counts_of(arch_draws(400, 6, 999, 1))
    found = superior_ability(excess, counts, np.ones(12), stationary_error(excess, 6.0))
    exceed = [round(p * 1000) - 1 for p in (found.lower, found.consistent, found.upper)]
    assert exceed == [round(999 * p) for p in (0.19019019019019018, 0.3713713713713714, 0.5595595595595596)]
    assert reality_check(excess, counts).p_value == found.upper


def test_stepdown_finds_the_models_of_arch_8_stepm_on_the_same_draws():
    """``StepM(0, losses, size=0.1, block_size=6, reps=999, seed=1).superior_models``: 8, 9, 10, 11."""
    excess = np.random.default_rng(3).normal(size=(400, 12)) + np.r_[np.zeros(8), 0.3, 0.2, 0.15, 0.12]
    counts = counts_of(arch_draws(400, 6, 999, 1))
    assert stepdown(excess, counts, np.ones(12)).better(0.1).tolist() == [8, 9, 10, 11]


def sample(seed, rows=60, strategies=6, draws=150):
    random = np.random.default_rng(seed)
    excess = random.normal(random.normal(0, 0.2, strategies), random.uniform(0.5, 2, strategies), (rows, strategies))
    indices = stationary_indices(rows, 3.0, draws, random)
    return excess, indices, counts_of(indices)


def by_hand(excess, indices):
    """Hansen (2005), one draw and one strategy at a time."""
    rows, strategies = excess.shape
    mean = [excess[:, k].mean() for k in range(strategies)]
    drawn = [[excess[one, k].mean() for k in range(strategies)] for one in indices]
    error = [np.std([draw[k] for draw in drawn]) for k in range(strategies)]
    scale = [excess[:, k].std() / rows**0.5 for k in range(strategies)]
    statistic = max(0, *(mean[k] / scale[k] for k in range(strategies)))
    limit = (2 * np.log(np.log(rows))) ** 0.5
    rules = (
        lambda k: max(mean[k], 0),
        lambda k: mean[k] if mean[k] / error[k] >= -limit else 0,
        lambda k: mean[k],
    )
    found = []
    for centre in rules:
        largest = [max(0, *((draw[k] - centre(k)) / scale[k] for k in range(strategies))) for draw in drawn]
        found.append((1 + sum(one >= statistic for one in largest)) / (1 + len(indices)))
    return statistic, found


@settings(deadline=None, max_examples=20)
@given(st.integers(0, 2**32))
def test_spa_is_that_by_hand(seed):
    excess, indices, counts = sample(seed)
    found = superior_ability(excess, counts)
    statistic, p_values = by_hand(excess, indices)
    assert found.statistic == pytest.approx(statistic, rel=1e-9)
    assert (found.lower, found.consistent, found.upper) == pytest.approx(tuple(p_values), rel=1e-9)
    assert found.lower <= found.consistent <= found.upper


def stepdown_by_hand(excess, indices):
    """Romano and Wolf (2005): test what is left, take out the best, go on."""
    strategies = excess.shape[1]
    mean = excess.mean(axis=0)
    drawn = excess[indices].mean(axis=1)
    error = excess.std(axis=0) / len(excess) ** 0.5
    left, found, worst = list(range(strategies)), np.empty(strategies), 0.0
    while left:
        best = max(left, key=lambda k: mean[k] / error[k])
        exceed = sum(max((draw[k] - mean[k]) / error[k] for k in left) >= mean[best] / error[best] for draw in drawn)
        worst = max(worst, (1 + exceed) / (1 + len(indices)))
        found[best] = worst
        left.remove(best)
    return found


@settings(deadline=None, max_examples=20)
@given(st.integers(0, 2**32))
def test_stepdown_is_that_by_hand(seed):
    excess, indices, counts = sample(seed)
    found = stepdown(excess, counts)
    assert found.p_value == pytest.approx(stepdown_by_hand(excess, indices), rel=1e-9)
    assert found.p_value.min() == pytest.approx(found.p_value[found.statistic.argmax()])
    assert set(np.flatnonzero(found.low > 0)) <= set(found.better(0.05 + 1 / 151).tolist())


def test_the_exact_error_is_the_spread_of_the_draws():
    values = np.random.default_rng(4).normal(size=(120, 3)).cumsum(axis=0) * [1, 0.1, 3]
    drawn = values[stationary_indices(120, 6.0, 20_000, np.random.default_rng(5))].mean(axis=1)
    assert stationary_error(values, 6.0) == pytest.approx(drawn.std(axis=0), rel=0.02)


def rejections(edges, repeats, rows=200, strategies=20, memory=0.0, draws=199, seed=0):
    """Shares of samples that White, Hansen and (wrongly) Romano–Wolf reject, and of edges that the last finds."""
    random = np.random.default_rng(seed)
    count = np.zeros(4)
    for _ in range(repeats):
        excess = random.normal(size=(rows, strategies))
        if memory:
            for k in range(1, rows):
                excess[k] += memory * excess[k - 1]
        excess[:, : len(edges)] += edges
        counts = counts_of(stationary_indices(rows, 10.0 if memory else 2.0, draws, random))
        steps = stepdown(excess, counts)
        better = steps.better(0.05)
        count += [
            reality_check(excess, counts).p_value <= 0.05,
            superior_ability(excess, counts).consistent <= 0.05,
            (better >= len(edges)).any(),
            (better < len(edges)).mean() * len(better) / max(len(edges), 1) if len(better) else 0,
        ]
    return count / repeats


def test_the_best_of_twenty_worthless_strategies_is_significant_in_about_five_of_a_hundred():
    white, hansen, wolf, _ = rejections((), 300)
    band = 3 * (0.05 * 0.95 / 300) ** 0.5
    assert max(white, hansen, wolf) < 0.05 + band + 0.02
    assert min(white, hansen, wolf) > 0.005


def test_edges_are_found():
    white, hansen, wrong, power = rejections((0.4, 0.35), 60)
    assert min(white, hansen) > 0.95
    assert power > 0.9
    assert wrong < 0.15


def test_poor_strategies_cost_white_his_power_and_hansen_little():
    random = np.random.default_rng(8)
    found = np.zeros(2)
    for _ in range(60):
        excess = random.normal(size=(200, 30)) * np.r_[0.5, np.full(29, 3.0)] + np.r_[0.1, np.full(29, -1.0)]
        counts = counts_of(stationary_indices(200, 2.0, 199, random))
        found += [reality_check(excess, counts).p_value <= 0.05, superior_ability(excess, counts).consistent <= 0.05]
    assert found[0] < 6
    assert found[1] > 40


@pytest.mark.long
@pytest.mark.parametrize(("memory", "most"), [(0.0, 0.075), (0.3, 0.12)])
def test_size_over_many_samples(memory, most):
    """Under dependence blocks of 10 in 500 rows leave the size at about twice its name: a known price of resampling."""
    white, hansen, wolf, _ = rejections((), 1000, rows=500, strategies=40, memory=memory, draws=399, seed=1)
    assert max(white, hansen, wolf) < most + 2 * (most / 1000) ** 0.5
    assert min(white, hansen, wolf) > 0.02


@pytest.mark.long
def test_selection_over_a_thousand_worthless_strategies_is_rarely_significant():
    random = np.random.default_rng(2)
    wrong = 0
    for _ in range(200):
        excess = random.normal(size=(500, 1000))
        counts = counts_of(stationary_indices(500, 2.0, 399, random))
        wrong += superior_ability(excess, counts).consistent <= 0.05
    assert wrong <= 22


@pytest.mark.long
def test_power_rises_with_the_edge():
    powers = [rejections((edge,), 200, seed=3)[3] for edge in (0.05, 0.15, 0.25, 0.4)]
    assert powers == sorted(powers)
    assert powers[-1] > 0.95


def test_a_strategy_that_is_the_benchmark_changes_nothing():
    excess, _, counts = sample(9)
    more = np.c_[excess, np.zeros(60)]
    assert superior_ability(more, counts).consistent == superior_ability(excess, counts).consistent
    alone, together = stepdown(excess, counts), stepdown(more, counts)
    better = alone.statistic > 0
    assert 0 < better.sum() < 6
    assert together.p_value[:6][better].tolist() == alone.p_value[better].tolist()
    assert (together.statistic[6], together.p_value[6], together.low[6]) == (0, 1, 0)


def test_nothing_better_has_a_p_value_of_one():
    excess, _, counts = sample(10)
    found = superior_ability(excess - 2.0, counts)
    assert (found.statistic, found.lower, found.consistent, found.upper) == (0.0, 1.0, 1.0, 1.0)


def test_lower_bounds_hold_together():
    random = np.random.default_rng(11)
    truth = np.linspace(-0.2, 0.3, 8)
    broken = 0
    for _ in range(200):
        excess = random.normal(truth, 1.0, (150, 8))
        broken += (stepdown(excess, counts_of(stationary_indices(150, 1.5, 199, random)), size=0.1).low > truth).any()
    assert 0.03 < broken / 200 < 0.19


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda e, c: (e[:, 0], c), "shape"),
        (lambda e, c: (e[:-1], c), "each draw must hold"),
        (lambda e, c: (e, c + 1), "each draw must hold"),
        (lambda e, c: (np.where(e > 1, np.nan, e), c), "not finite"),
        (lambda e, c: (np.c_[e, np.full(60, 0.1)], c), "by a constant"),
    ],
)
@pytest.mark.parametrize("test", [superior_ability, stepdown])
def test_what_cannot_be_tested_is_refused(test, change, message):
    excess, _, counts = sample(12)
    with pytest.raises(ModelError, match=message):
        test(*change(excess, counts))
    with pytest.raises(ModelError, match="not positive"):
        test(excess, counts, np.zeros(6))


def test_few_draws_make_no_errors():
    excess, _, counts = sample(12)
    with pytest.raises(ModelError, match="too few"):
        superior_ability(excess, counts[:50])
    assert superior_ability(excess, counts[:50], error=stationary_error(excess, 3.0)).upper > 0


def test_errors_under_dependence_are_a_worse_scale():
    """The reason for the default scale: the largest statistic seeks out the errors that are too low."""
    random, wrong = np.random.default_rng(13), np.zeros(2)
    for _ in range(150):
        excess = random.normal(size=(300, 40))
        counts = counts_of(stationary_indices(300, 12.0, 199, random))
        for k, scale in enumerate((None, stationary_error(excess, 12.0))):
            wrong[k] += superior_ability(excess, counts, scale).consistent <= 0.05
    assert wrong[0] < 0.6 * wrong[1]
