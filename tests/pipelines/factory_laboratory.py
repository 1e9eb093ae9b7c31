"""The laboratory of a plainly artificial run: random returns with a chosen drift, judged for real."""

from __future__ import annotations

import numpy as np

from market.time import DAY
from pipelines.config import LaboratoryConfig
from pipelines.laboratory import Laboratory, Path, Paths, Regime, Sensitivity, Strategy
from pipelines.ledger.chain import Head
from pipelines.ledger.summary import TrialSummary
from pipelines.ledger.trial import Stretch
from pipelines.results import Estimate
from pipelines.stages.judgement import PREDICTORS, TRIALS, deflated, judged_overfitting, snooping
from pipelines.stages.performance import sharpe_estimates
from pipelines.stages.redrawn import total_return

NAMES = ("lstm", "lightgbm", "xgboost", "linear", "stacker", "ensemble")


def make_trials(symbols=("FAKE1USDT",), begin=0, end=100 * DAY, distinct=12, effective=4.5):
    return TrialSummary(
        judged=tuple(Stretch("fake", symbol, begin, end, "30m") for symbol in symbols),
        by="instrument",
        records=distinct + 3,
        distinct=distinct,
        effective=effective,
        method="clustered",
        sharpe_variance=0.002,
        sharpes=distinct,
        common_days=100,
        compared=distinct,
        ledger="trials.db",
        head=Head(27, "f" * 64),
    )


def total(found):
    return {"total_return": found.value, "total_return_interval": found.bounds}


def make_laboratory(random, trials, begin, days=120, drift=0.0):
    """Strategies that share most of their luck; the ensemble has the chosen drift per day."""
    shared = random.normal(0, 0.01, days)
    returns = {name: 0.7 * shared + random.normal(0, 0.006, days) for name in NAMES}
    returns["ensemble"] = returns["ensemble"] + drift
    strategies = tuple(
        Strategy(name, sharpe_estimates(values)[1], 30 + number, values, **total(total_return(values)))
        for number, (name, values) in enumerate(returns.items())
    )
    table = np.column_stack(list(returns.values()))
    held = 1.5 * shared + random.normal(0, 0.01, days)

    def estimate(value, width):
        return Estimate(value, value - width, value + width)

    def around(value, width):
        return total(estimate(value, width))

    return Laboratory(
        strategies=strategies,
        days=begin + DAY * np.arange(1, days + 1),
        paths=Paths(
            6, 2, 15, ("lightgbm", "xgboost", "linear"),
            tuple(
                Path(estimate(s, 1.5), 900 + n, **around(0.1 * s, 0.1))
                for n, s in enumerate((-0.4, 0.1, 0.3, 1.2, 1.6))
            ),
            (0.004, 0.005, 0.006, 0.008, 0.009),
            tuple((gain - 0.004, gain + 0.004) for gain in (0.004, 0.005, 0.006, 0.008, 0.009)),
        ),
        overfitting=tuple(
            judged_overfitting(among, values, 8)
            for among, values in ((PREDICTORS, table), (TRIALS, random.normal(0, 0.01, (days, 12))))
        ),
        deflated=deflated(returns["ensemble"], trials),
        snooping=tuple(snooping(strategies, held, LaboratoryConfig(draws=200), 1)),
        sensitivities=tuple(
            [
                Sensitivity(c, 50.0, estimate(1.0 - 0.7 * c, 1.8), **around(0.03 - 0.02 * c, 0.05))
                for c in (0.0, 0.5, 1.0, 2.0, 3.0)
            ]
            + [
                Sensitivity(1.0, ms, estimate(0.3 - ms / 2e5, 1.8), **around(0.01 - ms / 6e6, 0.05))
                for ms in (0.0, 1e3, 1e4, 6e4)
            ]
        ),
        regimes=tuple(
            Regime(
                kind, name, 900, 60.0, estimate(gain, 0.004), estimate(0.51, 0.03), 40, estimate(1.0, 2.5),
                **around(0.01, 0.03),
            )
            for kind, names in (
                ("volatility", ("calm", "usual", "turbulent")),
                ("trend", ("falling", "sideways", "rising")),
            )
            for gain, name in zip((0.0, 0.002, 0.006), names, strict=True)
        ),
    )  # fmt: skip
