"""A plainly artificial run: invented predictions with a chosen edge, scored for real. It never leaves the tests."""

from __future__ import annotations

import numpy as np

from market.time import DAY, MINUTE, parse_time
from pipelines.bets import Bets
from pipelines.results import (
    EQUAL_PARTS,
    METRICS,
    Backtest,
    BundleInfo,
    Curve,
    Estimate,
    FeatureList,
    Finding,
    Fold,
    Importance,
    Latency,
    LearningCurve,
    Lineage,
    PairedDifference,
    PaperRun,
    Parity,
    Performance,
    Predictor,
    Reference,
    Reliability,
    RunResult,
    SampleSummary,
    SeriesData,
    Span,
    Stage,
)
from pipelines.stages.performance import hit_interval
from pipelines.stages.redrawn import ranges
from tests.pipelines.factory_audit import make_audit
from tests.pipelines.factory_features import make_feature_study
from tests.pipelines.factory_importances import make_importance_study
from tests.pipelines.factory_laboratory import make_laboratory, make_trials

ROLES = {
    "lstm": "member",
    "lightgbm": "member",
    "xgboost": "member",
    "linear": "baseline",
    "trees only": "baseline",
    "stacker": "stacker",
    "ensemble": "ensemble",
}
SYMBOLS = ("FAKE1USDT", "FAKE2USDT", "FAKE3USDT")
FEATURES = tuple(
    f"{kind}_{window}" for kind in ("return", "rsi", "ewma_volatility", "volume_z") for window in (8, 24, 96)
)
BEGIN = parse_time("2018-01-01")
STEP = 30 * MINUTE


def losses(label, probability):
    return -np.where(label == 1, np.log(probability), np.log1p(-probability))


def auc(label, score):
    order = np.argsort(np.argsort(score)) + 1.0
    ones = label.sum()
    zeros = len(label) - ones
    return float((order[label == 1].sum() - ones * (ones + 1) / 2) / (ones * zeros)) if ones and zeros else None


def metrics(label, probability, base):
    loss = losses(label, probability)
    return {
        "log_loss": float(loss.mean()),
        "information_gain": float((losses(label, np.full(len(label), base)) - loss).mean()),
        "brier": float(((probability - label) ** 2).mean()),
        "auc": auc(label, probability),
        "accuracy": float(((probability > 0.5) == label).mean()),
        "calibration_error": float(abs(probability.mean() - label.mean())),
        "information_coefficient": float(np.corrcoef(probability, label)[0, 1]),
    }


def estimates(random, label, probability, base, draws=60):
    value = metrics(label, probability, base)
    blocks = np.array_split(np.arange(len(label)), 40)
    samples = []
    for _ in range(draws):
        rows = np.concatenate([blocks[b] for b in random.integers(0, len(blocks), len(blocks))])
        samples.append(metrics(label[rows], probability[rows], base))
    out = {}
    for name in METRICS:
        low, high = np.quantile([sample[name] for sample in samples], [0.025, 0.975])
        out[name] = Estimate(value[name], float(low), float(high))
    return out


def mean_estimate(random, values):
    blocks = np.array([block.mean() for block in np.array_split(values, 40)])
    drawn = blocks[random.integers(0, 40, (200, 40))].mean(axis=1)
    low, high = np.quantile(drawn, [0.025, 0.975])
    return Estimate(float(values.mean()), float(low), float(high))


def made_bets(trades):
    hits = round(0.512 * trades)
    edge = Estimate(0.0004, -0.0008, 0.0016)
    return Bets(trades, hits, 0.011, -0.0107, 4.0 * trades, edge, 0.18, 0.031, 2.4e9)


def performance(returns, trades, fees=0.0, slippage=0.0):
    sharpe = float(returns.mean() / returns.std())
    error = 1.96 / np.sqrt(len(returns))
    year = float(365 * DAY / STEP)
    wealth = np.cumprod(1 + returns)
    between = ranges(STEP * np.arange(1, len(returns) + 1), wealth, 1.0)
    return Performance(
        total_return=float(wealth[-1] - 1),
        sharpe=Estimate(sharpe, sharpe - error, sharpe + error),
        sharpe_annual=Estimate(*(float(x * np.sqrt(year)) for x in (sharpe, sharpe - error, sharpe + error))),
        periods_per_year=year,
        probabilistic_sharpe=0.61,
        max_drawdown=float(1 - (wealth / np.maximum.accumulate(wealth)).min()),
        time_under_water=37 * DAY,
        trades=trades,
        hit_ratio=0.512,
        turnover=84.2,
        fees=fees,
        slippage=slippage,
        total_return_interval=between.total_return,
        max_drawdown_interval=between.max_drawdown,
        hit_ratio_interval=hit_interval(round(0.512 * trades), trades),
        bets=made_bets(trades),
    )


