"""The second stage: fitted on the past alone, found where there is something to find, and silent where there is not."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy.optimize import minimize
from sklearn.metrics import precision_recall_fscore_support

from models.bet_sizing import size_from_probability
from models.bundle.combination import Conformal, Platt, Pool
from models.ensemble.config import EnsembleConfig
from models.ensemble.logits import logistic
from models.ensemble.nested import Combination, FoldScores, combination_for
from models.errors import EnsembleError
from models.meta.config import MetaConfig
from models.meta.fit import fit_meta, right_probability, sized_probability
from models.meta.inputs import input_names, meta_inputs
from models.meta.nested import MetaFold, MetaPlan, meta_for, nested_metas
from models.statistics.bootstrap import mean_interval, time_blocks
from models.statistics.predictions import row_log_loss
from models.statistics.selective import highest, retrieval

CLIP = 1e-4
HORIZON = 20


def plan_of(features=("gate",), ridge=400.0):
    config = MetaConfig(ridge=ridge, features=features)
    return MetaPlan(config, ("one", "two"), tuple(range(len(features))), CLIP)


def world(effect, folds=7, count=1_500, seed=0):
    """Two members that see the truth through noise, worthless where a gate is shut: by how much is ``effect``."""
    random, found, made, scored = np.random.default_rng(seed), [], [], []
    for number in range(folds):
        gate = random.normal(size=(count, 1))
        latent = random.normal(0.0, 0.8, count)
        label = (random.random(count) < logistic(latent * (1.0 + effect * np.sign(gate[:, 0])))).astype(np.int64)
        members = logistic(latent[:, None] + random.normal(0.0, 0.3, (count, 2)))
        t0 = (number * count + np.arange(count)) * 10
        scores = FoldScores(members, label, random.uniform(0.5, 1.0, count), t0 + 10 * HORIZON, int(t0[0]))
        made.append(combination_for(scored, made, scores.test_start, EnsembleConfig()))
        scored.append(scores)
        found.append(MetaFold(scores, made[-1], gate))
    return found


def spoken(folds, metas):
    """Of the folds that have a second stage: what it said, whether the side was right, base, primary, weights, time."""
    chosen = [(one, meta) for one, meta in zip(folds, metas, strict=True) if meta is not None]
    said = np.concatenate([one.says(meta) for one, meta in chosen])
    right = np.concatenate([one.right for one, _ in chosen])
    base = np.concatenate([np.full(len(one.right), meta.base) for one, meta in chosen])
    primary = np.concatenate([np.maximum(one.ensemble, 1 - one.ensemble) for one, _ in chosen])
    weight = np.concatenate([one.scores.weight for one, _ in chosen])
    time = np.concatenate([one.scores.t1 for one, _ in chosen])
    return said, right, base, primary, weight, time


def gains(effect, seed=0):
    """Log loss less than the base rate's, and than the primary's, with intervals."""
    folds = world(effect, seed=seed)
    said, right, base, primary, weight, time = spoken(folds, nested_metas(folds, plan_of()))
    blocks, label = time_blocks(time, 10 * HORIZON, 8, 400, 1), right.astype(np.int64)
    loss = row_log_loss(label, said)
    return [mean_interval(row_log_loss(label, other) - loss, weight, blocks) for other in (base, primary)]


def test_it_exists_from_the_fourth_fold_on():
    folds = world(0.8, count=300)
    metas = nested_metas(folds, plan_of())
    assert [one is None for one in metas] == [True, True, True, False, False, False, False]
    assert metas[3].inputs == ("confidence", "agreement of one", "agreement of two", "disagreement", "one side", "gate")


def test_each_fold_is_the_twin_that_was_fitted_by_hand_on_what_was_known():
    """Written anew with loops, another optimiser and the penalty as it is documented."""
    folds, plan = world(0.5, count=250), plan_of(ridge=30.0)
    for number, meta in enumerate(nested_metas(folds, plan)):
        if meta is None:
            continue
        begin, rows, right, weight = folds[number].scores.test_start, [], [], []
        for fold in folds[2:number]:
            said = fold.combination.apply(fold.scores.members)
            for place in range(len(said)):
                if fold.scores.t1[place] >= begin:
                    continue
                side = 1 if said[place] >= 0.5 else -1
                odds = [np.log(p / (1 - p)) for p in np.clip(fold.scores.members[place], CLIP, 1 - CLIP)]
                least = 0.0 if fold.combination.conformal is None else fold.combination.conformal.least
                single = int(said[place] >= least) + int(1 - said[place] >= least) == 1
                confidence = abs(np.log(said[place] / (1 - said[place])))
                row = [confidence, side * odds[0], side * odds[1], np.std(odds), single, fold.features[place, 0]]
                rows.append(row)
                right.append((side > 0) == (fold.scores.label[place] == 1))
                weight.append(fold.scores.weight[place])
        x, y, w = np.array(rows, float), np.array(right, float), np.array(weight)
        mean = (w[:, None] * x).sum(axis=0) / w.sum()
        variance = (w[:, None] * (x - mean) ** 2).sum(axis=0) / w.sum()
        prior = np.array([1.0, 0, 0, 0, 0, 0])

        def loss(beta, x=x, y=y, w=w, mean=mean, variance=variance, prior=prior):
            z = x @ beta[:-1] + beta[-1]
            least = np.maximum(variance, [0.05**2] * 5 + [0.0])
            middle = beta[-1] + beta[1:-1] @ mean[1:]  # the intercept where inputs are at their means
            held = least @ (beta[:-1] - prior) ** 2 + middle**2
            return w @ (np.logaddexp(0, z) - y * z) + 0.5 * (30.0 / 4.0) * held

        best = minimize(loss, np.append(prior, 0.0), method="BFGS", options={"gtol": 1e-7})
        varies = variance > 0  # a constant input is one with the intercept
        np.testing.assert_allclose(np.array(meta.weights)[varies], best.x[:-1][varies], atol=2e-4)
        said = x @ best.x[:-1] + best.x[-1]
        np.testing.assert_allclose(right_probability(meta, x), logistic(said), atol=1e-5)
        assert meta.base == pytest.approx(y @ w / w.sum())
        np.testing.assert_allclose([meta.low, meta.high], [x.min(axis=0), x.max(axis=0)], rtol=1e-9, atol=1e-12)


def test_no_label_moves_a_second_stage_that_began_before_it_was_known():
    """Every label that ends at a fold's beginning or later is turned over, and what it sees there is changed."""
    folds, plan = world(0.5, count=250), plan_of()
    metas = nested_metas(folds, plan)
    for number in (3, 5):
        begin = folds[number].scores.test_start
        late = [one.scores.t1 >= begin for one in folds]
        assert 0 < late[number - 1].sum() < 250  # some of the fold before are not known yet
        turned = [
            replace(one, scores=replace(one.scores, label=np.where(some, 1 - one.scores.label, one.scores.label)))
            for one, some in zip(folds, late, strict=True)
        ]
        again = nested_metas(turned, plan)
        assert again[: number + 1] == metas[: number + 1]
        assert again[number + 1 :] != metas[number + 1 :]
        known = [one.scores.label.copy() for one in folds]
        known[number - 1][~late[number - 1]] ^= 1
        early = [replace(one, scores=replace(one.scores, label=x)) for one, x in zip(folds, known, strict=True)]
        assert nested_metas(early, plan)[number] != metas[number]  # and the known ones do count


