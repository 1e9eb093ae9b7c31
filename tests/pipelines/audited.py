"""A small run to audit: two random instruments with holes, through the real stages."""

from __future__ import annotations

import msgspec

from features.conformance import plain_bars, without
from market.instruments import Instrument
from market.lake import Lake
from market.time import DAY, MINUTE
from pipelines.audit.base import train_first
from pipelines.audit.pipeline import audit_run
from pipelines.config import RunConfig
from pipelines.stages.artefacts import Artefacts
from pipelines.stages.data import series_key
from pipelines.stages.panel import load_panel

SYMBOLS = ("AAA", "BBB")
RAW = {
    "name": "audited",
    "data": {"symbols": list(SYMBOLS), "interval": "15m", "venue": "here", "holdout": "1d"},
    "features": {"names": ["rsi_14", "scaled_return_4", "ewma_volatility_96"]},
    "labels": {"horizon": 8},
    "validation": {"folds": 6, "train": "10d", "draws": 100},
    "trading": {"decision": {"margin": -0.02}, "risk": {"drawdown": 0.9}},
    "members": {"linear": {}, "lightgbm": {"rounds": 20}, "lstm": {"hidden": 4, "layers": 1, "epochs": 1}},
}
CONFIG = msgspec.convert(RAW, RunConfig)


def instrument(symbol):
    return Instrument.from_dict(
        {
            "symbol": symbol, "venue": "here", "kind": "spot", "base": symbol, "quote": "USD", "tick": "0.0001",
            "lot": "0.001", "min_quantity": "0.001", "max_quantity": "1000000", "min_notional": "1",
            "maker_fee": "0", "taker_fee": "0",
        }
    )  # fmt: skip


INSTRUMENTS = tuple(instrument(one) for one in SYMBOLS)


def trained(folder, least, config=CONFIG):
    """A run over two random instruments with holes, in the past and across a fold's edge."""
    lake = Lake(folder / "lake")
    for number, symbol in enumerate(SYMBOLS):
        bars = plain_bars(2_600, 11 + number, interval=15 * MINUTE, start=18_000 * DAY)
        bars["close"][::7] = bars["open"][::7]
        holes = [*range(700, 704), *range(1_500, 1_530), 2_000]
        lake.write(series_key(config.data, symbol), without(bars, holes))
    return train_first(config, lake, INSTRUMENTS, least, Artefacts(folder / "artefacts"))


def leaking(folder, config=CONFIG):
    """An audit of a run that was made with whatever was patched."""
    load_panel.__globals__["_load"].cache_clear()
    return audit_run(trained(folder, 6, config))


def columns(found):
    return {f"{one.stage}/{one.column}" for one in found}
