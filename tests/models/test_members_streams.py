"""Streams: every sample counts once, in its place; what leads it came before it; nothing after the range is read."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from market.bars import empty_bars
from models.dataset import Panel, Samples, Series
from models.members.streams import cut, runs, stacked, training_streams, validation_streams


@st.composite
def panels(draw):
    """A panel with holes, and a split of its samples into training, nothing, and validation."""
    generator = np.random.default_rng(draw(st.integers(0, 2**32)))
    series, rows, instruments = [], [], []
    for number in range(draw(st.integers(1, 3))):
        count = draw(st.integers(30, 90))
        bars = empty_bars(count)
        bars["end"] = np.arange(count) + 1
        features = generator.standard_normal((count, 2))
        features[generator.random(count) < draw(st.sampled_from([0.0, 0.05, 0.3]))] = np.nan
        series.append(Series(f"S{number}", bars, features, np.ones(count)))
        whole = np.flatnonzero(~np.isnan(features).any(axis=1))
        rows.append(whole[generator.random(len(whole)) < 0.7])
        instruments.append(np.full(len(rows[-1]), number))
    row, instrument = np.concatenate(rows), np.concatenate(instruments)
    t0, count = row + 1, len(row)
    samples = Samples(
        instrument, row, t0, t0, t0 + 1, generator.integers(0, 2, count), np.zeros(count), generator.random(count) + 0.1
    )
    return Panel(tuple(series), ("a", "b"), 1, samples)


@settings(max_examples=60, deadline=None)
@given(panels(), st.integers(1, 40), st.integers(0, 9), st.sampled_from([training_streams, validation_streams]))
def test_every_sample_once_and_in_place(panel, length, burn_in, build):
    samples = panel.samples
    index = np.flatnonzero((samples.t0 > 10) & (samples.t0 <= 25))
    if len(index) == 0:
        return
    streams = build(panel, index, length, burn_in)
    offsets = np.cumsum([0, *(len(series.features) for series in panel.series)])
    expected = dict(
        zip(
            (offsets[samples.instrument[index]] + samples.row[index]).tolist(),
            zip(samples.label[index], samples.weight[index] * len(index) / samples.weight[index].sum(), strict=True),
            strict=True,
        )
    )
    seen = {}
    for number in range(len(streams)):
        place = streams.place[number, : streams.length[number]]
        assert np.all(streams.place[number, streams.length[number] :] == offsets[-1])
        assert np.all(streams.weight[number, streams.length[number] :] == 0)
        series = int(np.searchsorted(offsets, place[0], side="right")) - 1
        row = place - offsets[series]
        assert np.all(np.diff(row) == 1)
        assert not np.isnan(panel.series[series].features[row]).any()
        assert row[-1] + 1 <= samples.t0[index].max()
        assert len(row) <= length + burn_in
        if build is training_streams:
            assert row[0] + 1 >= samples.t0[index].min()
        for at in np.flatnonzero(streams.weight[number]):
            assert int(place[at]) not in seen
            seen[int(place[at])] = (streams.label[number, at], streams.weight[number, at])
            whole_lead = at >= burn_in
            starts_run = row[0] == 0 or np.isnan(panel.series[series].features[row[0] - 1]).any()
            starts_range = build is training_streams and row[0] + 1 == samples.t0[index].min()
            assert whole_lead or starts_run or starts_range
    assert seen.keys() == expected.keys()
    for place, (label, weight) in expected.items():
        assert seen[place][0] == label
        assert abs(seen[place][1] - weight) < 1e-6


@given(st.integers(0, 50), st.integers(1, 200), st.integers(1, 60), st.integers(0, 20))
def test_pieces_tile_the_run(start, size, length, burn_in):
    pieces = cut((start, start + size), length, burn_in, start)
    assert [row for _, begin, stop in pieces for row in range(begin, stop)] == list(range(start, start + size))
    sizes = [stop - begin for _, begin, stop in pieces]
    assert max(sizes) <= length
    assert max(sizes) - min(sizes) <= 1
    assert all(lead == max(start, begin - burn_in) for lead, begin, _ in pieces)


@given(st.lists(st.booleans(), max_size=60))
def test_runs_are_the_true_stretches(mask):
    found = runs(np.array(mask, bool))
    assert [row for begin, stop in found for row in range(begin, stop)] == [row for row, on in enumerate(mask) if on]
    assert all(begin > before for (_, before), (begin, _) in pairwise(found))


@given(panels())
@settings(max_examples=20, deadline=None)
def test_groups_hold_every_stream_once(panel):
    index = np.arange(len(panel.samples))
    streams = training_streams(panel, index, 8, 3)
    for generator in (None, np.random.default_rng(1)):
        groups = list(streams.groups(4, generator))
        assert sorted(np.concatenate(groups)) == list(range(len(streams)))
    assert np.isfinite(stacked(panel)).all()
    assert not stacked(panel)[-1].any()
