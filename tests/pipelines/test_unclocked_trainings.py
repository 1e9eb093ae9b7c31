"""Trainings on bars that end by what is traded: what reads a clock elsewhere, and what must not here."""

from __future__ import annotations

from dataclasses import replace

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from features.catalogue import GROUPS
from features.conformance import plain_bars
from market.bars import PANEL_FIELDS, empty_bars
from market.events import EVENT, Kind
from market.lake import Lake
from market.time import DAY, MINUTE
from models.bundle.manifest import Payoff
from models.dataset import Panel
from models.labels import LabelConfig, triple_barrier
from pipelines.audit.column import distinct
from pipelines.audit.columns import panel_columns
from pipelines.audit.compare import compare
from pipelines.audit.perturb import GRIDS, VALUES
from pipelines.audit.pieces import Features, Labels
from pipelines.audit.world import World
from pipelines.config import RunConfig
from pipelines.errors import StageError
from pipelines.stages.artefacts import Artefacts
from pipelines.stages.assemble import payoff_of
from pipelines.stages.backtest import series_signals
from pipelines.stages.data import describe, series_key
from pipelines.stages.features import facts_of, find_features, with_panel_fields
from pipelines.stages.panel import load_panel, panel_job
from pipelines.stages.tape import merge, places
from serving.feed import arrivals

COUNT = 900


def configured(names="default", symbols=("A", "B")):
    document = {
        "name": "ticks",
        "data": {"symbols": list(symbols), "interval": "tick-5", "holdout": "30m"},
        "features": {"names": names},
        "labels": {"horizon": 4},
    }
    return msgspec.convert(document, RunConfig)


