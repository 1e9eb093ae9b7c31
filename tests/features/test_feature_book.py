"""The features of the book: their symmetry, and bars made of recorded trades and books, from the stream to the row."""

from __future__ import annotations

from decimal import Decimal

import numpy as np
import pytest

from features.catalogue import GROUPS
from features.conformance import plain_bars, replayed
from features.engine import FeatureEngine
from features.feature_set import FeatureSet
from market.book.aggregates import BOOK_FIELDS, BookAggregates
from market.book.binance import read_recording
from market.book.grid import Grid
from market.time import MINUTE, SECOND
from tests.features.book_reference import BOOK_REFERENCE
from tests.features.feature_reference import worst_errors

pytestmark = pytest.mark.xdist_group("features")

NAMES = tuple(feature.name for feature in GROUPS["book"])


@pytest.fixture(scope="module")
def book_engine() -> FeatureEngine:
    return FeatureEngine(FeatureSet(NAMES, MINUTE, 3)).build()


def test_exchanged_sides_turn_the_signed_features_around(book_engine):
    bars = plain_bars(600, 3)
    turned = bars.copy()
    for what in ("size", "depth", "slope"):
        turned[f"bid_{what}"], turned[f"ask_{what}"] = bars[f"ask_{what}"], bars[f"bid_{what}"]
    for name in ("order_flow_imbalance", "multilevel_order_flow_imbalance"):
        turned[name] = -bars[name]
    rows, other = replayed(book_engine, bars), replayed(book_engine, turned)
    for column, name in enumerate(NAMES):
        if name != "microprice_gap":
            sign = 1 if name.startswith(("spread", "book_depth")) else -1
            np.testing.assert_allclose(other[:, column], sign * rows[:, column], rtol=1e-9, atol=1e-12, err_msg=name)


def longest_known(bars):
    """The longest run of bars that know every field of the book: bitcoin's price leaves the levels of its snapshot."""
    known = np.all([np.isfinite(bars[name]) for name in BOOK_FIELDS], axis=0)
    edges = np.flatnonzero(np.diff(np.r_[False, known, False].astype(int)))
    begins, ends = edges[::2], edges[1::2]
    place = int(np.argmax(ends - begins))
    return bars[begins[place] : ends[place]]


@pytest.mark.real_data
@pytest.mark.parametrize(
    ("name", "tick", "lot", "least"),
    [
        ("spot-ETHUSDT", "0.01", "1e-8", 640),
        ("spot-BTCUSDT", "0.01", "1e-8", 400),
        ("um-BTCUSDT", "0.1", "0.001", 200),
    ],
)
def test_recorded_streams_become_bars_and_exact_rows(real_data, name, tick, lot, least):
    paths = sorted((real_data / "book").glob(f"binance-{name}-ws-*.jsonl.gz"))
    grid = Grid(Decimal(tick), Decimal(lot))
    bars = BookAggregates(grid, SECOND, name.startswith("um-")).update(read_recording(paths, grid))
    bars = longest_known(bars)
    mid = bars["microprice"]
    for name in ("open", "high", "low", "close"):  # trades are another matter: the book alone decides these features
        bars[name] = mid
    bars["volume"] = 0.0
    engine = FeatureEngine(FeatureSet(NAMES, SECOND, 0))
    rows = engine.replay(bars)
    warmup = {feature.name: feature.warmup - 1 for feature in engine.feature_set.features}
    assert len(bars) > least
    assert np.isfinite(rows[engine.feature_set.warmup - 1 :]).all()
    scales = {feature.name: feature.scale for feature in engine.feature_set.features}
    worst = worst_errors(NAMES, scales, rows, bars, warmup, BOOK_REFERENCE)
    assert {name: error for name, error in worst.items() if not error <= 1e-9} == {}
    ofi = rows[:, NAMES.index("ofi")]
    moves = np.diff(np.log(mid))
    assert np.corrcoef(ofi[1:], moves)[0, 1] > 0.5  # what Cont, Kukanov and Stoikov (2014) found: flow moves the price
