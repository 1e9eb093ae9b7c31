"""A bundle of the default size with weights of no meaning, and a workspace whose lake has bars behind its snapshot."""

from __future__ import annotations

import lightgbm
import numpy as np
import torch
import xgboost

from features.catalogue import CORE_CATALOGUE, default_features
from features.engine import FeatureEngine
from features.feature_set import FeatureSet
from market.bars import present_fields
from market.lake import Lake, SeriesKey
from models.bundle.bundle import SeriesState, write
from models.bundle.combination import Platt, Pool
from models.bundle.golden import record_golden
from models.bundle.manifest import FeatureList, Manifest, Payoff, Training
from models.bundle.runner import GraphRunner
from models.graph.compose import compose
from models.graph.lightgbm import lightgbm_part
from models.graph.linear import linear_part
from models.graph.lstm import lstm_part
from models.graph.xgboost import xgboost_part
from models.members.lightgbm import LightgbmConfig
from models.members.lstm_network import LstmNetwork
from models.members.scaling import Scaler
from models.members.xgboost import XgboostConfig
from tests.serving.small_loop import INTERVAL, instrument, walk

SYMBOLS = ("AAA", "BBB", "CCC", "DDD", "EEE")
HIDDEN, LAYERS, BURN_IN = 64, 5, 64
TRAINED, LIVE = 1_000, 96


def bars_of(number):
    return walk(number, TRAINED + LIVE)


def feature_set():
    """The default selection over bars with OHLCV alone."""
    names = default_features(present_fields(bars_of(0)), CORE_CATALOGUE)
    return FeatureSet(names, INTERVAL, 8)


def parts(count):
    """All four members at their default sizes: every tree grows, since the labels are noise to be fitted."""
    random = np.random.default_rng(0)
    x, y = random.normal(size=(1_500, count)), random.integers(0, 2, 1_500).astype(float)
    trees, boosts = LightgbmConfig(), XgboostConfig()
    light = {"objective": "binary", "num_leaves": trees.leaves, "max_depth": trees.depth, "num_threads": 1}
    first = lightgbm.train({**light, "verbosity": -1, "seed": 0}, lightgbm.Dataset(x, y), trees.rounds)
    second = {"objective": "binary:logistic", "max_depth": boosts.depth, "nthread": 1, "seed": 0}
    second = xgboost.train(second, xgboost.DMatrix(x, y), boosts.rounds)
    torch.manual_seed(0)
    network = LstmNetwork(Scaler(np.zeros(count), np.ones(count), 5.0), HIDDEN, LAYERS, 0.0, 0.5).eval()
    torch.nn.init.normal_(network.head.weight, std=0.1)
    assert (first.num_trees(), second.num_boosted_rounds()) == (trees.rounds, boosts.rounds)
    return [
        lstm_part("lstm", network),
        lightgbm_part("lightgbm", first, count),
        xgboost_part("xgboost", second, count),
        linear_part("linear", np.zeros(count), np.ones(count), 5.0, 0.05 * random.normal(size=count), 0.0),
    ]


def write_workspace(root):
    """Fill a lake and write the bundle and a live process's configuration; the latter's path."""
    features = feature_set()
    stacker = Pool((0.3, 0.3, 0.3, 0.3), 0.0, 1e-4)
    platt = Platt(1.1, 0.01, 1e-3)
    made = compose(parts(len(features.names)), stacker, platt)
    model, states = made.SerializeToString(deterministic=True), {}
    for number, symbol in enumerate(SYMBOLS):
        bars = bars_of(number)
        Lake(root / "lake").write(SeriesKey("test", symbol, "bars", "30m"), bars)
        engine, runner = FeatureEngine(features), GraphRunner(model, BURN_IN)
        runner.run_rows(engine.replay(bars[:TRAINED]))
        states[symbol] = SeriesState(int(bars["end"][TRAINED - 1]), engine.snapshot(), runner.state())
    manifest = Manifest(
        name="default",
        features=FeatureList(features.names, INTERVAL, features.max_gap, features.digest),
        instruments=tuple(instrument(symbol).to_dict() for symbol in SYMBOLS),
        label={},
        volatility="ewma_volatility_96",
        payoff=Payoff(1.5, 24, 1.0),
        members=runner.member_infos(),
        burn_in=BURN_IN,
        training=Training({}, 0, int(bars["end"][TRAINED - 1]), 1_000, 80.0, "c" * 64, 7, 12),
        certificate={"passed": True, "rows": 10_000, "reasons": []},
        pool=stacker,
        calibration=platt,
    )
    write(root / "bundle", manifest, model, record_golden(walk(9, TRAINED), features, model, BURN_IN), states)
    path = root / "serve.toml"
    path.write_text(
        f'name = "default"\n[model]\nfolder = "{root / "bundle"}"\n[source]\nvenue = "test"\n'
        "[trading.decision]\nmargin = -0.05\n[trading.risk]\ndrawdown = 0.9\n"
    )
    return path
