"""On a market whose edge is known the pipeline finds it; on its twin without one it finds nothing."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest

from market.synthetic import SyntheticConfig, null_twin, simulate
from models.ensemble.config import EnsembleConfig
from models.statistics.evaluation import loss_difference
from pipelines.results import ENSEMBLE
from tests.pipelines.planted_run import gain, run

CONFIG = SyntheticConfig(bars=12_000)
MORE = SyntheticConfig(bars=36_000)
WEAK = SyntheticConfig(bars=12_000, edge=0.15)
"""A hundredth of a nat: what real markets have at best."""
MEMBERS = ("lstm", "tcn", "lightgbm", "xgboost", "linear")
STEP = 12


@dataclass(frozen=True, slots=True)
class Shares:
    """Of the optimum's gain, in expectation over the labels: the ensemble's, each member's, and the Monte Carlo error.

    ``reached``, ``possible``: what the ensemble and the optimum gained by the labels that there are.
    """

    expected: float
    alone: dict[str, float]
    error: float
    reached: float
    possible: float


def check_planted(seed, folder, config=CONFIG):
    """The ensemble beside the optimum and its own members, on one market."""
    done = run(simulate(config, seed), folder, members=MEMBERS)
    best, chosen = done.best(STEP * config.bars // CONFIG.bars, particles=32, paths=128)
    reached = gain(done.compared, done.compared.predictors[ENSEMBLE][chosen], chosen)
    possible = gain(done.compared, best.probability, chosen)
    expected = best.expected_gain(done.compared.predictors[ENSEMBLE][chosen])
    edge = best.information_gain
    alone = {name: best.expected_gain(done.compared.predictors[name][chosen]) / edge for name in MEMBERS}
    gross = done.backtest.gross_performance
    said = (
        f"seed {seed}: edge {edge:.4f} ± {best.monte_carlo_error:.4f} nats, {done.effective:.0f} "
        f"effective of {len(done.index)} rows; on {len(chosen)} of them the optimum gains {possible:.4f}, the ensemble "
        f"{reached:.4f} ({reached / possible:.0%}); in expectation over the labels "
        f"{expected / edge:.1%} (alone {', '.join(f'{name} {one:.1%}' for name, one in alone.items())}); "
        f"gross Sharpe {gross.sharpe_annual.value:.1f}"
    )
    print(said)
    assert 0.02 < edge < 0.15, said
    # Without the labels' luck, which lets a realised share exceed what is possible.
    assert 0.8 * edge <= expected <= edge, said
    assert done.scores[ENSEMBLE].scores["information_gain"].above_zero, said
    assert gross.sharpe_annual.above_zero, said
    check_no_member_is_better(done)
    return Shares(expected / edge, alone, best.monte_carlo_error / edge, reached, possible)


def check_no_member_is_better(done):
    """On the rows that there are, by their paired intervals."""
    compared = done.compared
    for name in MEMBERS:
        mine, theirs = compared.predictors[ENSEMBLE], compared.predictors[name]
        found = loss_difference(compared.outcomes, theirs, mine, compared.blocks)
        assert found.high > 0.0, f"{name} alone is better: {found}"


def check_null(seed, folder):
    done = run(simulate(null_twin(CONFIG), seed), folder)
    ensemble = done.scores[ENSEMBLE].scores
    low, high = ensemble["auc"].bounds
    net, gross = done.backtest.net_performance, done.backtest.gross_performance
    print(
        f"seed {seed}, null: AUC {ensemble['auc'].value:.4f} [{low:.4f}, {high:.4f}], information gain "
        f"{ensemble['information_gain'].value:+.5f}, net Sharpe {net.sharpe_annual.value}, gross "
        f"{gross.sharpe_annual.value}, trades {net.trades}"
    )
    assert not ensemble["information_gain"].above_zero
    assert net.trades > 100
    assert not net.sharpe_annual.above_zero
    assert not gross.sharpe_annual.above_zero
    deviation, error = ensemble["auc"].value - 0.5, (high - low) / (2 * 1.96)
    assert abs(deviation) < 3 * error
    return deviation, error


def test_the_planted_edge_is_found(tmp_path):
    found = check_planted(1, tmp_path)
    assert found.reached >= 0.8 * found.possible


def test_nothing_is_found_where_there_is_nothing(tmp_path):
    check_null(1, tmp_path)


@pytest.mark.long
@pytest.mark.parametrize(
    ("config", "seeds", "least"), [(CONFIG, range(1, 7), 0.8), (MORE, (2, 3), 0.9)], ids=["700 rows", "2200 rows"]
)
def test_the_planted_edge_is_found_on_every_market(tmp_path, config, seeds, least):
    """Nine tenths of the optimum's gain, and little less than the best member's, whom nobody knows beforehand.

    What is realised on one market is mostly its labels' luck (76 % to 106 % of what was possible, where 88 % and 90 %
    were to be expected), so it is held over all. No member is better by its paired interval on any, which says little
    where rows are few: shares in expectation tell what the rows cannot.
    """
    every = []
    for seed in seeds:
        found = check_planted(seed, tmp_path / str(seed), config)
        every.append(found)
        assert found.expected >= least - 2 * found.error
    share = np.mean([one.expected for one in every])
    error = np.sqrt(np.sum([one.error**2 for one in every])) / len(every)
    alone = {name: np.mean([one.alone[name] for one in every]) for name in MEMBERS}
    reached, possible = (sum(getattr(one, name) for one in every) for name in ("reached", "possible"))
    print(
        f"{len(every)} markets: {share:.1%} ± {error:.1%} of the optimum's gain, realised {reached / possible:.1%};",
        alone,
    )
    assert share >= 0.9 - 2 * error
    assert reached >= 0.8 * possible
    assert share >= max(alone.values()) - 0.02
    assert sum(share > one for one in alone.values()) >= len(alone) - 1


@pytest.mark.long
def test_the_prior_of_stacker_and_calibration_is_worth_its_rows(tmp_path):
    """Where the edge is weak, a prior of few rows loses much of it; where it is strong, one of many loses little."""
    shares, ridges = {}, (4.0, 64.0, 256.0, 1000.0, 4000.0, 16_000.0)
    for config, seeds in ((WEAK, (5, 6, 7)), (CONFIG, (1, 2, 3))):
        for seed in seeds:
            done = run(simulate(config, seed), tmp_path / f"{config.edge} {seed}", members=MEMBERS)
            best, chosen = done.best(STEP, particles=32, paths=128)
            said = {ridge: done.combined(ridge=ridge)[chosen] for ridge in ridges}
            said["mean"] = done.combined(method="mean", calibration="none")[chosen]
            found = {ridge: best.expected_gain(one) / best.information_gain for ridge, one in said.items()}
            print(f"edge {config.edge}, seed {seed}:", ", ".join(f"{ridge} {one:.1%}" for ridge, one in found.items()))
            for ridge, one in found.items():
                shares.setdefault((config.edge, ridge), []).append(one)
    mean = {key: float(np.mean(one)) for key, one in shares.items()}
    print(mean)
    chosen = EnsembleConfig().ridge
    assert chosen in ridges
    assert mean[WEAK.edge, chosen] > mean[WEAK.edge, 4.0] + 0.1
    for edge in (WEAK.edge, CONFIG.edge):
        assert mean[edge, chosen] > max(mean[edge, ridge] for ridge in ridges) - 0.01


@pytest.mark.long
def test_nothing_is_found_on_ten_null_markets_nor_in_their_mean(tmp_path):
    # What looks ahead does so on every market: their mean shows it at a third of one market's error.
    found = np.array([check_null(seed, tmp_path / str(seed)) for seed in range(2, 12)])
    mean, error = found[:, 0].mean(), np.sqrt((found[:, 1] ** 2).sum()) / len(found)
    print(f"{len(found)} null markets: AUC {0.5 + mean:.4f} ± {error:.4f}")
    assert abs(mean) < 3 * error
