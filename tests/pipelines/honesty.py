"""A researcher who fools himself, many times over: what he tries, what the ledger keeps of it, what the judge says.

On each simulated market he tries every idea in `IDEAS` through the real stages (panel, folds, fits, scores, trading),
records each in a real ledger, keeps the one with the best Sharpe ratio, and asks whether it is significant at 5 %: once
by its own probabilistic Sharpe ratio, as if he had tried nothing else, and once by the judge, who reads the ledger.
He does so after costs and in a world where trading is free: costs alone would make worthless strategies look it.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import cache
from multiprocessing import get_context
from pathlib import Path
from typing import Any, TypeVar
from unittest.mock import patch

import msgspec
import numpy as np
from scipy.stats import binom
from sqlalchemy import URL

from market.lake import Lake
from market.synthetic import SyntheticConfig, SyntheticMarket, null_twin, simulate
from market.synthetic_optimum import Optimum, optimum
from models import blas
from models.dataset import Panel
from models.ensemble.nested import Combination
from models.splitters import Fold
from models.statistics.pbo import overfitting
from models.statistics.resampling import counts_of, stationary_indices
from models.statistics.sharpe import sharpe_ratio
from models.statistics.snooping import stepdown, superior_ability
from pipelines.config import LaboratoryConfig, RunConfig, ValidationConfig
from pipelines.estimate import Estimate
from pipelines.flows.laboratory import Examined, count_trials, judge_all
from pipelines.laboratory import Deflated, Laboratory
from pipelines.ledger.chain import Head
from pipelines.ledger.guard import average_correlation
from pipelines.ledger.record import begin_trial, finish_trial
from pipelines.ledger.store import Ledger
from pipelines.ledger.summary import TrialSummary
from pipelines.ledger.trial import SHARPE, Returns, Stretch, Trial
from pipelines.results import ENSEMBLE
from pipelines.stages import environment
from pipelines.stages.artefacts import Artefact, Artefacts
from pipelines.stages.data import DataFacts, describe, series_key
from pipelines.stages.evaluate import compared_rows, fold_predictions, predictors
from pipelines.stages.fit import Window, fit_job, training_samples
from pipelines.stages.judgement import deflated
from pipelines.stages.panel import load_panel, panel_job
from pipelines.stages.paths import paths_job, split_count, split_jobs
from pipelines.stages.score import Scored, load_scores, next_combination, score_job
from pipelines.stages.strategies import strategies_job
from pipelines.stages.windows import fold_windows, folds
from trading.config import ExchangeConfig

MARKET = SyntheticConfig(instruments=2, bars=3_600, interval="4h")
"""600 days: long enough for 250 days of trading out of sample, and short enough for hundreds of markets."""
FREE = ExchangeConfig().free()
Members = dict[str, dict[str, Any]]
SIZE = 0.05
"""What the judge calls significant leaves at most this probability of luck."""
COSTS = 2 * (0.0005 + 0.0003)
"""A round trip's assumed costs; a margin of minus this trades on the sign of every prediction."""


@dataclass(frozen=True, slots=True)
class Idea:
    """One light configuration: a linear member on some features, its labels, and when it trades."""

    name: str
    features: tuple[str, ...]
    horizon: int = 6
    barrier: float = 1.5
    margin: float = -COSTS


FLOW = ("taker_imbalance", "taker_imbalance_ewma_4", "taker_imbalance_ewma_16")
MOMENTUM = ("return_ewma_4", "return_ewma_16", "scaled_return_1")
PRICE = ("close_location", "body_share", "rsi_6", "vwap_deviation_24")
VOLUME = ("volume_z_24", "chaikin_20", "obv_slope_24")
CALENDAR = ("weekday_sin", "weekday_cos", "hour_sin", "hour_cos")
RANGES = ("parkinson_ratio_24", "upside_variance_share_24", "natr_14")
IDEAS = (
    Idea("flow", FLOW),
    Idea("momentum", MOMENTUM, horizon=3),
    Idea("price in the bar", PRICE, barrier=1.0),
    Idea("volume", VOLUME),
    Idea("calendar", CALENDAR, horizon=12),
    Idea("ranges", RANGES, horizon=4),
)


