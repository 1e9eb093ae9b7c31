"""A real, tiny bundle: two features, one linear member, its golden rows and states."""

from __future__ import annotations

import msgspec
import numpy as np

from features.feature_set import FeatureSet
from market.bars import empty_bars
from market.time import MINUTE
from models.bundle import bundle as bundles
from models.bundle.golden import record_golden
from models.bundle.manifest import FeatureList, Manifest, MemberInfo, Payoff, Training
from models.graph.compose import compose
from models.graph.linear import linear_part

FEATURES = FeatureSet(("rsi_14", "scaled_return_4"), interval=30 * MINUTE, max_gap=8)


def random_walk(count=400, seed=3):
    random = np.random.default_rng(seed)
    bars = empty_bars(count)
    bars["start"] = 1_600_000_200 * 10**9 + 30 * MINUTE * np.arange(count)
    bars["end"] = bars["start"] + 30 * MINUTE
    close = 100 * np.exp(np.cumsum(random.normal(0, 0.005, count)))
    bars["close"], bars["open"] = close, np.r_[100.0, close[:-1]]
    bars["high"] = np.maximum(bars["open"], bars["close"]) * 1.001
    bars["low"] = np.minimum(bars["open"], bars["close"]) * 0.999
    bars["volume"] = random.exponential(10, count)
    return bars


def write_bundle(folder, intercept=0.0, passed=True):
    """Write a bundle; another intercept is another bundle. Returns its digest."""
    model = compose([linear_part("linear", [0.0, 0.0], [1.0, 1.0], 8.0, [0.01, 0.1], intercept)]).SerializeToString()
    manifest = Manifest(
        name="tiny",
        features=FeatureList(FEATURES.names, FEATURES.interval, FEATURES.max_gap, FEATURES.digest),
        instruments=({"symbol": "FAKE"},),
        label={},
        volatility="ewma_volatility_96",
        payoff=Payoff(1.5, 24, 1.0),
        members=(MemberInfo("linear"),),
        burn_in=4,
        training=Training({"FAKE": "f" * 64}, 0, 10**18, 1_000, 80.0, "c" * 64, 7, 12),
        certificate={"passed": passed, "rows": 10_000, "reasons": [] if passed else ["flips: 3"]},
    )
    golden = record_golden(random_walk(), FEATURES, model, manifest.burn_in)
    return bundles.write(folder, manifest, model, golden, {})


def with_bundle(result, digest):
    """The result of a run that made this bundle."""
    return msgspec.structs.replace(result, bundle=msgspec.structs.replace(result.bundle, digest=digest))
