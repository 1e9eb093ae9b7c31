"""The panel: which rows become samples, in which order, with which weights."""

from __future__ import annotations

import numpy as np

from market.bars import empty_bars
from models.dataset import Series, build_panel
from models.labels import LabelConfig, triple_barrier
from models.weights import average_uniqueness

MINUTE = 60_000_000_000
CONFIG = LabelConfig(horizon=4, barrier=0.8)
NAMES = ("one", "two")


def series(seed, count=50, shift=0):
    random = np.random.default_rng(seed)
    bars = empty_bars(count)
    bars["start"] = MINUTE * (np.arange(count) + shift)
    bars["end"] = bars["start"] + MINUTE
    bars["close"] = 100 * np.exp(np.cumsum(random.normal(0, 0.01, count)))
    bars["open"] = np.r_[100, bars["close"][:-1]]
    bars["high"] = np.maximum(bars["open"], bars["close"]) * 1.002
    bars["low"] = np.minimum(bars["open"], bars["close"]) * 0.998
    features = random.normal(size=(count, 2))
    features[:5] = np.nan
    features[20:21, 1] = np.nan
    return Series(f"S{seed}", bars, features, np.full(count, 0.01))


def panel():
    return build_panel((series(1), series(2, shift=3), series(3, count=3)), NAMES, MINUTE, CONFIG)


def test_samples_are_the_labelled_rows_with_every_feature():
    made = panel()
    for number, one in enumerate(made.series):
        mine = made.samples.instrument == number
        labels = triple_barrier(one.bars, one.volatility, CONFIG, MINUTE)
        known = ~np.isnan(one.features[labels.row]).any(axis=1)
        assert made.samples.row[mine].tolist() == labels.row[known].tolist()
        for name in ("start", "t1", "label", "move"):
            assert getattr(made.samples, name)[mine].tolist() == getattr(labels, name)[known].tolist()
    assert len(made.samples) == (50 - 4 - 5 - 1) * 2


def test_rows_without_a_feature_or_a_future_are_no_samples():
    rows = set(panel().samples.row.tolist())
    assert rows == set(range(5, 46)) - {20}


def test_samples_are_in_order_of_decision_then_instrument():
    samples = panel().samples
    keys = list(zip(samples.t0.tolist(), samples.instrument.tolist(), strict=True))
    assert keys == sorted(keys)
    assert len(set(keys)) == len(keys)


def test_a_decision_is_at_its_bar_s_end_and_the_entry_not_before():
    made = panel()
    ends = [
        int(made.series[i].bars["end"][row]) for i, row in zip(made.samples.instrument, made.samples.row, strict=True)
    ]
    assert made.samples.t0.tolist() == ends
    assert (made.samples.start >= made.samples.t0).all()
    assert (made.samples.t1 > made.samples.start).all()


def test_weights_count_the_labels_of_all_instruments():
    samples = panel().samples
    assert samples.weight.tolist() == average_uniqueness(samples.start, samples.t1).tolist()
    alone = build_panel((series(1),), NAMES, MINUTE, CONFIG).samples
    assert (samples.weight[samples.instrument == 0] < alone.weight).any()


def test_feature_rows_follow_the_asked_positions():
    made = panel()
    index = np.random.default_rng(0).permutation(len(made.samples))[:30]
    rows = made.rows(index)
    assert rows.shape == (30, 2)
    expected = [made.series[made.samples.instrument[i]].features[made.samples.row[i]].tolist() for i in index]
    assert rows.tolist() == expected


def test_a_panel_may_have_no_samples():
    made = build_panel((series(1, count=3),), NAMES, MINUTE, CONFIG)
    assert len(made.samples) == 0
    assert made.rows(np.zeros(0, np.int64)).shape == (0, 2)
