"""The auditor against planted leaks: each is caught at its columns and at no other; the same done right passes."""

from __future__ import annotations

import pytest

from market.time import format_time
from pipelines.audit.audit import audit_pieces
from pipelines.audit.findings import LEAK
from tests.pipelines.leaks import in_features, in_labels, in_learning
from tests.pipelines.leaks.planted import BARS, INTERVAL, world

LEAKS = [*in_features.LEAKS, *in_labels.LEAKS, *in_learning.LEAKS]


@pytest.fixture(scope="module")
def where():
    return world()


def test_there_are_enough_and_each_has_a_name_of_its_own():
    assert len({one.name for one in LEAKS}) == len(LEAKS) >= 20


@pytest.mark.parametrize("planted", LEAKS, ids=lambda one: one.name)
def test_a_leak_is_caught_at_its_columns_and_nowhere_else(planted, where):
    found = audit_pieces([planted.leaky], where)
    (at,) = [one for one in found.findings if (one.stage, one.column) == (planted.stage, planted.column)]
    assert at.verdict == LEAK
    assert {f"{one.stage}/{one.column}" for one in found.leaks} == planted.flagged
    assert not found.clean
    begin, end = min(bars["start"][0] for bars in where.bars), max(bars["end"][-1] for bars in where.bars)
    assert begin <= at.first <= end, format_time(at.first)
    assert at.perturbation
    assert at.size is None or 0 < at.size < float("inf")
    assert end - begin >= BARS * INTERVAL


@pytest.mark.parametrize("planted", LEAKS, ids=lambda one: one.name)
def test_the_same_done_right_passes(planted, where):
    found = audit_pieces([planted.sound], where)
    assert found.clean, found.leaks
    assert planted.stage in {one.stage for one in found.findings}
    assert all(one.moved for one in found.findings), "a perturbation that reaches nothing shows nothing"
