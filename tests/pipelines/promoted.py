"""A workspace in which models can be promoted: a lake whose bars go on, bundles, their runs, and a ledger.

Returns of the bars lean on the one before, so that a model of the last return knows something, and one of its opposite
knows less than nothing. The runs' results are artificial; everything behind the bundles' data is scored for real.
"""

from __future__ import annotations

from decimal import Decimal

import msgspec
import numpy as np

from features.engine import FeatureEngine
from features.feature_set import FeatureSet
from market.bars import empty_bars
from market.instruments import Instrument
from market.lake import Lake, SeriesKey
from market.time import MINUTE
from models.bundle import bundle as bundles
from models.bundle.bundle import SeriesState
from models.bundle.golden import record_golden
from models.bundle.manifest import FeatureList, Manifest, MemberInfo, Payoff, Training
from models.bundle.runner import GraphRunner
from models.bundle.store import ModelStore
from models.graph.compose import compose
from models.graph.linear import linear_part
from pipelines.ledger.against import count_against
from pipelines.ledger.record import finish_trial
from pipelines.ledger.store import Ledger
from pipelines.results import ENSEMBLE, SampleSummary
from pipelines.workspace import Workspace
from tests.pipelines.factory import make_result
from tests.pipelines.ledger_factory import daily, make_trial
from tests.pipelines.tiny_bundle import with_bundle

STEP = 30 * MINUTE
FEATURES = FeatureSet(("scaled_return_1", "ewma_volatility_96"), interval=STEP, max_gap=8)
BEGIN = 1_600_000_200 * 10**9
TRAINED, ALL = 4_000, 6_000
LABEL = {"horizon": 2, "barrier": 1.5}
KEY = SeriesKey(venue="fake", instrument="FAKE", kind="bars", interval="30m")
EASY = "margin = 0.05\nreturn_margin = 0.05\nexpiry = 1000.0\nlatency_p50_us = 1e6\nlatency_p99_us = 1e6\n"
"""Thresholds that the good model passes on any machine, on any day."""
RULES = Instrument(
    "FAKE", "fake", "spot", "FAKE", "USDT", tick=Decimal("0.01"), lot=Decimal("0.001"), min_quantity=Decimal("0.001"),
    max_quantity=Decimal(9000), min_notional=Decimal(5), maker_fee=Decimal("0.001"), taker_fee=Decimal("0.001"),
)  # fmt: skip


def leaning_bars(count=ALL, seed=3, lean=0.4, spread=0.005):
    """Bars whose return leans on the one before."""
    random = np.random.default_rng(seed)
    moves = random.normal(0, spread, count)
    for place in range(1, count):
        moves[place] += lean * moves[place - 1]
    bars = empty_bars(count)
    bars["start"] = BEGIN + STEP * np.arange(count)
    bars["end"] = bars["start"] + STEP
    close = 100 * np.exp(np.cumsum(moves))
    bars["close"], bars["open"] = close, np.r_[100.0, close[:-1]]
    bars["high"], bars["low"] = np.maximum(bars["open"], close), np.minimum(bars["open"], close)
    bars["volume"] = random.exponential(10, count)
    return bars


def write_bundle(folder, slope=0.35, intercept=0.0, trained=TRAINED, bars=None, label=LABEL):
    """A bundle of one linear member that has seen the first ``trained`` bars. Returns its digest."""
    bars = leaning_bars() if bars is None else bars
    part = linear_part("linear", [0.0, 0.0], [1.0, 1.0], 8.0, [slope, 0.0], intercept)
    model = compose([part]).SerializeToString()
    manifest = Manifest(
        name="tiny",
        features=FeatureList(FEATURES.names, FEATURES.interval, FEATURES.max_gap, FEATURES.digest),
        instruments=(RULES.to_dict(),),
        label=label,
        volatility="ewma_volatility_96",
        payoff=Payoff(1.5, 2, 1.0),
        members=(MemberInfo("linear"),),
        burn_in=4,
        training=Training({"FAKE": "f" * 64}, BEGIN, int(bars["end"][trained - 1]), trained, 80.0, "c" * 64, 7, 12),
        certificate={"passed": True, "rows": 10_000, "reasons": []},
    )
    golden = record_golden(bars[trained - 600 : trained], FEATURES, model, manifest.burn_in)
    engine, runner = FeatureEngine(FEATURES), GraphRunner(model, manifest.burn_in)
    runner.run_rows(engine.replay(bars[:trained]))
    state = SeriesState(int(bars["end"][trained - 1]), engine.snapshot(), runner.state())
    return bundles.write(folder, manifest, model, golden, {"FAKE": state})


def registered(workspace, number, digest, result):
    """Save a run's result with the trial that the ledger has of it."""
    ledger, run = Ledger.open(workspace), f"run{number}"
    returns = next(one.returns for one in result.laboratory.strategies if one.name == ENSEMBLE)
    days = (result.laboratory.days - 1) // (24 * 60 * MINUTE)
    trial = make_trial(run, run=run, configuration=run, touched=result.trials.judged)
    ledger.begin(trial)
    finish_trial(ledger, trial, returns=daily(returns, int(days[0])), bundle=digest)
    trials, _ = count_against(ledger, trial.id, result.trials.judged)
    data = {"venue": "fake", "symbols": ["FAKE"], "interval": "30m"}
    made = msgspec.structs.replace(
        with_bundle(result, digest),
        run_id=run,
        config={"name": "tiny", "data": data},
        trials=trials,
        samples=SampleSummary(TRAINED, 800.0, 0.5),
    )
    made.save(workspace.runs / run)
    return made


def fill(folder, slopes=(0.35, -0.35), results=None):
    """A workspace with one version of ``tiny`` for each slope, their runs and the lake's bars."""
    workspace = Workspace(folder)
    Lake(workspace.lake).write(KEY, leaning_bars())
    results = results or [make_result(edge=0.4, drift=4e-4), make_result()]
    for number, slope in enumerate(slopes, 1):
        digest = write_bundle(folder / f"bundle{number}", slope)
        assert ModelStore(workspace.store).put(folder / f"bundle{number}", "tiny") == number
        registered(workspace, number, digest, results[min(number, len(results)) - 1])
    (folder / "easy.toml").write_text(EASY)
    return workspace