def backtest(random, begin, count, drift):
    time = begin + STEP * np.arange(count, dtype=np.int64)
    gross = random.normal(drift, 0.002, count)
    net = gross - 0.00002

    def curve(returns):
        return Curve(time, 100_000 * np.cumprod(1 + returns))

    def hold(name, spread):
        returns = random.normal(0.0, spread, count)
        done = performance(returns, 1)
        return Reference(
            name,
            curve(returns),
            done.sharpe_annual,
            done.max_drawdown,
            done.max_drawdown_interval,
            total_return=done.total_return,
            total_return_interval=done.total_return_interval,
        )

    references = (*(hold(symbol, 0.004) for symbol in SYMBOLS), hold(EQUAL_PARTS, 0.003))
    net_performance, gross_performance = performance(net, 412, 5_120.25, 1_033.5), performance(gross, 412)
    return Backtest(
        curve(net), curve(gross), net_performance, gross_performance, references, 100_000.0, "USDT", funding_events=0
    )


def make_folds(random, truth, label, probabilities, base, folds=7):
    size = len(label) // folds
    out = []
    for index in range(folds):
        rows = slice(index * size, (index + 1) * size)
        test = Span(BEGIN + (200 + 20 * index) * DAY, BEGIN + (220 + 20 * index) * DAY)
        scored = (
            probabilities
            if index >= 2
            else {k: v for k, v in probabilities.items() if k not in ("stacker", "ensemble")}
        )
        out.append(
            Fold(
                index=index,
                train=(Span(test.start - 182 * DAY, test.start - STEP),),
                test=test,
                train_rows=25_000,
                train_effective=1_900.5,
                test_rows=size,
                test_effective=size / 13,
                scores={name: metrics(label[rows], p[rows], base) for name, p in scored.items()},
                compared=index >= 2,
                purged=Span(test.start - (24 - index) * STEP, test.start),
                purged_rows=70 + index,
            )
        )
    return tuple(out)


def certified(bound, **errors):
    return {"bound": bound, "errors": errors, "rows": dict.fromkeys(errors, 12_000), "longest": 4_096, "missing": 0}