def ticks(seed, count=COUNT):
    """Random bars at the times of bursts: many have no length and end with the next one."""
    bars, random = plain_bars(count, seed), np.random.default_rng(seed)
    for field in PANEL_FIELDS:
        bars[field] = np.nan
    steps = random.choice([0, 0, 1, 5], (count, 2)) * (MINUTE // 4)
    moments = np.cumsum(steps.ravel()).reshape(-1, 2)
    bars["start"], bars["end"] = moments[:, 0], moments[:, 1]
    return bars


def panel_of(folder, config, series):
    lake = Lake(folder / "lake")
    for symbol, bars in series.items():
        lake.write(series_key(config.data, symbol), bars)
    facts = describe(config.data, lake)
    return load_panel(Artefacts(folder / "artefacts").make(panel_job(config, facts, lake))), facts


def test_an_interval_may_be_a_name_of_bars():
    assert configured().data.interval_ns == 0
    for name, why in (
        ("tick-05", "write 'tick-5'"),
        ("tock-5", "is not a whole number"),
        ("dollar-x", "neither a plain"),
    ):
        with pytest.raises(msgspec.ValidationError, match=why):
            msgspec.convert({"name": "n", "data": {"symbols": ["A"], "interval": name}}, RunConfig)


def test_no_feature_compares_instruments():
    bars = [ticks(1), ticks(2)]
    config = configured("all")
    about = facts_of(config, bars, find_features(config, bars))
    cross = {one.name for one in GROUPS["cross"]}
    assert cross <= about.disabled.keys()
    assert all("bars that follow no clock" in about.disabled[name] for name in cross)
    asked = configured(["rsi_14", "market_beta_96"])
    with pytest.raises(StageError, match=r"feature market_beta_96 reads .* no two instruments' bars belong together"):
        with_panel_fields(asked, find_features(asked, bars), bars)


def test_labels_are_those_of_the_same_bars_on_a_grid():
    bars, other = plain_bars(COUNT, 3), ticks(3)
    volatility = np.full(COUNT, 0.01)
    config = LabelConfig(horizon=6)
    clocked, free = triple_barrier(bars, volatility, config, MINUTE), triple_barrier(other, volatility, config, 0)
    for name in ("row", "label", "move", "touched"):
        assert getattr(clocked, name).tobytes() == getattr(free, name).tobytes()
    last = np.searchsorted(bars["end"], clocked.t1)
    assert free.t1.tolist() == other["end"][last].tolist()
    assert free.start.tolist() == other["start"][free.row + 1].tolist()


def test_what_a_trade_pays_knows_the_lengths_of_its_training_alone(tmp_path):
    config = configured(["rsi_14", "ewma_volatility_96"])
    series = {"A": ticks(1), "B": ticks(2)}
    panel, _ = panel_of(tmp_path, config, series)
    index = np.arange(100, 400)
    found = payoff_of(config, panel, index)
    for number, one in enumerate(panel.series):
        rows = panel.samples.row[index[panel.samples.instrument[index] == number]]
        passed = [int(one.bars["end"][row]) - int(one.bars["end"][row - 1]) for row in rows]
        assert found.lengths[number] == round(sum(passed) / len(passed))
    later = max(int(one.bars["end"][panel.samples.row[index[-1]] + 1]) for one in panel.series)
    for one in series.values():
        behind = one["end"] > later + 5 * MINUTE
        one["start"][behind] += DAY
        one["end"][behind] += DAY
    wider = Panel(
        tuple(replace(one, bars=series[one.symbol][: len(one.bars)]) for one in panel.series),
        panel.feature_names, 0, panel.samples,
    )  # fmt: skip
    assert payoff_of(config, wider, index).lengths == found.lengths
    assert wider.bar_length > panel.bar_length
    alone = payoff_of(config, panel, index[panel.samples.instrument[index] == 0])
    assert alone.lengths[0] == alone.lengths[1] == found.lengths[0]


def test_on_a_grid_a_payoff_says_nothing_of_lengths():
    assert "lengths" not in msgspec.json.decode(msgspec.json.encode(Payoff(1.5, 4, 0.5)))
    assert Payoff(1.5, 4, 0.5).clock(3, MINUTE) == (MINUTE, 1.0)


MOMENTS = st.lists(st.integers(0, 3), min_size=1, max_size=12).map(lambda steps: np.cumsum(steps))


@settings(deadline=None, max_examples=200)
@given(st.lists(MOMENTS, min_size=1, max_size=3), st.integers(0, 2**32))
def test_a_tape_is_in_the_order_in_which_live_sees_it(series, seed):
    random = np.random.default_rng(seed)
    bars, said, events, signals = {}, {}, [], []
    for number, ends in enumerate(series):
        one = empty_bars(len(ends))
        one["end"] = one["start"] = ends
        bars[str(number)] = one
        said[number] = np.where(random.random(len(ends)) < 0.7, 0.5, np.nan)
        told = np.zeros(len(ends), EVENT)
        told["ts_event"], told["kind"], told["instrument"], told["p0"] = ends, Kind.BAR, number, np.arange(len(ends))
        events.append(told)
        rows = np.flatnonzero(np.isfinite(said[number]))
        made = np.zeros(len(rows), EVENT)
        made["ts_event"], made["kind"], made["instrument"], made["p0"] = ends[rows], Kind.SIGNAL, number, rows
        made["seq"] = places(ends)[rows]
        signals.append(made)
    expected, seen = [], dict.fromkeys(range(len(series)), 0)
    for arrival in arrivals(tuple(bars), bars):
        row = seen[arrival.number]
        seen[arrival.number] += 1
        expected.append((int(Kind.BAR), arrival.number, row))
        if np.isfinite(said[arrival.number][row]):
            expected.append((int(Kind.SIGNAL), arrival.number, row))
    assert merge(events, signals)[["kind", "instrument", "p0"]].tolist() == expected


def test_a_signal_says_which_bar_of_a_moment_it_is_of(tmp_path):
    config = configured(["rsi_14", "ewma_volatility_96"])
    panel, _ = panel_of(tmp_path, config, {"A": ticks(1), "B": ticks(2)})
    one = panel.series[1]
    said = np.where(np.isfinite(one.features[200:300]).all(axis=1), 0.6, np.nan)
    said[::3] = np.nan
    lengths = (MINUTE, DAY // 4)
    made = series_signals(one, 1, 200, said, Payoff(1.5, 4, 0.5, lengths), 0)
    rows = 200 + np.flatnonzero(np.isfinite(said))
    first = [int(np.flatnonzero(one.bars["end"] == one.bars["end"][row])[0]) for row in rows]
    assert made["seq"].tolist() == (rows - first).tolist()
    assert made["seq"].max() > 0
    assert (made["p3"] - made["ts_event"] == DAY // 4).all()
    np.testing.assert_allclose(made["p6"] / 1e9, 2.0 * one.volatility[rows], atol=1e-9)


@pytest.mark.parametrize("way", [*VALUES, *GRIDS], ids=lambda way: way.name)
def test_the_audit_raises_no_false_alarm_where_bars_end_at_once(tmp_path, way):
    config = configured(["rsi_14", "ewma_volatility_96", "volume_z_24"])
    series = {"A": ticks(1), "B": ticks(2)}
    base, facts = panel_of(tmp_path / "base", config, series)
    random = np.random.default_rng(5)
    at = base.series[0].bars["end"]
    shared = at[1:][np.diff(at) == 0]
    for number, cut in enumerate(shared[[len(shared) // 3, len(shared) // 2]].tolist()):
        changed = {name: way(bars, cut, random) for name, bars in series.items()}
        research = {name: bars[bars["end"] <= facts.cut] for name, bars in changed.items()}
        longer = {name: np.concatenate([bars, late(series[name], bars)]) for name, bars in research.items()}
        other, _ = panel_of(tmp_path / str(number), config, longer)
        found = compare(panel_columns(config, base), panel_columns(config, other), way.name, cut, way.grid)
        assert sum(one.changed for one in found) == 0
        assert sum(one.compared for one in found) > 1000


def late(bars, kept):
    """The untouched stretch, so that research ends at the same time."""
    last = kept["end"][-1] if len(kept) else 0
    return bars[(bars["start"] >= last) & (bars["end"] > bars["end"][-1] - 30 * MINUTE)]


def test_the_audit_finds_a_look_at_the_next_bar_of_the_same_moment():
    bars = (ticks(1), ticks(2))
    world = World(("A", "B"), bars, 0)
    ahead = Features(lambda world: {"next": [np.r_[one["close"][1:], 0.0] for one in world.bars]})
    at = bars[0]["end"]
    cut = int(at[np.flatnonzero(np.diff(at) > 0)[COUNT // 4]])
    other = world.changed(cut, VALUES[0], np.random.default_rng(1))
    (found,) = compare(ahead.columns(world), ahead.columns(other), "scaled", cut)
    assert found.changed >= 1
    labels = Labels(lambda bars, interval: triple_barrier(bars, np.full(len(bars), 0.01), LabelConfig(4), interval), 4)
    (rule,) = labels.checks(world, np.random.default_rng(1))
    assert (rule.changed, rule.compared > 1000) == (0, True)


@given(st.lists(st.integers(0, 5), min_size=1, max_size=50))
def test_distinct_times_ascend_and_move_only_what_is_shared(steps):
    times = np.cumsum(np.array(steps, np.int64))
    found = distinct(times)
    assert (np.diff(found) > 0).all()
    assert (found >= times).all()
    assert distinct(times * 1_000_000)[np.r_[True, np.diff(times) > 0]].tolist() == [
        1_000_000 * one for one in np.unique(times).tolist()
    ]
