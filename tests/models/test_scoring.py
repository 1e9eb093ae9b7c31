"""Scoring a stretch of history: burnt in on the rows before it, blind to the rows after it."""

from __future__ import annotations

import numpy as np
import pytest

from models.scoring import score_rows


class Memory:
    """A runner whose prediction is the mean of the finite rows since its last reset or NaN row."""

    def __init__(self, burn_in):
        self.burn_in = burn_in
        self.rows = [99.0]
        self.contiguous = None

    def reset(self):
        self.rows = []

    def run_rows(self, rows):
        self.contiguous = rows.flags.c_contiguous
        found = []
        for row in rows:
            self.rows = [] if np.isnan(row).any() else [*self.rows, row[0]]
            found.append(np.mean(self.rows) if self.rows else np.nan)
        probability = np.array(found)
        return np.column_stack([probability, 2 * probability]), probability


def features(count=30):
    return np.column_stack([np.arange(count), np.ones(count)]).astype(float)


@pytest.mark.parametrize(("first", "stop", "begin"), [(10, 15, 6), (2, 9, 0), (0, 5, 0), (26, 30, 22)])
def test_the_state_begins_burn_in_rows_before_the_first(first, stop, begin):
    members, probability = score_rows(Memory(4), features(), first, stop)
    assert probability.tolist() == [(begin + row) / 2 for row in range(first, stop)]
    assert members.tolist() == [[one, 2 * one] for one in probability]


def test_shapes_are_those_of_the_scored_rows():
    members, probability = score_rows(Memory(4), features(), 10, 17)
    assert (members.shape, probability.shape) == ((7, 2), (7,))


def test_a_row_with_a_nan_has_no_prediction_and_the_next_starts_anew():
    values = features()
    values[12, 1] = np.nan
    members, probability = score_rows(Memory(4), values, 10, 15)
    assert np.isnan(probability).tolist() == [False, False, True, False, False]
    assert np.isnan(members).all(axis=1).tolist() == [False, False, True, False, False]
    assert probability[3] == 13


@pytest.mark.parametrize("rows", [slice(0, 6), slice(15, 30)])
def test_rows_outside_do_not_matter(rows):
    values = features()
    values[rows] = -1e9
    assert score_rows(Memory(4), values, 10, 15)[1].tolist() == score_rows(Memory(4), features(), 10, 15)[1].tolist()


def test_a_second_scoring_knows_nothing_of_the_first():
    runner = Memory(4)
    first = score_rows(runner, features(), 10, 15)[1]
    score_rows(runner, features(), 20, 25)
    assert score_rows(runner, features(), 10, 15)[1].tolist() == first.tolist()


def test_the_runner_is_given_contiguous_rows():
    runner = Memory(4)
    score_rows(runner, np.asfortranarray(features()), 10, 15)
    assert runner.contiguous
