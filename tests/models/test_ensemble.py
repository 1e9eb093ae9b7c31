"""Stacker and calibration against scikit-learn and a general minimiser, and what each fold may know."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy.optimize import minimize
from sklearn.linear_model import LogisticRegression

from models.bundle.combination import Platt, Pool
from models.ensemble.calibration import calibrate, fit_platt
from models.ensemble.config import EnsembleConfig
from models.ensemble.logits import logistic, logit, penalised_logistic
from models.ensemble.nested import Combination, FoldScores, combination_for, known_before
from models.ensemble.pools import fit_stacker, pool_logit, pool_probability
from models.errors import EnsembleError

CLIP = 1e-4
DEFAULT = EnsembleConfig()


def fold(seed, rows=600, members=3, begin=0):
    """Members that see the truth through noise, and labels that take up to 100 to be known."""
    random = np.random.default_rng(seed)
    truth = random.normal(0, 0.8, rows)
    said = logistic(truth[:, None] + random.normal(0, 0.7, (rows, members)))
    label = (random.random(rows) < logistic(truth)).astype(np.int64)
    t1 = begin + random.integers(0, 1100, rows)
    return FoldScores(said, label, random.uniform(0.1, 1, rows), t1, begin)


def exact(inputs, label, weight, **config):
    found = LogisticRegression(tol=1e-12, max_iter=10_000, solver="newton-cholesky", **config)
    return found.fit(inputs, label, sample_weight=weight)


@pytest.mark.parametrize("precision", [0.5, 20.0])
def test_the_penalised_fit_is_scikit_learn_s_with_its_convention(precision):
    one = fold(1)
    inputs = logit(one.members, CLIP)
    theirs = exact(inputs, one.label, one.weight, C=1 / precision)
    ours = penalised_logistic(
        np.column_stack([inputs, np.ones(len(inputs))]),
        one.label.astype(float),
        one.weight,
        np.zeros(4),
        np.array([precision] * 3 + [0.0]),
    )
    assert ours == pytest.approx([*theirs.coef_[0], theirs.intercept_[0]], abs=1e-7)


def test_without_a_ridge_the_stacker_is_scikit_learn_s():
    one = fold(2)
    ours = fit_stacker(one.members, one.label, one.weight, 0.0, CLIP)
    theirs = exact(logit(one.members, CLIP), one.label, one.weight, C=np.inf)
    assert [*ours.weights, ours.intercept] == pytest.approx([*theirs.coef_[0], theirs.intercept_[0]], abs=1e-6)
    expected = theirs.predict_proba(logit(one.members, CLIP))[:, 1]
    assert pool_probability(ours, one.members) == pytest.approx(expected, abs=1e-6)


def test_the_stacker_minimises_what_it_says():
    one = fold(3, rows=200)
    logits, ridge = logit(one.members, CLIP), 7.0
    centred = logits - np.average(logits, axis=0, weights=one.weight)
    variance = np.average(centred**2, axis=0, weights=one.weight).mean()

    def loss(beta):
        z = logits @ beta[:3] + beta[3]
        entropy = np.logaddexp(0, z) - one.label * z
        sum_off, off = beta[:3].sum() - 1, beta[:3] - beta[:3].mean()
        shares = np.average((centred @ off) ** 2, weights=one.weight) + 0.05**2 * (off**2).sum()
        held = variance * sum_off**2 + shares + beta[3] ** 2
        return one.weight @ entropy + 0.5 * ridge / 4 * held

    best = minimize(loss, np.zeros(4), method="BFGS", options={"gtol": 1e-8})
    ours = fit_stacker(one.members, one.label, one.weight, ridge, CLIP)
    assert [*ours.weights, ours.intercept] == pytest.approx(best.x, abs=1e-5)


def test_a_strong_ridge_leaves_the_members_mean_logit():
    one = fold(4)
    ours = fit_stacker(one.members, one.label, one.weight, 1e9, CLIP)
    assert (*ours.weights, ours.intercept) == pytest.approx([1 / 3] * 3 + [0.0], abs=1e-6)


def test_a_prior_of_so_many_rows_is_outweighed_half_by_so_many():
    """Log odds scaled by a third, and a wrong base rate: as many rows as the prior is worth undo about half of it."""
    random = np.random.default_rng(11)
    truth = random.normal(0.2, 0.3, 200_000)
    label = (random.random(200_000) < logistic(truth)).astype(np.int64)
    said, rows = (truth - 0.2) / 3, 2_000.0
    weight = np.full(200_000, rows / 200_000)
    free, held = (fit_platt(said, label, weight, CLIP, ridge) for ridge in (0.0, rows))
    assert (free.slope, free.intercept) == pytest.approx((3.0, 0.2), abs=0.1)
    assert held.slope == pytest.approx((free.slope + 1) / 2, rel=0.03)
    assert held.intercept == pytest.approx(free.intercept / 2, rel=0.03)
    stack = fit_stacker(logistic(said)[:, None].repeat(2, axis=1), label, weight, rows, CLIP)
    assert (sum(stack.weights), stack.intercept) == pytest.approx((held.slope, held.intercept), rel=0.02)


@pytest.mark.parametrize("noise", [0.2, 0.5])
def test_shares_are_outweighed_half_by_so_many_too_however_alike_the_members_are(noise):
    """One member knows, the other adds noise to it: as many rows as the prior is worth move half of its weight."""
    random = np.random.default_rng(12)
    truth = random.normal(0.0, 0.5, 400_000)
    label = (random.random(400_000) < logistic(truth)).astype(np.int64)
    members = logistic(np.column_stack([truth, truth + random.normal(0.0, noise, 400_000)]))
    weight = np.full(400_000, 2_000.0 / 400_000)
    free, held = (fit_stacker(members, label, weight, rows, CLIP).weights for rows in (0.0, 2_000.0))
    assert free == pytest.approx((1.0, 0.0), abs=0.15)
    assert held[0] - held[1] == pytest.approx((free[0] - free[1]) / 2, rel=0.2)


def test_members_that_agree_share_their_weight():
    one = fold(5, members=1)
    ours = fit_stacker(np.repeat(one.members, 3, axis=1), one.label, one.weight, 1.0, CLIP)
    assert ours.weights == pytest.approx([ours.weights[0]] * 3, abs=1e-9)


def test_the_calibration_is_scikit_learn_s_with_platt_s_targets():
    one = fold(6, members=1)
    combined = 1.7 * logit(one.members, CLIP)[:, 0] - 0.4
    ones, zeros = one.weight[one.label == 1].sum(), one.weight[one.label == 0].sum()
    target = np.where(one.label == 1, (ones + 1) / (ones + 2), 1 / (zeros + 2))
    theirs = exact(
        np.r_[combined, combined][:, None],
        np.r_[np.ones(len(target)), np.zeros(len(target))],
        np.r_[one.weight * target, one.weight * (1 - target)],
        C=np.inf,
    )
    ours = fit_platt(combined, one.label, one.weight, CLIP)
    assert (ours.slope, ours.intercept) == pytest.approx((theirs.coef_[0, 0], theirs.intercept_[0]), abs=1e-6)


def test_the_calibration_undoes_a_wrong_scale():
    random = np.random.default_rng(7)
    truth = random.normal(0, 1, 60_000)
    label = (random.random(60_000) < logistic(truth)).astype(np.int64)
    found = fit_platt(3 * truth + 1, label, np.ones(60_000), CLIP)
    assert (found.slope, found.intercept) == pytest.approx((1 / 3, -1 / 3), abs=0.02)


def test_a_negative_slope_becomes_the_weighted_base_rate():
    one = fold(8, members=1, rows=5000)
    weight = one.weight * np.where(one.label == 1, 3.0, 1.0)
    found = fit_platt(-logit(one.members, CLIP)[:, 0], one.label, weight, CLIP)
    assert found.slope == 0
    assert calibrate(found, np.array([-5.0, 5.0])) == pytest.approx(
        [np.average(one.label, weights=weight)] * 2, abs=1e-3
    )


def test_logits_that_hardly_vary_cannot_make_certainties_of_wider_ones():
    steepest = {0.0: 0.0, 1000.0: 0.0}
    for seed in range(20):
        random = np.random.default_rng(seed)
        narrow, label = random.normal(0, 0.009, 3_000), random.integers(0, 2, 3_000)
        for ridge in steepest:
            found = fit_platt(narrow, label, np.full(3_000, 0.02), CLIP, ridge)
            steepest[ridge] = max(steepest[ridge], found.slope)
    assert steepest[0.0] > 5
    assert steepest[1000.0] < 1.5


def test_a_ridge_yields_to_evidence():
    random = np.random.default_rng(7)
    truth = random.normal(0, 1, 20_000)
    label = (random.random(20_000) < logistic(truth)).astype(np.int64)
    free, held = (fit_platt(3 * truth, label, np.full(20_000, 0.1), CLIP, ridge) for ridge in (0.0, 1.0))
    assert held.slope == pytest.approx(free.slope, rel=0.01)


def test_separated_classes_have_a_finite_calibration():
    combined = np.r_[np.full(20, -2.0), np.full(20, 2.0)]
    found = fit_platt(combined, (combined > 0).astype(np.int64), np.ones(40), CLIP)
    assert calibrate(found, np.array([-2.0, 2.0])) == pytest.approx([1 / 22, 21 / 22], abs=1e-5)


def test_certain_members_are_cut_to_the_clip():
    pool = Pool((1.0, 1.0), 0.0, 0.01)
    edge = np.log(0.01 / 0.99)
    certain = np.array([[0.0, 0.0], [1.0, 1.0], [0.005, 0.5]])
    assert pool_logit(pool, certain) == pytest.approx([2 * edge, -2 * edge, edge])


def test_a_calibrated_probability_stays_inside_the_clip():
    assert calibrate(Platt(1.0, 0.0, 0.02), np.array([-50.0, 0.0, 50.0])).tolist() == [0.02, 0.5, 0.98]


def test_logit_and_logistic_are_inverse():
    inside = np.linspace(0.001, 0.999, 99)
    assert logistic(logit(inside, CLIP)) == pytest.approx(inside, rel=1e-12)


@pytest.mark.parametrize("label", [0, 1])
def test_one_class_alone_is_refused(label):
    one = replace(fold(9), label=np.full(600, label))
    with pytest.raises(EnsembleError, match="both classes"):
        fit_stacker(one.members, one.label, one.weight, 1.0, CLIP)
    with pytest.raises(EnsembleError, match="both classes"):
        fit_platt(one.members[:, 0], one.label, one.weight, CLIP)


def test_a_label_known_exactly_when_the_test_begins_is_not_known_before():
    one = replace(fold(10, rows=3), t1=np.array([4, 5, 6]))
    kept = known_before(one, 5)
    assert kept.t1.tolist() == [4]
    assert kept.members.tolist() == one.members[:1].tolist()


def chain(folds, config=DEFAULT):
    """Every fold's combination, each from the folds before it."""
    found = []
    for number, one in enumerate(folds):
        found.append(combination_for(folds[:number], found, one.test_start, config))
    return found


