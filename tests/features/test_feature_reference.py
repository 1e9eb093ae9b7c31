from __future__ import annotations

import numpy as np
import polars as pl
import pytest

from features.catalogue import default_features
from features.conformance import degenerate_series, flattened, plain_bars, replayed, without
from features.engine import FeatureEngine
from features.feature_set import FeatureSet
from features.panel.engine import PanelEngine
from market.bars import FIELDS, PANEL_FIELDS, empty_bars, present_fields
from tests.features.book_reference import BOOK_REFERENCE
from tests.features.cross_reference import CROSS
from tests.features.feature_reference import REFERENCE, worst_errors
from tests.features.funding_reference import FUNDING_REFERENCE

pytestmark = pytest.mark.xdist_group("features")  # one worker compiles the catalogue, once

TOLERANCE = 1e-9
WHOLE_REFERENCE = REFERENCE | BOOK_REFERENCE | CROSS | FUNDING_REFERENCE
SERIES = {
    "prices near 100": lambda: plain_bars(3_000, 1),
    "prices near 50,000": lambda: plain_bars(3_000, 2, 5e4),
    "prices near 1e-5": lambda: plain_bars(3_000, 3, 1e-5),
    "bridged gaps": lambda: without(plain_bars(3_000, 4), range(50, 2_900, 7)),
    "a silent stretch": lambda: flattened(plain_bars(3_000, 5), 1_000, 1_700, silent=True),
    "a stretch at one price": lambda: flattened(plain_bars(3_000, 6), 1_000, 1_300, silent=False),
}
DEGENERATE = 3, 4, 5, 6, 7, 8, 9
"""Of `degenerate_series`; the first three stand still for so long that extended precision itself runs out."""


def assert_exact(feature_set: FeatureSet, rows: np.ndarray, bars: np.ndarray, first: int | None = None) -> None:
    scales = {feature.name: feature.scale for feature in feature_set.features}
    start = {f.name: f.warmup - 1 if first is None else first for f in feature_set.features}
    worst = worst_errors(feature_set.names, scales, rows, bars, start, WHOLE_REFERENCE)
    assert {name: error for name, error in worst.items() if not error <= TOLERANCE} == {}


def test_every_feature_has_a_reference():
    assert set(WHOLE_REFERENCE) == set(default_features(FIELDS))


@pytest.mark.parametrize("series", SERIES)
def test_exact_on(engine, series):
    bars = SERIES[series]()
    assert_exact(engine.feature_set, replayed(engine, bars), bars)


@pytest.mark.parametrize("number", DEGENERATE)
def test_exact_on_degenerate_bars(engine, number):
    bars = list(degenerate_series(2_000, 9))[number]
    assert_exact(engine.feature_set, replayed(engine, bars), bars)


COLUMNS = ("start", "open", "high", "low", "close", "volume", "end", "quote_volume", "trade_count", "taker_buy_volume")


def archive_bars(path, header: bool) -> np.ndarray:
    """Binance's twelve columns as bars, read without the room under test or its readers."""
    table = pl.read_csv(path, has_header=header, new_columns=None if header else [f"c{n}" for n in range(12)])
    bars = empty_bars(len(table))
    for name, column in zip(COLUMNS, table.columns, strict=False):
        values = table[column].to_numpy()
        bars[name] = values * 1_000_000 if name in ("start", "end") else values
    bars["end"] += 1_000_000
    return bars


REAL = {
    "spot-15m/BTCUSDT-15m.csv.gz": False,
    "um-futures-1m/NEARUSDT-1m-2023-09.csv.gz": True,
    "um-futures-1m/FILUSDT-1m-2024-10.csv.gz": True,
}


@pytest.mark.real_data
@pytest.mark.parametrize("file", REAL)
def test_exact_and_finite_on_real_bars(real_data, file):
    path = next(iter((real_data / "klines").glob(file.replace(".csv.gz", "*.csv.gz"))))
    bars = archive_bars(path, REAL[file])[:12_000]
    interval = int(bars["end"][0] - bars["start"][0])
    fields = (*present_fields(bars), *PANEL_FIELDS)  # alone in its panel: every field is there, and neutral
    bars = PanelEngine(("alone",), interval, 3).replay([bars])[0]
    engine = FeatureEngine(FeatureSet(default_features(fields), interval, 3))
    rows = replayed(engine, bars)
    assert np.isfinite(rows[engine.feature_set.warmup - 1 :]).all()
    assert_exact(engine.feature_set, rows, bars)
