"""The auditor's parts: perturbations stay admissible and spare the past, comparison sees every bit, rules are exact."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from features.catalogue import CATALOGUE
from features.conformance import plain_bars, without
from features.engine import FeatureEngine
from features.feature_set import FeatureSet
from market.bars import FIELDS
from market.quality import check_bars
from market.time import MINUTE
from models.splitters.check import embargoed as every_embargoed
from models.splitters.check import overlap
from pipelines.audit.audit import REVERSED, audit_pieces
from pipelines.audit.column import Column, Rows
from pipelines.audit.compare import NEVER, compare
from pipelines.audit.errors import AuditError
from pipelines.audit.findings import Finding, joined
from pipelines.audit.perturb import GRIDS, VALUES, blanked
from pipelines.audit.pieces import Features
from pipelines.audit.splits import embargoed, overlapping
from pipelines.audit.world import World

READERS = tuple({one.fields: name for name, one in reversed(CATALOGUE.items())}.values())
"""A feature for every set of fields that any feature reads."""
BARS = without(plain_bars(400, 3), [120, 121, 300])
CUT = int(BARS["end"][200])


def future(way, bars=BARS, seed=1):
    return way(bars, CUT, np.random.default_rng(seed))


@pytest.mark.parametrize("way", [*VALUES, *GRIDS], ids=lambda one: one.name)
def test_a_perturbation_spares_the_past_and_stays_admissible(way):
    other = future(way)
    assert other[:201].tobytes() == BARS[:201].tobytes()
    assert other.tobytes() != BARS.tobytes()
    assert not check_bars(other, MINUTE).errors
    FeatureEngine(FeatureSet(READERS, MINUTE, 3)).replay(other)
    if not way.grid:
        assert np.array_equal(other["start"], BARS["start"])
        changed = [
            (other[name][201:] != BARS[name][201:]).mean() for name in ("open", "high", "low", "close", "volume")
        ]
        assert min(changed) > 0.9, changed


@pytest.mark.parametrize("way", [*VALUES, *GRIDS], ids=lambda one: one.name)
def test_what_is_missing_stays_missing_and_nothing_else_becomes_so(way):
    bars = blanked(BARS, 0, frozenset(FIELDS[5:]))
    other = future(way, bars)
    for name in FIELDS:
        assert np.isnan(other[name]).all() == (name in FIELDS[5:]), name
        assert np.isnan(other[name]).any() == (name in FIELDS[5:]), name


def test_ways_differ_from_one_another_in_every_price_and_in_level_and_shape():
    closes = [future(way)["close"][201:] for way in VALUES]
    for number, one in enumerate(closes):
        for other in closes[number + 1 :]:
            assert not np.array_equal(one, other)
    means = np.array([one.mean() for one in closes]) / BARS["close"].mean()
    assert means.max() > 1.5
    assert means.min() < 0.6


def rows(known, place=None, time=None):
    known = np.asarray(known)
    place = np.zeros(len(known), np.int64) if place is None else np.asarray(place)
    return Rows(("A", "B"), place, np.arange(len(known)) if time is None else np.asarray(time), known)


def test_a_single_bit_before_the_cut_is_a_leak_and_after_it_is_none():
    base = Column("s", "c", rows([1, 2, 3]), np.array([0.5, 0.5, 0.5]))
    for place, changed in ((0, 1), (1, 1), (2, 0)):
        values = base.values.copy()
        values[place] = np.nextafter(0.5, 1.0)
        (found,) = compare([base], [Column("s", "c", base.rows, values)], "x", 2)
        assert (found.changed, found.moved, found.compared) == (changed, 1 - changed, 2)
        if changed:
            assert (found.first, found.place, found.cut) == (place, "A", 2)
            assert found.size == np.spacing(0.5)


def test_nan_equals_itself_and_differs_from_numbers_and_signed_zeros_differ():
    base = Column("s", "c", rows([1, 1, 1]), np.array([np.nan, np.nan, 0.0]))
    (found,) = compare([base], [Column("s", "c", base.rows, np.array([np.nan, 1.0, -0.0]))], "x")
    assert (found.changed, found.first) == (2, 1)


def test_rows_that_vanish_or_appear_before_the_cut_are_leaks():
    base = Column("s", "c", rows([1, 2, 9]), np.array([1, 2, 3]))
    fewer = Column("s", "c", rows([1], time=[0]), np.array([1]))
    (lost,) = compare([base], [fewer], "x", 5)
    assert (lost.changed, lost.moved, lost.detail, lost.first) == (1, 1, "vanished", 1)
    (new,) = compare([fewer], [base], "x", 5)
    assert (new.changed, new.moved, new.detail) == (1, 1, "appeared")


def test_a_row_that_claims_to_be_known_earlier_in_the_other_world_is_compared():
    base = Column("s", "c", rows([9]), np.array([1.0]))
    (found,) = compare([base], [Column("s", "c", rows([3]), np.array([2.0]))], "x", 5)
    assert found.changed == 1


def test_rows_are_matched_by_the_names_of_their_places():
    base = Column("s", "c", rows([1, 1, 1], [0, 0, 1], [5, 6, 5]), np.array([1, 2, 3]))
    other = Column("s", "c", Rows(("B", "A"), np.array([0, 1, 1]), np.array([5, 5, 6]), np.ones(3, np.int64)),
                   np.array([3, 1, 2]))  # fmt: skip
    assert compare([base], [other], "x")[0].changed == 0


def test_columns_that_vanish_or_appear_have_changed_whole():
    one, two = (Column("s", name, rows([1, 1]), np.zeros(2)) for name in "ab")
    assert [(found.column, found.changed) for found in compare([one], [two], "x", NEVER)] == [("a", 2), ("b", 2)]


def test_joined_findings_keep_the_earliest_change_and_the_largest_size():
    found = [
        Finding("s", "a", 5, 1, 0, first=9, place="B", perturbation="late", size=3.0),
        Finding("s", "b", 5),
        Finding("s", "a", 5, 2, 4, first=4, place="A", perturbation="early", size=1.0),
    ]
    one, other = joined(found)
    assert (one.first, one.place, one.perturbation, one.size, one.changed, one.compared) == (
        4,
        "A",
        "early",
        3.0,
        3,
        10,
    )
    assert other.verdict == "untouched"


intervals = st.lists(st.tuples(st.integers(0, 60), st.integers(1, 15)), min_size=4, max_size=60)


@settings(max_examples=200, deadline=None)
@given(intervals, st.randoms(use_true_random=False), st.integers(0, 20))
def test_overlap_and_embargo_are_those_of_every_pair(found, random, embargo):
    t0 = np.array([one[0] for one in found])
    t1 = t0 + np.array([one[1] for one in found])
    order = list(range(len(found)))
    random.shuffle(order)
    train, test = np.array(order[: len(order) // 2]), np.array(order[len(order) // 2 :])
    assert set(overlapping(t0, t1, train, test)) == set(train[overlap(t0, t1, train, test).any(axis=1)])
    assert set(embargoed(t0, t1, train, test, embargo)) == set(
        train[every_embargoed(t0, t1, train, test, embargo).any(axis=1)]
    )


def test_cuts_lie_before_holes_and_before_publications():
    table = np.zeros(3, [("known", "<i8"), ("rate", "<f8")])
    table["known"] = BARS["start"][[150, 190, 250]] + 7
    world = World(("A",), (BARS,), MINUTE, {"rates": table})
    cuts = world.cuts(30, np.random.default_rng(0))
    assert len(set(cuts)) == 30
    assert {int(one) - 1 for one in table["known"]} <= set(cuts)
    assert int(BARS["end"][297]) in cuts
    assert cuts == sorted(cuts)


@pytest.mark.parametrize(
    ("make", "sentence"),
    [
        (lambda: World(("A", "B"), (BARS,), MINUTE), "2 symbols but 1 series"),
        (lambda: World(("A",), (BARS,), MINUTE, {"t": np.zeros(1, [("rate", "f8")])}), "table t has no field known"),
        (lambda: World(("A",), (BARS[:8],), MINUTE).cuts(24, np.random.default_rng(0)), "8 bars and 24 cuts"),
        (lambda: audit_pieces([], World(("A",), (BARS,), MINUTE)), "no pieces"),
        (lambda: Features(lambda world: {"a": [np.zeros(3)]}).columns(World(("A",), (BARS,), MINUTE)), "a must have"),
        (lambda: Column("s", "c", rows([1]), np.zeros(2)), r"column c has shape \(2,\)"),
        (lambda: Rows(("A",), np.zeros(2, int), np.zeros(1, int), np.zeros(2, int)), "lengths"),
    ],
)
def test_bad_input_is_told_in_a_sentence(make, sentence):
    with pytest.raises(AuditError, match=sentence):
        make()


def test_a_piece_that_fails_in_another_future_is_told_with_that_future():
    def fragile(world):
        (bars,) = world.bars
        assert len(bars) == len(BARS), "too short"
        return {"a": [bars["close"]]}

    with pytest.raises(AuditError, match="fails when their future is truncated: AssertionError"):
        audit_pieces([Features(fragile)], World(("A",), (BARS,), MINUTE))


def test_an_impure_piece_is_caught_without_any_perturbation():
    calls = []

    def counting(world):
        calls.append(1)
        return {"calls": [np.full(len(bars), float(len(calls))) for bars in world.bars]}

    found = audit_pieces([Features(counting)], World(("A", "B"), (BARS, BARS), MINUTE), cuts=1)
    assert found.leaks[0].perturbation == "computed again"
    assert REVERSED in found.perturbations
