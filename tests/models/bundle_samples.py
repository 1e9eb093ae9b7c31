"""A small bundle with real features, for the tests of bundle and store."""

from __future__ import annotations

from decimal import Decimal
from functools import cache

import msgspec
import numpy as np
from graph_samples import linear_sample, memory_part

from features.engine import FeatureEngine
from features.feature_set import FeatureSet
from market.bars import empty_bars
from market.instruments import Instrument
from models.bundle.bundle import SeriesState, write
from models.bundle.combination import Pool
from models.bundle.golden import record_golden
from models.bundle.machine import Attestation, this_machine
from models.bundle.manifest import FeatureList, Manifest, Payoff, Training
from models.bundle.runner import GraphRunner
from models.graph.compose import compose

MINUTE = 60_000_000_000
NAMES = ("ewma_volatility_24", "scaled_return_4", "rsi_14")
BURN_IN = 20
STACKER = Pool((0.8, 0.5), 0.1, 1e-3)


def walk(seed=0, count=400, first=0):
    """Bars of a random walk."""
    generator = np.random.default_rng(seed)
    bars = empty_bars(count)
    close = 100.0 * np.exp(np.cumsum(0.01 * generator.normal(size=count)))
    bars["start"] = (first + np.arange(count)) * MINUTE
    bars["end"] = bars["start"] + MINUTE
    bars["open"], bars["close"] = np.concatenate([[100.0], close[:-1]]), close
    bars["high"] = np.maximum(bars["open"], close) * 1.001
    bars["low"] = np.minimum(bars["open"], close) * 0.999
    bars["volume"] = generator.lognormal(size=count)
    return bars


def feature_set():
    return FeatureSet(NAMES, MINUTE, 3)


def instrument(symbol="BTCUSDT"):
    return Instrument(
        symbol,
        "binance",
        "spot",
        "BTC",
        "USDT",
        tick=Decimal("0.01"),
        lot=Decimal("0.00001"),
        min_quantity=Decimal("0.00001"),
        max_quantity=Decimal(9000),
        min_notional=Decimal(5),
        maker_fee=Decimal("0.001"),
        taker_fee=Decimal("0.001"),
    )


@cache
def ingredients(seed=0):
    """Manifest, model, golden rows and states of a bundle."""
    parts = [linear_sample(features=len(NAMES), seed=seed), memory_part(features=len(NAMES))]
    model = compose(parts, STACKER).SerializeToString(deterministic=True)
    features = feature_set()
    engine, runner = FeatureEngine(features), GraphRunner(model, BURN_IN)
    bars = walk(seed)
    runner.run_rows(engine.replay(bars))
    manifest = Manifest(
        name="btc",
        features=FeatureList(NAMES, MINUTE, 3, features.digest),
        instruments=(instrument().to_dict(),),
        label={"horizon": 24, "multiple": 1.5},
        volatility="ewma_volatility_24",
        payoff=Payoff(1.5, 24, 0.6),
        members=runner.member_infos(),
        pool=STACKER,
        burn_in=BURN_IN,
        training=Training({"BTCUSDT": "abc"}, 0, int(bars["end"][-1]), 400, 31.5, "def", seed, 3),
        statistics={"ensemble": {"log_loss": 0.69, "auc": float("nan")}},
        certificate={"passed": True, "reasons": []},
    )
    states = {"BTCUSDT": SeriesState(int(bars["end"][-1]), engine.snapshot(), runner.state())}
    return manifest, model, record_golden(walk(seed + 100, 200), features, model, BURN_IN), states


def write_bundle(folder, seed=0, created=0, **changes):
    """Write a bundle, with some fields of its manifest changed."""
    manifest, model, golden, states = ingredients(seed)
    attestation = Attestation(machine=this_machine(), created=created)
    return write(folder, msgspec.structs.replace(manifest, **changes), model, golden, states, attestation)
