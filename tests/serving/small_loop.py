"""A real, small bundle over two instruments, bars behind its snapshot, and a trading loop over them."""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path

import numpy as np

from features.engine import FeatureEngine
from features.feature_set import FeatureSet
from market.bars import empty_bars
from market.instruments import Instrument
from market.lake import Lake, SeriesKey
from market.time import MINUTE
from models.bundle.bundle import Bundle, SeriesState, write
from models.bundle.features import listed_features, panel_engine
from models.bundle.golden import record_golden
from models.bundle.instruments import Indicators
from models.bundle.manifest import Manifest, MemberInfo, Payoff, Training
from models.bundle.runner import GraphRunner
from models.bundle.together import filled_anew, record_panel
from models.graph.compose import compose
from models.graph.linear import linear_part
from pipelines.workspace import Workspace
from serving.config import ModelConfig, ServeConfig, SourceConfig
from serving.feed import arrivals
from serving.loop import TradingLoop
from serving.start import Folders, read_stream, trade_start
from trading.config import DecisionConfig, RiskConfig, TradingConfig

SYMBOLS = ("AAA", "BBB")
INTERVAL = 30 * MINUTE
FEATURES = FeatureSet(("rsi_14", "scaled_return_4", "ewma_volatility_24"), INTERVAL, 8)
TRAINED, LIVE = 200, 60
EAGER = TradingConfig(decision=DecisionConfig(margin=-0.05), risk=RiskConfig(drawdown=0.9))
"""Trades on every signal."""
CONFIG = ServeConfig("small", ModelConfig(folder="x"), SourceConfig("lake", "test"), EAGER)


def walk(seed, count=TRAINED + LIVE):
    random = np.random.default_rng(seed)
    bars = empty_bars(count)
    bars["start"] = 888_889 * INTERVAL + INTERVAL * np.arange(count)
    bars["end"] = bars["start"] + INTERVAL
    close = 100 * np.exp(np.cumsum(random.normal(0, 0.005, count)))
    bars["close"], bars["open"] = close, np.r_[100.0, close[:-1]]
    bars["high"] = np.maximum(bars["open"], close) * 1.001
    bars["low"] = np.minimum(bars["open"], close) * 0.999
    bars["volume"], bars["trade_count"] = 1e6, random.poisson(50, count) + 1.0
    return bars


def instrument(symbol):
    return Instrument(
        symbol, "test", "spot", symbol, "USD",
        tick=Decimal("0.01"), lot=Decimal("0.001"), min_quantity=Decimal("0.001"), max_quantity=Decimal(9000),
        min_notional=Decimal(1), maker_fee=Decimal("0.001"), taker_fee=Decimal("0.001"),
    )  # fmt: skip


def write_bundle(
    folder, features=FEATURES, centre=50.0, walk=walk, bars="", lengths=(), events="", conformal=None, instruments=()
):
    """A bundle of three features whose first one decides; the first 200 bars are what it knows.

    ``bars`` and ``lengths``: of bars that follow no clock, which ``walk`` makes. ``instruments``: it tells them apart,
    and expects less of each than of the one before.
    """
    seen = [walk(seed)[:TRAINED] for seed in range(len(SYMBOLS))]
    together = panel_engine(features, SYMBOLS)
    kept = None if together is None else record_panel(together, seen)
    seen = seen if together is None else filled_anew(together, seen)
    indicators, count = Indicators(instruments), len(instruments)
    mean, scale, less = [centre, 0.0, 0.0] + count * [0.0], [10.0, 1.0, 1.0] + count * [1.0], np.arange(count) * -0.2
    part = linear_part("linear", mean, scale, 8.0, [0.3, 0.1, 0.0, *less], 0.2)
    model = compose([part], conformal=conformal)
    graph, states = model.SerializeToString(), {}
    for symbol, one in zip(SYMBOLS, seen, strict=True):
        engine, runner = FeatureEngine(features), GraphRunner(graph, 4)
        runner.run_rows(indicators.append(engine.replay(one), symbol))
        states[symbol] = SeriesState(int(one["end"][-1]), engine.snapshot(), runner.state())
    manifest = Manifest(
        name="small",
        features=listed_features(features, bars, events, instruments),
        instruments=tuple(instrument(symbol).to_dict() for symbol in SYMBOLS),
        label={},
        volatility="ewma_volatility_24",
        payoff=Payoff(1.5, 24, 1.0, lengths),
        members=(MemberInfo("linear"),),
        burn_in=4,
        conformal=conformal,
        training=Training({}, 0, int(walk(0)["end"][TRAINED - 1]), 1_000, 80.0, "c" * 64, 7, 12),
        certificate={"passed": True, "rows": 10_000, "reasons": []},
    )
    golden = record_golden(walk(9) if together is None else seen[0], features, graph, 4, indicators, SYMBOLS[-1])
    write(folder, manifest, graph, golden, states, features=features, panel=kept)
    return Bundle.load(folder)


def ran(bundle, folder, config=CONFIG, walk=walk, interval="30m"):
    """A workspace whose lake has all bars and in which the loop ran over those that the bundle does not know.

    Gives the workspace and where serving puts things in it.
    """
    place = Workspace(folder)
    for seed, symbol in enumerate(SYMBOLS):
        Lake(place.lake).write(SeriesKey("test", symbol, "bars", interval), walk(seed))
    folders = Folders(place.store, place.lake, place.journals)
    place.journals.mkdir()
    paths = folders.journal("small"), folders.status("small"), folders.scores("small")
    loop = TradingLoop(bundle, config, *paths, trade_start(bundle, config), lambda _: None)
    loop.run(arrivals(SYMBOLS, read_stream(bundle, config, place.lake)))
    return place, folders


@dataclass
class Place:
    """A folder with a bundle, and the bars that come behind its snapshot."""

    folder: Path
    bundle: Bundle
    said: list[str] = field(default_factory=list)

    @property
    def journal(self):
        return self.folder / "small"

    @property
    def status(self):
        return self.folder / "small.status"

    def bars(self):
        return {symbol: walk(seed)[TRAINED:] for seed, symbol in enumerate(SYMBOLS)}

    def stream(self, bars=None):
        return list(arrivals(SYMBOLS, bars or self.bars()))

    def loop(self, speed=0.0, trade_from=None, **config):
        source = SourceConfig("lake", "test", speed=speed)
        chosen = ServeConfig("small", ModelConfig(folder="x"), source, EAGER, **config)
        start = self.bundle.manifest.training.trained_through if trade_from is None else trade_from
        scores = self.folder / "small.scores"
        return TradingLoop(self.bundle, chosen, self.journal, self.status, scores, start, self.said.append)
