"""The panel engine: exact against a plain twin, the same bytes however it is driven, and blind to what comes later."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from features.conformance import plain_bars, without
from features.errors import BarError, FeatureError, StateError
from features.panel.assembler import StepAssembler
from features.panel.engine import PanelEngine
from features.panel.step import rank
from market.bars import PANEL_FIELDS, empty_bars
from market.time import MINUTE
from tests.features.panel_twin import twin

MEMBERS = ("BTC", "ETH", "SOL", "XRP")
FEW = settings(max_examples=20, deadline=None)


def panel(count=260, seed=1, holes=True):
    """Bars of four members: holes of one bar, of three (bridged), of nine (not), a late listing, and equal members."""
    bars = {name: plain_bars(count, seed + number) for number, name in enumerate(MEMBERS)}
    if holes:
        bars["ETH"] = without(bars["ETH"], [30, 120, 121, 122, *range(200, 209)])
        bars["SOL"] = bars["SOL"][50:]
        bars["XRP"] = without(bars["BTC"].copy(), [140])
    return bars


def engine(max_gap=3):
    return PanelEngine(MEMBERS, MINUTE, max_gap)


def replayed(bars, max_gap=3):
    return dict(zip(MEMBERS, engine(max_gap).replay([bars[name] for name in MEMBERS]), strict=True))


@pytest.mark.parametrize("max_gap", [0, 3, 20])
def test_every_field_is_the_twin_s(max_gap):
    bars = panel()
    ours, theirs = replayed(bars, max_gap), twin(bars, MINUTE, max_gap)
    for name in MEMBERS:
        for field in PANEL_FIELDS:
            expected = np.array([row[field] for row in theirs[name]])
            error = np.abs(ours[name][field] - expected) / np.maximum(np.abs(expected), 1e-3)
            assert error.max() < 1e-9, (name, field, int(error.argmax()))
            assert max_gap == 0 or np.ptp(expected) > 0, (name, field)  # holes keep some of ETH short


def check_long_run(chunks, chunk=100_000, kept=1_500, compared=200):
    """The last fields of a long run against the twin over the last bars, which hold all of history to 1e-13."""
    running = engine()
    for number in range(chunks):
        bars = [plain_bars(chunk, 100 * number + member, start=number * chunk * MINUTE) for member in range(4)]
        bars[1]["volume"][chunk // 2] = 1e12
        bars[2] = np.delete(bars[2], [chunk // 3, chunk - 120])
        ours = running.replay(bars)
    assert running.last_end == chunks * chunk * MINUTE
    tail = {name: one[-kept:] for name, one in zip(MEMBERS, bars, strict=True)}
    theirs = twin(tail, MINUTE, 3)
    for name, one in zip(MEMBERS, ours, strict=True):
        for field in PANEL_FIELDS:
            expected = np.array([row[field] for row in theirs[name][-compared:]])
            error = np.abs(one[field][-compared:] - expected) / np.maximum(np.abs(expected), 1e-3)
            assert error.max() < 1e-9, (name, field)


def test_exact_after_200_000_steps():
    check_long_run(2)


@pytest.mark.long
def test_exact_after_five_million_steps():
    check_long_run(50)


def test_nothing_but_the_panel_fields_changes():
    bars = panel()
    before = {name: one.copy() for name, one in bars.items()}
    ours = replayed(bars)
    for name in MEMBERS:
        assert bars[name].tobytes() == before[name].tobytes()
        for field in set(bars[name].dtype.names) - set(PANEL_FIELDS):
            assert ours[name][field].tobytes() == bars[name][field].tobytes()


@FEW
@given(cuts=st.lists(st.integers(1, 259), max_size=4), single=st.integers(0, 259))
def test_any_pieces_and_snapshots_give_the_bytes_of_one_replay(cuts, single):
    bars = panel()
    whole = replayed(bars)
    running, found = engine(), {name: [] for name in MEMBERS}
    for begin, end in zip([0, *sorted(cuts)], [*sorted(cuts), 260], strict=True):
        part = {
            name: one[(one["start"] >= begin * MINUTE) & (one["start"] < end * MINUTE)] for name, one in bars.items()
        }
        if begin <= single < end:  # this piece step by step
            for step in range(begin, end):
                now = {name: one[one["start"] == step * MINUTE] for name, one in part.items()}
                for name, one in running.update({name: one for name, one in now.items() if len(one)}).items():
                    found[name].append(one)
        else:
            for name, one in zip(MEMBERS, running.replay([part[name] for name in MEMBERS]), strict=True):
                found[name].append(one)
        following = engine()
        following.restore(running.snapshot())
        running = following
    for name in MEMBERS:
        assert np.concatenate(found[name]).tobytes() == whole[name].tobytes()


def test_later_bars_change_nothing_before_them():
    bars = panel()
    whole = replayed(bars)
    for cut in (1, 60, 119, 201, 259):
        changed = {name: one.copy() for name, one in bars.items()}
        for one in changed.values():
            late = one["start"] >= cut * MINUTE
            for field in ("open", "high", "low", "close"):
                one[field][late] *= 1.7
            one["volume"][late] += 50.0
        again = replayed(changed)
        for name in MEMBERS:
            early = bars[name]["start"] < cut * MINUTE
            assert again[name][early].tobytes() == whole[name][early].tobytes()
            if not early.all():
                assert again[name][~early].tobytes() != whole[name][~early].tobytes()


def test_members_in_another_order_see_the_same_market():
    bars = panel()
    whole = replayed(bars)
    order = MEMBERS[::-1]
    again = dict(zip(order, PanelEngine(order, MINUTE, 3).replay([bars[name] for name in order]), strict=True))
    for name in MEMBERS:
        for field in PANEL_FIELDS:  # sums in another order: their last bits may differ, ranks may not
            assert again[name][field] == pytest.approx(whole[name][field], rel=1e-9, abs=1e-15)
            assert field.endswith("rank") is False or (again[name][field] == whole[name][field]).all()


def test_alone_everything_is_neutral():
    alone = PanelEngine(("BTC",), MINUTE, 3).replay([plain_bars(150, 3)])[0]
    for field in PANEL_FIELDS:
        assert (alone[field] == 0.0).all()


def test_a_missing_member_is_left_out_of_the_others_market():
    bars = panel(holes=False)
    del_row = 100
    bars["ETH"] = without(bars["ETH"], [del_row])
    ours = replayed(bars)
    close = {name: bars[name]["close"] for name in ("SOL", "XRP")}
    expected = np.mean([np.log(close[name][del_row] / close[name][del_row - 1]) for name in close])
    assert ours["BTC"]["market_return"][del_row] == pytest.approx(expected, rel=1e-12)
    # One bar later its return would span two: it is left out still, and contributes again after that.
    expected = np.mean([np.log(close[name][del_row + 1] / close[name][del_row]) for name in close])
    assert ours["BTC"]["market_return"][del_row + 1] == pytest.approx(expected, rel=1e-12)


def test_bad_bars_are_refused_and_change_nothing():
    bars = panel(holes=False)
    running = engine()
    running.replay([bars[name][:100] for name in MEMBERS])
    before = running.snapshot()
    broken = bars["ETH"][100:101].copy()
    broken["close"] = -1.0
    stale = bars["SOL"][99:100]
    for update, error, words in (
        ({"BTC": bars["BTC"][100:101], "ETH": broken}, BarError, "close -1.0"),
        ({"BTC": bars["BTC"][100:101], "SOL": stale}, FeatureError, "all of one interval"),
        ({"SOL": stale}, BarError, "in order"),
        ({"DOGE": bars["BTC"][100:101]}, FeatureError, "DOGE"),
        ({"BTC": bars["BTC"][100:102]}, FeatureError, "one bar"),
    ):
        with pytest.raises(error, match=words):
            running.update(update)
        assert running.snapshot() == before
    with pytest.raises(FeatureError, match="4 members was given 3"):
        running.replay([bars["BTC"][100:]] * 3)
    for members, interval in (((), MINUTE), (("BTC", "BTC"), MINUTE), (("BTC",), 0)):
        with pytest.raises(FeatureError):
            PanelEngine(members, interval, 3)


def test_a_snapshot_of_another_panel_or_a_damaged_one_is_refused():
    bars = panel()
    running = engine()
    running.replay([bars[name] for name in MEMBERS])
    snapshot = running.snapshot()
    for other in (
        PanelEngine(MEMBERS, MINUTE, 4),
        PanelEngine(MEMBERS[::-1], MINUTE, 3),
        PanelEngine(MEMBERS, 2 * MINUTE, 3),
    ):
        with pytest.raises(StateError, match="another panel"):
            other.restore(snapshot)
    damaged = bytearray(snapshot)
    damaged[100] ^= 1
    with pytest.raises(StateError, match="intact"):
        engine().restore(bytes(damaged))


def test_a_snapshot_of_another_version_of_the_step_is_refused(monkeypatch):
    bars = panel(count=40, holes=False)
    running = engine()
    running.replay([bars[name] for name in MEMBERS])
    snapshot = running.snapshot()
    monkeypatch.setattr("features.panel.engine.panel_steps", rank)
    with pytest.raises(StateError, match="or a kernel differ"):
        engine().restore(snapshot)


def offered(bars, order, grace=10):
    """Every bar offered in some order of (member, row); the steps as they closed."""
    assembler = StepAssembler(MEMBERS, grace)
    steps = []
    for name, row in order:
        steps += assembler.offer(name, bars[name][row : row + 1])
    return assembler, steps


@FEW
@given(seed=st.integers(0, 10_000))
def test_the_order_of_arrival_within_a_step_does_not_matter(seed):
    bars = panel(count=40, holes=False)
    random = np.random.default_rng(seed)
    order = [(name, row) for row in range(40) for name in random.permutation(MEMBERS)]
    assembler, steps = offered(bars, order)
    assert len(steps) == 40
    assert not any(assembler.late.values())
    whole, running = replayed(bars), engine()
    for row, step in enumerate(steps):
        assert list(step) == list(MEMBERS)
        for name, bar in running.update(step).items():
            assert bar.tobytes() == whole[name][row : row + 1].tobytes()


def test_a_late_bar_is_as_good_as_missing():
    bars = panel(count=40, holes=False)
    order = [(name, row) for row in range(40) for name in MEMBERS if (name, row) != ("ETH", 20)]
    order.insert(order.index(("BTC", 21)) + 1, ("ETH", 20))  # after BTC's next bar closed its step
    assembler, steps = offered(bars, order)
    assert assembler.late == {"BTC": 0, "ETH": 1, "SOL": 0, "XRP": 0}
    missing = {**bars, "ETH": without(bars["ETH"], [20])}
    whole, running = replayed(missing), engine()
    found = {name: [] for name in MEMBERS}
    for step in steps:
        for name, bar in running.update(step).items():
            found[name].append(bar)
    for name in MEMBERS:
        assert np.concatenate(found[name]).tobytes() == whole[name].tobytes()


def test_a_step_closes_when_its_grace_is_over_and_not_before():
    bars = panel(count=2, holes=False)
    assembler = StepAssembler(MEMBERS, grace=5)
    end = int(bars["BTC"]["end"][0])
    assert assembler.offer("SOL", bars["SOL"][:1]) == ()
    assert assembler.expire(end + 4) == ()
    (step,) = assembler.expire(end + 5)
    assert list(step) == ["SOL"]
    assert assembler.expire(end + 100) == ()
    assert assembler.offer("BTC", bars["BTC"][:1]) == ()
    assert assembler.late["BTC"] == 1


def test_the_assembler_refuses_what_it_cannot_place():
    bars = panel(count=2, holes=False)
    assembler = StepAssembler(MEMBERS, grace=5)
    assembler.offer("BTC", bars["BTC"][:1])
    for name, bar, words in (
        ("BTC", bars["BTC"][:1], "two bars"),
        ("DOGE", bars["BTC"][:1], "DOGE"),
        ("ETH", bars["ETH"], "one bar"),
        ("ETH", np.zeros(1), "one bar"),
    ):
        with pytest.raises(FeatureError, match=words):
            assembler.offer(name, bar)
    with pytest.raises(FeatureError, match="grace"):
        StepAssembler(MEMBERS, -1)
    assert list(empty_bars(1)["market_return"]) != [0.0]  # missing is NaN until a panel fills it