def run_config(
    market: SyntheticMarket, idea: Idea, exchange: ExchangeConfig, members: Members | None = None
) -> RunConfig:
    """The pipeline's own configuration of an idea."""
    days = market.config.bars * market.config.interval_ns / 86_400e9
    raw = {
        "name": "honesty",
        "data": {
            "symbols": list(market.symbols), "interval": market.config.interval, "venue": "synthetic", "holdout": "2d",
        },
        "features": {"names": list(idea.features), "volatility": "ewma_volatility_24"},
        "labels": {"horizon": idea.horizon, "barrier": idea.barrier, "touch": "close"},
        "validation": {"folds": 7, "train": f"{int(0.4 * days)}d", "draws": 100},
        # A full bet on nearly every prediction: strategies that hardly trade would be judged on nothing.
        "trading": {"decision": {"margin": idea.margin}, "risk": {"drawdown": 1.0}, "sizing": {"full_bet": 0.02}},
        "laboratory": {"groups": 0, "costs": [], "latencies_ms": []},
        "members": members or {"linear": {"inverse_strengths": [0.1]}},
    }  # fmt: skip
    return msgspec.structs.replace(msgspec.convert(raw, RunConfig), exchange=exchange)


@dataclass(frozen=True, slots=True)
class Study:
    """A market's bars in a lake and what is known of them, and room for artefacts and ledgers."""

    market: SyntheticMarket
    folder: Path
    lake: Lake
    facts: DataFacts

    @property
    def artefacts(self) -> Artefacts:
        """What stages made."""
        return Artefacts(self.folder / "artefacts")

    def ledger(self, name: str) -> Ledger:
        """A ledger of its own in SQLite."""
        return Ledger(URL.create("sqlite", database=str(self.folder / f"{name}.db")))


@contextmanager
def study(market: SyntheticMarket) -> Iterator[Study]:
    """A market's study in a folder that is gone afterwards."""
    folder = Path(tempfile.mkdtemp(prefix="honesty-"))
    try:
        lake, data = Lake(folder / "lake"), run_config(market, IDEAS[0], FREE).data
        for symbol, bars in market.bars.items():
            lake.write(series_key(data, symbol), bars)
        yield Study(market, folder, lake, describe(data, lake))
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@dataclass(frozen=True, slots=True)
class Stages:
    """What the stages made of a configuration up to the strategies."""

    panel: Artefact
    folds: list[Fold]
    windows: list[Window]
    scored: list[Scored]
    combinations: list[Combination]
    strategies: Artefact


def stages(made: Study, config: RunConfig) -> Stages:
    """Panel, folds, fits, scores, strategies: the flow's stages one after another."""
    artefacts = made.artefacts
    panel_artefact = artefacts.make(panel_job(config, made.facts, made.lake))
    panel = load_panel(panel_artefact)
    found = folds(config, panel)
    windows = fold_windows(found)
    scored: list[Scored] = []
    scores: list[Artefact] = []
    combinations: list[Combination] = []
    for window in windows:
        fits = {name: artefacts.make(fit_job(config, panel_artefact, window, name)) for name in config.members}
        combination = next_combination(config, panel.samples, scored, combinations, window.test_start)
        scores.append(artefacts.make(score_job(config, panel_artefact, window, fits, combination)))
        scored.append(load_scores(panel, window, scores[-1]))
        combinations.append(combination)
    job = strategies_job(
        config, [panel_artefact] * len(windows), windows, scores, combinations, made.market.instruments
    )
    return Stages(panel_artefact, found, windows, scored, combinations, artefacts.make(job))


@dataclass(frozen=True, slots=True)
class Tried:
    """One registered trial: its stages, and its daily returns."""

    idea: Idea
    trial: Trial
    made: Stages
    returns: np.ndarray

    @property
    def examined(self) -> Examined:
        """As the flow's laboratory has it, without paths."""
        return Examined(self.made.strategies, None)

    @property
    def sharpe(self) -> float:
        """Per day; minus infinity if it never traded."""
        found = sharpe_ratio(self.returns)
        return found if np.isfinite(found) else -np.inf


def register(made: Study, ledger: Ledger, config: RunConfig) -> Trial:
    """Begin a trial, before anything of it is looked at."""
    rules = made.market.instruments
    return begin_trial(ledger, config, made.facts, code="honesty", instruments=rules, kind="honesty", person="nobody")


def finish(ledger: Ledger, one: Tried) -> Tried:
    """Append what came of a trial."""
    returns = Returns(one.examined.by_day.days, tuple(one.returns.tolist()))
    finish_trial(ledger, one.trial, metrics={SHARPE: sharpe_ratio(one.returns)}, returns=returns)
    return one


