"""Agreement between folds: scipy's tests, enumeration, and what chance gives."""

from __future__ import annotations

from itertools import combinations, product

import numpy as np
import pytest
from scipy.stats import friedmanchisquare, spearmanr

from models.errors import ModelError
from models.importance.stability import kendalls_w, leading_overlap, rank_correlations, stability
from models.importance.table import Importances


def values(seed, folds=5, features=9, ties=False):
    random = np.random.default_rng(seed)
    return random.integers(0, 4, (folds, features)).astype(float) if ties else random.standard_normal((folds, features))


@pytest.mark.parametrize("ties", [False, True])
def test_rank_correlations_are_spearmans(ties):
    rows = values(1, ties=ties)
    np.testing.assert_allclose(rank_correlations(rows), spearmanr(rows, axis=1).statistic, atol=1e-12)


@pytest.mark.parametrize("ties", [False, True])
def test_concordance_is_friedmans_test(ties):
    rows = values(2, ties=ties)
    theirs = friedmanchisquare(*rows.T)
    ours = kendalls_w(rows)
    assert ours.chi_squared == pytest.approx(theirs.statistic, rel=1e-12)
    assert ours.p_value == pytest.approx(theirs.pvalue, rel=1e-10)
    assert ours.w == pytest.approx(theirs.statistic / (5 * 8), rel=1e-12)


def test_concordance_and_mean_rank_correlation_say_the_same():
    """Kendall: without ties the mean Spearman correlation is (m W − 1) / (m − 1)."""
    rows = values(3)
    mean = rank_correlations(rows)[np.triu_indices(5, 1)].mean()
    assert (5 * kendalls_w(rows).w - 1) / 4 == pytest.approx(mean, rel=1e-12)


def test_equal_rows_agree_and_opposite_rows_do_not():
    one = np.arange(6.0)
    assert kendalls_w(np.array([one, one, one])).w == 1.0
    assert kendalls_w(np.array([one, one[::-1]])).w == 0.0
    assert kendalls_w(np.zeros((3, 6))).w == 0.0


def test_chance_of_an_overlap_is_that_of_all_pairs_of_sets():
    features, k = 7, 3
    sets = list(combinations(range(features), k))
    shared = np.array([len(set(one) & set(other)) for one, other in product(sets, sets)])
    rows = np.zeros((2, features))
    rows[0, [0, 1, 2]] = [3, 2, 1]
    rows[1, [1, 2, 5]] = [3, 2, 1]
    found = leading_overlap(rows, k)
    assert found.shared.tolist() == [[3, 2], [2, 3]]
    assert found.mean == 2.0
    assert found.expected == pytest.approx(shared.mean())
    assert found.p_value[0, 1] == pytest.approx((shared >= 2).mean())
    assert found.p_value[0, 0] == pytest.approx((shared >= 3).mean())


def test_folds_that_see_the_same_agree_more_than_chance():
    truth = np.linspace(3, 0, 20)
    agreeing = truth + 0.3 * values(4, 6, 20)
    table = Importances("demo", "nats", tuple(map(str, range(20))), agreeing)
    found = stability(table, k=5)
    assert found.mean_rank_correlation > 0.8
    assert found.concordance.p_value < 1e-6
    assert found.overlap.mean > 2 * found.overlap.expected
    noise = stability(Importances("demo", "nats", table.names, values(5, 6, 20)), k=5)
    assert abs(noise.mean_rank_correlation) < 0.2
    assert noise.concordance.p_value > 0.01


def test_no_more_than_half_of_the_features_lead():
    assert stability(Importances("demo", "nats", tuple("abcde"), values(6, 3, 5)), k=10).overlap.k == 2


@pytest.mark.parametrize("rows", [np.array([[1.0, np.nan], [1.0, 2.0]]), np.ones((1, 2)), np.ones((2, 1))])
def test_too_little_to_compare_is_refused(rows):
    with pytest.raises(ModelError, match="at least two rows"):
        stability(Importances("demo", "nats", tuple("abc"[: rows.shape[1]]), rows))


def test_a_set_larger_than_all_features_is_refused():
    with pytest.raises(ModelError, match="k is 10"):
        leading_overlap(values(7), 10)
