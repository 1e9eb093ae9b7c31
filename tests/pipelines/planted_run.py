"""The research stages over a synthetic market, in memory of one test: no scheduler, no tracking."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import msgspec
import numpy as np

from market.lake import Lake
from market.synthetic import SyntheticMarket
from market.synthetic_optimum import Optimum, optimum
from models.ensemble.config import EnsembleConfig
from models.ensemble.nested import FoldScores, compared_folds
from models.statistics.predictions import row_log_loss
from pipelines import results
from pipelines.config import RunConfig
from pipelines.stages.artefacts import Artefacts, silent
from pipelines.stages.backtest import backtest_job, load_backtest
from pipelines.stages.data import describe, series_key
from pipelines.stages.evaluate import Compared, compared_rows, fold_predictions, nested_combinations, predictors
from pipelines.stages.fit import fit_job
from pipelines.stages.panel import load_panel, panel_job
from pipelines.stages.score import load_scores, next_combination, score_job
from pipelines.stages.windows import fold_windows, folds

HORIZON, BARRIER = 6, 1.5


@dataclass(frozen=True, slots=True)
class Planted:
    """A run over a market: its folds, the compared rows, every predictor's scores, the backtest, where the rows are."""

    market: SyntheticMarket
    panel: Any
    folds: list[FoldScores]
    compared: Compared
    scores: dict[str, results.Predictor]
    backtest: results.Backtest
    index: np.ndarray

    @property
    def effective(self):
        """Effective rows."""
        return float(self.compared.outcomes.weight.sum())

    def combined(self, **changes):
        """What another ensemble of the same members says on the compared rows."""
        made = nested_combinations(self.folds, EnsembleConfig(**changes))
        return np.concatenate([made[one].apply(self.folds[one].members) for one in compared_folds(len(self.folds))])

    def best(self, step, **options) -> tuple[Optimum, np.ndarray]:
        """The best possible predictor on every ``step``-th compared row, and which they are."""
        chosen = np.arange(0, len(self.index), step)
        samples = self.panel.samples
        volatility = [series.volatility for series in self.panel.series]
        where = self.index[chosen]
        found = optimum(
            self.market, volatility, samples.instrument[where], samples.row[where],
            horizon=HORIZON, barrier=BARRIER, **options,
        )  # fmt: skip
        return found, chosen


def gain(compared, probability, chosen):
    """Log-loss reduction against the base rate on some rows, nats per decision, weighted."""
    part = {name: getattr(compared.outcomes, name)[chosen] for name in ("label", "weight", "base")}
    saved = row_log_loss(part["label"], part["base"]) - row_log_loss(part["label"], probability)
    return float(np.average(saved, weights=part["weight"]))


def configuration(market, members=("lstm", "lightgbm", "xgboost", "linear")):
    """The pipeline's own configuration for a synthetic market; labels as the optimum's."""
    days = market.config.bars * 15 // (24 * 60)
    raw = {
        "name": "planted",
        "data": {"symbols": list(market.symbols), "interval": "15m", "venue": "synthetic", "holdout": "2d"},
        "labels": {"horizon": HORIZON, "barrier": BARRIER, "touch": "close"},
        "validation": {"folds": 7, "train": f"{days // 2}d", "draws": 300},
        # Trades on the sign of every prediction, whatever the costs: a market without an edge must show it in trades.
        "trading": {"decision": {"margin": -0.0016}, "risk": {"drawdown": 1.0}},
        "members": {name: {} for name in members},
    }
    return msgspec.convert(raw, RunConfig)


def run(market, folder, **options) -> Planted:
    """Every research stage, one after another."""
    config = configuration(market, **options)
    lake, artefacts = Lake(folder / "lake"), Artefacts(folder / "artefacts")
    for symbol, bars in market.bars.items():
        lake.write(series_key(config.data, symbol), bars)
    facts = describe(config.data, lake)
    made = artefacts.make(panel_job(config, facts, lake), silent)
    panel = load_panel(made)
    found = folds(config, panel)
    windows = fold_windows(found)
    scored, artefact_of, combinations = [], [], []
    for window in windows:
        fits = {name: artefacts.make(fit_job(config, made, window, name), silent) for name in config.members}
        combination = next_combination(config, panel.samples, scored, combinations, window.test_start)
        artefact_of.append(artefacts.make(score_job(config, made, window, fits, combination), silent))
        scored.append(load_scores(panel, window, artefact_of[-1]))
        combinations.append(combination)
    predicted = fold_predictions(config, panel, found, scored, combinations)
    compared = compared_rows(config, panel, predicted)
    traded = artefacts.make(
        backtest_job(config, [made] * len(windows), windows, found, artefact_of, market.instruments), silent
    )
    index = np.concatenate([one.scored.index for one in predicted[2:]])
    scores = {one.name: one for one in predictors(compared)}
    numbers = [one.fold_scores(panel.samples) for one in scored]
    return Planted(market, panel, numbers, compared, scores, load_backtest(traded), index)