def attempt(
    made: Study,
    ledger: Ledger,
    idea: Idea,
    exchange: ExchangeConfig,
    members: Members | None = None,
    mirror: bool = False,
) -> list[Tried]:
    """Try an idea, and perhaps its mirror image: every position turned round, every return negated.

    That is exact where trading is free, and both are trials. Where nothing is known of the direction it doubles the
    luck there is to be had at no cost; where something is, nobody would do it.
    """
    config = run_config(made.market, idea, exchange, members)
    trial = register(made, ledger, config)
    done = stages(made, config)
    returns = Examined(done.strategies, None).returns
    found = [finish(ledger, Tried(idea, trial, done, returns))]
    if mirror:
        mirrored = register(made, ledger, msgspec.structs.replace(config, name="mirrored"))
        found.append(finish(ledger, Tried(idea, mirrored, done, -returns)))
    return found


@dataclass(frozen=True, slots=True)
class Asked:
    """The best of some trials, and what the judge says of it."""

    idea: str
    sharpe: float
    days: int
    trials: TrialSummary
    verdict: Deflated

    @property
    def naive(self) -> bool:
        """Significant, as if it had been the only trial."""
        return (self.verdict.probabilistic or 0.0) >= 1.0 - SIZE

    @property
    def significant(self) -> bool:
        """Significant after the ledger's correction."""
        return (self.verdict.deflated or 0.0) >= 1.0 - SIZE


def ask(made: Study, exchange: ExchangeConfig, mirror: bool = False) -> Asked:
    """Try all ideas in one ledger, keep the best, and have it judged as the flow does."""
    ledger = made.ledger("gross" if exchange == FREE else "net")
    tried = [one for idea in IDEAS for one in attempt(made, ledger, idea, exchange, mirror=mirror)]
    best = max(tried, key=lambda one: one.sharpe)
    trials, _ = count_trials(ledger, best.trial, best.examined)
    return Asked(best.idea.name, best.sharpe, len(best.returns), trials, deflated(best.returns, trials))


@contextmanager
def hurried() -> Iterator[None]:
    """One BLAS thread throughout, and libraries and their versions looked for once: half of a light market's time."""
    with ExitStack() as stack:
        stack.enter_context(blas.one_blas_thread())
        stack.enter_context(patch.object(blas, "_libraries", list))
        stack.enter_context(patch.object(environment, "version", cache(environment.version)))
        yield


S, T = TypeVar("S"), TypeVar("T")
_HELD = ExitStack()


def _begin() -> None:
    _HELD.enter_context(hurried())


def on_each(look: Callable[[S], T], seeds: Sequence[S], workers: int = 2) -> list[T]:
    """Look at the market of each seed, in processes of their own."""
    with ProcessPoolExecutor(workers, get_context("spawn"), _begin) as pool:
        return list(pool.map(look, seeds, chunksize=2))


def allowed(markets: int, rate: float = SIZE) -> int:
    """The upper end of the central 95 % binomial band: verdicts that an honest judge may give on null markets."""
    return int(binom.ppf(0.975, markets, rate))


def planted(edge: float) -> SyntheticConfig:
    """The campaign's market with an edge of some strength."""
    return msgspec.structs.replace(MARKET, edge=edge)


def null_free(seed: int) -> Asked:
    """The best idea or mirror image on a null market where trading is free."""
    with study(simulate(null_twin(MARKET), seed)) as made:
        return ask(made, FREE, mirror=True)


def null_both(seed: int) -> tuple[Asked, Asked]:
    """The same, and the best idea after costs."""
    with study(simulate(null_twin(MARKET), seed)) as made:
        return ask(made, FREE, mirror=True), ask(made, ExchangeConfig())


@dataclass(frozen=True, slots=True)
class Rates:
    """How often the best of all ideas was called significant."""

    markets: int
    naive: int
    significant: int
    by_all: int
    effective: float

    def row(self, name: str) -> str:
        """As a line of the table."""
        return (
            f"{name:<22} {self.markets:>7} {self.naive:>5} ({self.naive / self.markets:>4.0%}) {self.significant:>9} "
            f"({self.significant / self.markets:>5.1%}) {self.by_all:>7} {allowed(self.markets):>7} "
            f"{self.effective:>9.1f}"
        )


HEAD = f"{'':<22} {'markets':>7} {'uncorrected':>12} {'corrected':>17} {'by all':>7} {'allowed':>7} {'effective':>9}"