def test_it_finds_when_the_first_stage_is_right():
    against_base, against_primary = gains(effect=0.8)
    assert against_base.low > 0.01
    assert against_primary.low > 0.005
    folds = world(0.8)
    last = nested_metas(folds, plan_of())[-1]
    assert last.weights[-1] > 0.2  # the gate, and nothing else that is new
    assert abs(last.weights[3]) < 0.2


def test_where_there_is_nothing_it_says_what_the_first_stage_says():
    """No more than one of four null worlds may look better than the primary by a 95 % interval, and none clearly."""
    found = [gains(effect=0.0, seed=seed)[1] for seed in range(4)]
    assert sum(one.low > 0 for one in found) <= 1
    assert max(one.value for one in found) < 0.002
    assert min(one.value for one in found) > -0.005


def test_without_evidence_it_is_the_prior():
    folds = world(0.8, count=300)
    meta = meta_for(folds[:6], folds[6].scores.test_start, plan_of(ridge=1e9))
    assert meta.weights == pytest.approx([1.0, 0, 0, 0, 0, 0], abs=1e-4)
    said = folds[6].says(meta)
    primary = np.maximum(folds[6].ensemble, 1 - folds[6].ensemble)
    moved = np.log(said / (1 - said)) - np.log(primary / (1 - primary))
    inside = folds[6].inputs(CLIP)[:, 0] <= meta.high[0]
    assert np.abs(moved[inside]).max() < 1e-2


def test_what_hardly_varied_has_no_steep_weight():
    """Log odds within a hundredth of each other, of which the highest were right by chance."""
    random = np.random.default_rng(6)
    inputs = np.column_stack([0.02 + 0.003 * random.random((400, 3)), 0.003 * random.random(400), np.zeros(400)])
    right = random.random(400) < np.where(inputs[:, 0] > 0.0215, 0.6, 0.4)
    meta = fit_meta(inputs, right, np.ones(400), MetaConfig(ridge=4000.0), input_names(("one", "two"), ()), (), CLIP)
    assert meta.weights[0] == pytest.approx(1.0, abs=0.1)
    assert np.abs(meta.weights[1:]).max() < 0.1