def make_result(edge: float = 0.0, seed: int = 1, drift: float = 0.0, count: int = 7_000) -> RunResult:
    """A result whose invented members see ``edge`` of the invented truth."""
    random = np.random.default_rng(seed)
    latent = random.normal(size=count)
    truth = 1 / (1 + np.exp(-edge * latent))
    label = (random.random(count) < truth).astype(np.int64)
    base = float(label.mean())
    noise = {name: 0.05 + 0.02 * number for number, name in enumerate(ROLES)}
    noise["ensemble"] = noise["stacker"] = 0.02
    probabilities = {name: 1 / (1 + np.exp(-(edge * latent + random.normal(0, noise[name], count)))) for name in ROLES}
    ensemble = losses(label, probabilities["ensemble"])
    curves = tuple(
        LearningCurve(
            fold,
            member,
            kind,
            0.693 - 0.004 * (1 - np.exp(-np.arange(first, 31) / 9)) + random.normal(0, 2e-4, 31 - first),
            first,
            axis,
        )
        for fold in (0, 1, 2, 3, 4, 5, 6, -1)
        for member, axis in (("lstm", "epoch"), ("lightgbm", "boosting round"), ("xgboost", "boosting round"))
        for kind, first in (("train", 1), ("validation", int(member != "lstm")))
    )
    bins = []
    for name in ("lstm", "lightgbm", "xgboost", "ensemble"):
        p = probabilities[name]
        which = np.clip(np.searchsorted(np.quantile(p, np.linspace(0.1, 0.9, 9)), p), 0, 9)
        n = np.bincount(which, minlength=10)
        histogram = np.histogram(p, 100, (0, 1))[0]
        bins.append(Reliability(name, np.bincount(which, p) / n, np.bincount(which, label) / n, n, histogram))
    end = BEGIN + 340 * DAY
    trials = make_trials(SYMBOLS, BEGIN, end)
    findings = (Finding("warning", "gap", 4, "4 holes of 2 to 31 bars, the first at 2018-02-08T00:30:00Z"),)
    return RunResult(
        name="artificial",
        run_id="20180102T030405-abcdef12",
        created=parse_time("2018-12-24T12:00"),
        command="bot4 train conf/artificial.toml",
        config={
            "name": "artificial",
            "seed": seed,
            "data": {"symbols": list(SYMBOLS), "interval": "30m"},
            "members": {"lstm": {"hidden": 48}, "lightgbm": {}},
        },
        config_digest="c0ffee" + "0" * 58,
        versions={"python": "3.11.9", "numpy": np.__version__, "bot4": "0.1.0"},
        git_commit="0123456789abcdef0123456789abcdef01234567",
        stages=(
            Stage("data", 1.25, cached=True),
            Stage("features", 12.5),
            Stage("folds", 143.0),
            Stage("backtest", 2.5),
        ),
        data=tuple(
            SeriesData(
                s, "fake", "30m", 16_000 - 100 * n, BEGIN, end, 4, 61, f"{n}" * 64, findings if n == 0 else (), "spot"
            )
            for n, s in enumerate(SYMBOLS)
        ),
        features=FeatureList(FEATURES, "feed" * 16, {"taker_imbalance_24": "the source has no taker-buy volume"}),
        samples=SampleSummary(count * 2, count * 2 / 13, base),
        folds=make_folds(random, truth, label, probabilities, base),
        comparison_rows=count,
        comparison_effective=count / 13,
        predictors=tuple(
            Predictor(name, role, estimates(random, label, probabilities[name], base)) for name, role in ROLES.items()
        ),
        differences=tuple(
            PairedDifference(name, "log_loss", mean_estimate(random, losses(label, probabilities[name]) - ensemble))
            for name in ROLES
            if name != "ensemble"
        ),
        reliability=tuple(bins),
        learning_curves=curves,
        importances=tuple(
            Importance(
                m, "gain", {f: float(x) for f, x in zip(FEATURES, random.exponential(1, len(FEATURES)), strict=True)}
            )
            for m in ("lightgbm", "xgboost", "linear")
        ),
        importance_study=make_importance_study(np.random.default_rng(seed), FEATURES),
        feature_study=make_feature_study(np.random.default_rng(seed), FEATURES, SYMBOLS, BEGIN, STEP),
        weights={"lstm": 0.31, "lightgbm": 0.44, "xgboost": 0.25},
        trained_on={"lstm": "cuda, float32", "xgboost": "cpu"},
        backtest=backtest(random, BEGIN + 240 * DAY, 4_800, drift),
        paper=PaperRun(
            backtest(random, BEGIN + 341 * DAY, 1_200, drift),
            tuple(Parity(what, 1_200, 1_200) for what in ("feature rows", "probabilities", "orders")),
        ),
        certificate={
            "passed": True,
            "reasons": [],
            "tolerance": 1e-5,
            "graph_bytes": 654_321,
            "members": {
                "lightgbm": certified(0.0, real=0.0, threshold=0.0, extreme=0.0),
                "lstm": certified(2e-6, real=3.1e-7, extreme=2.2e-8),
            },
            "ensemble": certified(1e-5, real=4.3e-8, threshold=1.1e-9, extreme=0.0),
            "decisions": [{"threshold": 0.5, "inside": 12, "flips_inside": 1, "flips": 0}],
        },
        latency=Latency(7.1e-5, 1.64e-4, 2_000, "a fast one"),
        bundle=BundleInfo("artificial", 3, "b0b0" * 16, "store/bundles/b0b0", ("challenger",)),
        trials=trials,
        laboratory=make_laboratory(np.random.default_rng(seed), trials, BEGIN + 240 * DAY, drift=drift * DAY / STEP),
        audit=make_audit(),
        trained_through=BEGIN + 239 * DAY,
        lineage=Lineage("c0de" * 16, "ba5e" * 16, {"final refit": "f17" * 10}),
    )