def rates(found: Sequence[Asked]) -> Rates:
    """Count the verdicts."""
    return Rates(
        len(found),
        sum(one.naive for one in found),
        sum(one.significant for one in found),
        sum((one.verdict.by_all or 0.0) >= 1.0 - SIZE for one in found),
        float(np.mean([one.trials.effective for one in found])),
    )


# The whole pipeline

SMALL: Members = {
    "lstm": {"hidden": 8, "layers": 1, "epochs": 1, "stream": 128, "updates": 8},
    "lightgbm": {"rounds": 60},
    "xgboost": {"rounds": 60},
    "linear": {},
}
EVERYTHING = Idea("everything", (*FLOW, *MOMENTUM, *PRICE, *VOLUME, *RANGES))


@dataclass(frozen=True, slots=True)
class Judged:
    """What a full run and its laboratory say of a market."""

    seed: int
    gain: Estimate
    trials: TrialSummary
    laboratory: Laboratory

    def row(self) -> str:
        """As a line of the table."""
        found, cash = self.laboratory.deflated, self.laboratory.snooping[0]
        ensemble = next(one for one in self.laboratory.strategies if one.name == ENSEMBLE)
        overfit = self.laboratory.overfitting[0].probability
        paths = [one.sharpe.value or 0.0 for one in self.laboratory.paths.paths] if self.laboratory.paths else []
        return (
            f"{self.seed:>6} {self.gain.value:>+9.5f} {ensemble.sharpe.value:>+8.2f} {np.median(paths):>+13.2f} "
            f"{found.probabilistic:>6.3f} {found.deflated:>8.3f} {overfit:>5.2f} {cash.spa:>5.2f}"
        )


FULL_HEAD = (
    f"{'seed':>6} {'gain':>9} {'Sharpe':>8} {'median path':>13} {'PSR':>6} {'deflated':>8} {'PBO':>5} {'SPA':>5}"
)


def full_null(seed: int) -> Judged:
    """All four members, stacker, calibration, combinatorial paths and the whole laboratory, where trading is free."""
    with study(simulate(null_twin(MARKET), seed)) as made:
        ledger = made.ledger("full")
        one, _ = attempt(made, ledger, EVERYTHING, FREE, SMALL, mirror=True)
        config = run_config(made.market, EVERYTHING, FREE, SMALL)
        config = msgspec.structs.replace(
            config, laboratory=LaboratoryConfig(4, 2, draws=200, costs=(), latencies_ms=())
        )
        done, panel = one.made, load_panel(one.made.panel)
        panels = [done.panel] * split_count(config, panel)
        splits = [made.artefacts.make(job) for job in split_jobs(config, panels)]
        paths = made.artefacts.make(paths_job(config, panels, splits, made.market.instruments))
        predictions = fold_predictions(config, panel, done.folds, done.scored, done.combinations)
        compared = compared_rows(config, panel, predictions)
        trials, others = count_trials(ledger, one.trial, one.examined)
        examined = Examined(done.strategies, paths)
        laboratory = judge_all(config, panel, done.windows, compared, examined, trials, others)
        ensemble = next(found for found in predictors(compared) if found.name == ENSEMBLE)
        return Judged(seed, ensemble.scores["information_gain"], trials, laboratory)


# Planted edges


@dataclass(frozen=True, slots=True)
class Strength:
    """How strong an edge is: the optimum's gain in nats per decision, and effective decisions out of sample."""

    nats: float
    effective: float


def strength(edge: float, seed: int = 0, step: int = 8) -> Strength:
    """Of the first idea's labels on one market, out of sample."""
    market = simulate(planted(edge), seed)
    with study(market) as made:
        config = run_config(market, IDEAS[0], FREE)
        panel = load_panel(made.artefacts.make(panel_job(config, made.facts, made.lake)))
        begin = fold_windows(folds(config, panel))[2].test_start
        chosen = np.flatnonzero(panel.samples.t0 >= begin)
        best = best_possible(market, panel, chosen[::step], IDEAS[0])
        return Strength(best.information_gain, float(panel.samples.weight[chosen].sum()))


def best_possible(market: SyntheticMarket, panel: Panel, chosen: np.ndarray, idea: Idea, paths: int = 128) -> Optimum:
    """The best predictor of some samples."""
    samples = panel.samples
    return optimum(
        market, [one.volatility for one in panel.series], samples.instrument[chosen], samples.row[chosen],
        horizon=idea.horizon, barrier=idea.barrier, particles=32, paths=paths,
    )  # fmt: skip