def test_what_was_never_seen_is_cut_to_what_was():
    folds = world(0.8, count=300)
    meta = nested_metas(folds, plan_of())[-1]
    inputs = folds[-1].inputs(CLIP)[:1].copy()
    edge, beyond = inputs.copy(), inputs.copy()
    edge[0, -1], beyond[0, -1] = meta.high[-1], 1e6
    assert right_probability(meta, beyond) == right_probability(meta, edge)


def test_both_sides_of_the_market_are_one_question():
    """Turned over, the world has the same inputs: the second stage knows sides only as the ensemble's."""
    random = np.random.default_rng(3)
    members, said = random.uniform(0.05, 0.95, (50, 3)), random.uniform(0.05, 0.95, 50)
    features = random.normal(size=(50, 2))
    one = meta_inputs(members, said, Conformal(0.8, 0.6), features, CLIP)
    other = meta_inputs(1 - members, 1 - said, Conformal(0.8, 0.6), features, CLIP)
    np.testing.assert_allclose(one, other, atol=1e-12)
    assert one.shape[1] == len(input_names(("a", "b", "c"), ("x", "y")))


def test_an_ensemble_that_is_always_right_is_refused():
    combination = Combination(Pool((0.5, 0.5), 0.0, CLIP), Platt(1.0, 0.0, CLIP))
    label = np.array([0, 1, 1, 0])
    members = np.column_stack([0.2 + 0.6 * label] * 2)
    fold = MetaFold(FoldScores(members, label, np.ones(4), np.arange(4), 0), combination, np.empty((4, 0)))
    with pytest.raises(EnsembleError, match="a second stage needs rows of both classes; of 4 rows 4 are 1"):
        meta_for([fold], 10, plan_of(features=()))


@pytest.mark.parametrize("weighted", [False, True])
def test_precision_recall_and_f1_are_scikit_learn_s(weighted):
    random = np.random.default_rng(8)
    score, right = random.random(700), random.random(700) < 0.55
    weight = random.uniform(0.1, 1.0, 700) if weighted else np.ones(700)
    blocks = time_blocks(np.arange(700), 1, 10, 200, 2)
    for coverage in (0.05, 0.25, 0.5, 1.0):
        chosen = highest(score, weight, coverage)
        share = weight[chosen].sum() / weight.sum()
        assert coverage <= share + 1e-9
        assert share < coverage + 0.01
        found = retrieval(chosen, right, weight, blocks)
        wanted = precision_recall_fscore_support(right, chosen, average="binary", sample_weight=weight)[:3]
        assert [found[one].value for one in ("precision", "recall", "f1")] == pytest.approx(wanted)
        assert found["false_positives"].value == pytest.approx(weight[chosen & ~right].sum() / weight[~right].sum())
        for one in found.values():
            assert one.low <= one.value <= one.high
        drawn = blocks.weights(7) * weight
        again = precision_recall_fscore_support(right, chosen, average="binary", sample_weight=drawn)[2]
        both, all_chosen, all_right = (drawn[rows].sum() for rows in (chosen & right, chosen, right))
        assert again == pytest.approx(2 * both / (all_chosen + all_right))


def test_the_bet_is_none_where_the_side_is_rather_wrong_and_elsewhere_the_published_size():
    """The core's bet grows with 2q − 1: to the first order that of López de Prado's statistic, by one factor."""
    random = np.random.default_rng(4)
    probability, right = random.uniform(0.3, 0.7, 400), random.uniform(0.4, 0.6, 400)
    side = np.where(probability >= 0.5, 1.0, -1.0)
    bet, size = 2 * sized_probability(probability, right) - 1, size_from_probability(right, side)
    np.testing.assert_array_equal(bet == 0, size == 0)
    np.testing.assert_array_equal(np.sign(bet), np.sign(size))
    some = bet != 0
    factor = size[some] / bet[some]
    assert (factor.min(), factor.max()) == pytest.approx((0.798, 0.809), abs=2e-3)


def test_a_configuration_that_says_nonsense_is_refused():
    with pytest.raises(ValueError, match=r"ridge is -1; it must be finite and not negative"):
        MetaConfig(ridge=-1)
    with pytest.raises(ValueError, match=r"features has rsi_14 more than once"):
        MetaConfig(features=("rsi_14", "rsi_14"))


def test_the_same_rows_give_the_same_bits():
    folds, plan = world(0.5, count=250), plan_of()
    assert nested_metas(folds, plan) == nested_metas(folds, plan)
    inputs = folds[3].inputs(CLIP)
    args = (folds[3].right, folds[3].scores.weight, plan.config, input_names(plan.members, ("gate",)), (0,), CLIP)
    assert fit_meta(inputs, *args) == fit_meta(inputs.copy(), *args)