def walk():
    return [fold(20 + number, begin=1000 * number) for number in range(6)]


def test_each_fold_s_parts_are_fitted_on_the_known_rows_of_the_folds_before():
    folds = walk()
    found = chain(folds)
    assert found[0] == Combination()
    for number in range(1, 6):
        known = [known_before(one, folds[number].test_start) for one in folds[:number]]
        assert any(len(one.label) < 600 for one in known)
        joined = [np.concatenate([getattr(one, name) for one in known]) for name in ("members", "label", "weight")]
        assert found[number].pool == fit_stacker(*joined, ridge=EnsembleConfig().ridge, clip=CLIP)
        if number == 1:
            assert found[number].calibration is None
            continue
        scored = zip(known[1:], found[1:number], strict=True)
        combined = np.concatenate([pool_logit(other.pool, one.members) for one, other in scored])
        label, weight = (np.concatenate([getattr(one, name) for one in known[1:]]) for name in ("label", "weight"))
        assert found[number].calibration == fit_platt(combined, label, weight, CLIP, ridge=EnsembleConfig().ridge)


CONFIGS = (EnsembleConfig(), EnsembleConfig("bma", "temperature"), EnsembleConfig("weighted", "auto"))


@pytest.mark.parametrize("config", CONFIGS)
@pytest.mark.parametrize("number", range(6))
def test_the_future_changes_no_earlier_combination(number, config):
    folds = walk()
    now = folds[number].test_start
    changed = []
    for place, one in enumerate(folds):
        unknown = (one.t1 >= now) | (place >= number)
        label = np.where(unknown, 1 - one.label, one.label)
        members = np.where(unknown[:, None], 1 - one.members, one.members)
        changed.append(replace(one, label=label, members=members, weight=np.where(unknown, 9.0, one.weight)))
    assert chain(changed, config)[: number + 1] == chain(folds, config)[: number + 1]


def test_the_past_does_change_later_combinations():
    folds = walk()
    other = [replace(folds[0], label=1 - folds[0].label), *folds[1:]]
    pairs = list(zip(chain(folds), chain(other), strict=True))
    assert all(a.pool != b.pool for a, b in pairs[1:])
    assert all(a.calibration != b.calibration for a, b in pairs[2:])