def power_free(edge_and_seed: tuple[float, int]) -> Asked:
    """The best idea on a planted market where trading is free."""
    edge, seed = edge_and_seed
    with study(simulate(planted(edge), seed)) as made:
        return ask(made, FREE)


def power_net(edge_and_seed: tuple[float, int]) -> Asked:
    """The best idea on a planted market after costs."""
    edge, seed = edge_and_seed
    with study(simulate(planted(edge), seed)) as made:
        return ask(made, ExchangeConfig())


# The optimum as data grows

LEARNT = Idea(
    "what nearly spans the optimum",
    (
        "taker_imbalance_ewma_4", "taker_imbalance_ewma_8", "taker_imbalance_ewma_16", "taker_imbalance_ewma_32",
        "return_ewma_4", "return_ewma_8", "return_ewma_16", "return_ewma_32",
    ),
)  # fmt: skip
PARAMETERS = len(LEARNT.features) + 2
"""One a feature, one of the volatility that is always among them, and the intercept."""
TESTED_BARS = 4_000


@dataclass(frozen=True, slots=True)
class Learnt:
    """One learner: effective rows it learned from, what it gains on unseen rows, and what could be gained; nats."""

    effective: float
    gain: float
    possible: float


def learnt(bars_and_seed: tuple[int, int], step: int = 4) -> Learnt:
    """A linear member fitted on so many bars by the real stages, against the optimum on the bars behind them."""
    bars, seed = bars_and_seed
    market = simulate(SyntheticConfig(instruments=1, bars=bars + TESTED_BARS), seed)
    with study(market) as made:
        config = run_config(market, LEARNT, FREE, {"linear": {"inverse_strengths": [1.0]}})
        config = msgspec.structs.replace(config, validation=ValidationConfig(tail=0.02))
        artefact = made.artefacts.make(panel_job(config, made.facts, made.lake))
        panel = load_panel(artefact)
        ends = panel.series[0].bars["end"]
        window = Window(0, int(ends[0]), int(ends[bars - 1]), int(ends[bars - 1]), int(ends[-1]) + 1)
        fits = {"linear": made.artefacts.make(fit_job(config, artefact, window, "linear"))}
        score = made.artefacts.make(score_job(config, artefact, window, fits, Combination()))
        scored = load_scores(panel, window, score)
        best = best_possible(market, panel, scored.index[::step], LEARNT)
        train = training_samples(panel, window)
        effective = float(panel.samples.weight[train].sum()) * (1.0 - config.validation.tail)
        return Learnt(effective, best.expected_gain(scored.probability[::step]), best.information_gain)


# Selection among many


def worthless(seed: int, days: int = 365, strategies: int = 1_000) -> np.ndarray:
    """Daily returns of strategies that share some of their luck and earn nothing, with fat tails."""
    generator = np.random.default_rng(seed)
    own = generator.standard_t(5, (days, strategies))
    return np.asarray(0.01 * (np.sqrt(0.9) * own + np.sqrt(0.1) * generator.standard_t(5, (days, 1))))


@dataclass(frozen=True, slots=True)
class Selection:
    """What is said of the best of many worthless strategies: the judgement, probabilities and p-values."""

    judged: Deflated
    naive: float
    deflated: float
    overfitting: float
    spa: float
    stepdown: float


def selection(seed: int) -> Selection:
    """The best of a thousand worthless strategies, judged; the effective number by the average correlation."""
    returns = worthless(seed)
    sharpes = returns.mean(axis=0) / returns.std(axis=0, ddof=1)
    trials = TrialSummary(
        judged=(Stretch("nowhere", "NOTHING", 0, len(returns)),),
        by="instrument",
        records=returns.shape[1],
        distinct=returns.shape[1],
        effective=average_correlation(returns),
        method="average_correlation",
        sharpe_variance=float(sharpes.var(ddof=1)),
        ledger="none",
        head=Head(),
    )
    verdict = deflated(returns[:, int(sharpes.argmax())], trials)
    counts = counts_of(stationary_indices(len(returns), 5.0, 400, np.random.default_rng(seed)))
    return Selection(
        verdict,
        verdict.probabilistic or 0.0,
        verdict.deflated or 0.0,
        overfitting(returns, 10).probability,
        superior_ability(returns, counts).consistent,
        float(stepdown(returns, counts).p_value.min()),
    )
