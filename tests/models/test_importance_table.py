"""The value every importance method gives: means, errors, Student's intervals, order, and what it refuses."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from models.errors import ModelError
from models.importance.groups import by_hand, each_alone, groups_for
from models.importance.table import Importances

NAMES = ("a", "b", "c")


def table(values, names=NAMES):
    return Importances("demo", "nats", names, np.array(values, np.float64))


def random_table(seed, rows=6):
    return table(np.random.default_rng(seed).standard_normal((rows, 3)))


def test_mean_error_and_interval_are_those_of_a_t_test():
    one = random_table(1)
    low, high = one.interval(0.9)
    for column in range(3):
        test = stats.ttest_1samp(one.values[:, column], 0.0)
        expected = test.confidence_interval(0.9)
        assert one.mean[column] == pytest.approx(one.values[:, column].mean(), rel=1e-12)
        assert one.error[column] == pytest.approx(stats.sem(one.values[:, column]), rel=1e-12)
        assert (low[column], high[column]) == pytest.approx((expected.low, expected.high), rel=1e-10)


def test_shared_training_rows_widen_the_interval_as_nadeau_and_bengio_say():
    one = random_table(2, rows=5)
    low, high = one.interval(0.95, overlap=0.25)
    deviation = one.values.std(axis=0, ddof=1)
    half = stats.t.ppf(0.975, 4) * deviation * np.sqrt(1 / 5 + 0.25)
    np.testing.assert_allclose((high - low) / 2, half, rtol=1e-12)


def test_rows_that_say_nothing_do_not_count():
    one = table([[1.0, np.nan, np.nan], [3.0, 5.0, np.nan], [5.0, np.nan, np.nan]])
    assert one.count.tolist() == [3, 1, 0]
    np.testing.assert_array_equal(one.mean, [3.0, 5.0, np.nan])
    np.testing.assert_allclose(one.error, [2 / np.sqrt(3), np.nan, np.nan])
    assert np.isnan(one.interval()[0][1:]).all()


def test_largest_first_ties_as_they_stand_and_unknown_last():
    one = table([[np.nan, 1.0, 2.0, 1.0]], ("none", "tie", "top", "tie too"))
    assert one.sorted().names == ("top", "tie", "tie too", "none")
    assert one.sorted(2).names == ("top", "tie")
    assert one.sorted(2).values.tolist() == [[2.0, 1.0]]


def test_columns_are_sorted_together():
    one = random_table(3)
    columns = one.columns()
    assert columns["feature"].tolist() == [NAMES[place] for place in np.argsort(-one.mean)]
    np.testing.assert_array_equal(columns["mean"], np.sort(one.mean)[::-1])
    assert (columns["low"] < columns["mean"]).all()
    assert (columns["mean"] < columns["high"]).all()


@pytest.mark.parametrize(
    ("values", "names", "message"),
    [
        ([[1.0, 2.0]], NAMES, "shape|values"),
        (np.empty((0, 3)), NAMES, "k ≥ 1"),
        ([[1.0, 2.0, 3.0]], ("a", "b", "a"), "'a' comes twice"),
        ([[1.0, 2.0, np.inf]], NAMES, "infinite"),
    ],
)
def test_what_is_no_table_is_refused(values, names, message):
    with pytest.raises(ModelError, match=message):
        table(values, names)


@pytest.mark.parametrize("wrong", [{"level": 1.0}, {"level": 0.0}, {"overlap": -0.1}])
def test_no_interval_of_impossible_confidence(wrong):
    with pytest.raises(ModelError, match="level"):
        random_table(1).interval(**wrong)


def test_groups_by_hand_leave_no_feature_out_and_take_none_twice():
    groups = by_hand(NAMES, {"both": ["c", "a"]})
    assert [columns.tolist() for columns in groups.members] == [[0, 2], [1]]
    assert not groups.single
    assert each_alone(NAMES).single
    with pytest.raises(ModelError, match="'a'"):
        by_hand(NAMES, {"one": ["a"], "two": ["a"]})
    with pytest.raises(ModelError, match="'z'"):
        by_hand(NAMES, {"one": ["z"]})


def test_clusters_of_other_features_are_refused():
    with pytest.raises(ModelError, match="2 columns, but there are 3"):
        groups_for(NAMES, each_alone(NAMES[:2]))
