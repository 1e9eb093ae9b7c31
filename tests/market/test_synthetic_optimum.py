"""The optimum is one: exact where an exact answer exists, calibrated, beaten by no wrong belief, and reachable."""

from __future__ import annotations

import msgspec
import numpy as np
import pytest
from scipy import stats
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from synthetic_support import BARRIER, HORIZON, PLAIN, Problem, kalman, log_returns, observed

from market.errors import MarketError
from market.synthetic import SyntheticConfig, null_twin, simulate
from market.synthetic_filter import Particles
from market.synthetic_optimum import optimum
from market.synthetic_paths import label_probabilities

FAST = {"particles": 32, "paths": 128}


@pytest.fixture(scope="module")
def problem():
    """The default market, 3 instruments of 4,000 bars, decisions after every bar."""
    return Problem(simulate(SyntheticConfig(bars=4000), seed=21))


@pytest.fixture(scope="module")
def best(problem):
    return problem.optimum(**FAST)


def exact_probability(config, bars, horizon):
    """P(sum of the next returns > 0): with constant volatility and no barriers it is Gaussian."""
    mean, variance = kalman(config, *observed(config, bars), config.volatility[0]).T
    phi, edge = config.persistence, config.edge
    ahead = np.arange(1, horizon + 1)
    lags = np.abs(np.subtract.outer(ahead, ahead))
    drifts = phi**lags - np.outer(phi**ahead, phi**ahead) * (1 - variance[:, None, None])
    return stats.norm.cdf(edge * mean * np.sum(phi**ahead) / np.sqrt(horizon + edge**2 * drifts.sum(axis=(1, 2))))


@pytest.mark.parametrize("horizon", [1, 6])
def test_it_is_the_closed_form_where_there_is_one(horizon):
    market = simulate(PLAIN, seed=2)
    rows = np.arange(100, 2900, 2)
    best = optimum(
        market, [np.ones(3000)], np.zeros(len(rows), int), rows, horizon=horizon, barrier=1e3, particles=1, paths=2000
    )
    exact = exact_probability(PLAIN, market.bars["SYN0USD"], horizon)[rows]
    # Paths are antithetic, so the binomial error is an upper bound.
    errors = (best.probability - exact) / np.sqrt(exact * (1 - exact) / 2000)
    assert np.mean(errors**2) < 1.0
    assert abs(np.mean(errors)) < 4 / np.sqrt(len(rows))
    assert abs(stats.linregress(exact, best.probability).slope - 1) < 0.01
    gain = np.log(2) + np.mean(exact * np.log(exact) + (1 - exact) * np.log(1 - exact))
    assert best.information_gain == pytest.approx(gain, abs=4 * best.monte_carlo_error)
    assert best.monte_carlo_error < 0.02 * gain
    assert (best.duration == horizon).all()


def simulated_labels(config, mean, variance, regime, variances, width, count, generator):
    """Labels of many independent futures of one state, stepped forward together in NumPy."""
    level, arch, garch = (np.array(values) for values in (config.volatility, config.arch, config.garch))
    stay = 1 - 1 / np.array(config.regime_bars)
    drift = mean + np.sqrt(variance) * generator.standard_normal(count)
    state, scale = np.full(count, regime), np.tile(variances, (count, 1))
    total, alive = np.zeros(count), np.ones(count, bool)
    for _ in range(HORIZON):
        state = np.where(generator.random(count) < stay[state], state, 1 - state)
        phi = config.persistence
        drift = phi * drift + np.sqrt(1 - phi**2) * generator.standard_normal(count)
        jump = np.sqrt(generator.poisson(config.jump_rate, count)) * config.jump_size * generator.standard_normal(count)
        sigma = np.sqrt(scale[np.arange(count), state])
        move = sigma * (config.edge * drift + generator.standard_normal(count)) + jump
        total += np.where(alive, move, 0.0)
        alive &= np.abs(total) < width
        scale = level**2 * (1 - arch - garch) + arch * move[:, None] ** 2 + garch * scale
    return total > 0


@pytest.mark.parametrize(("mean", "regime", "width"), [(1.5, 0, 0.004), (-0.7, 1, 0.01), (0.4, 1, 0.003)])
def test_paths_agree_with_an_independent_simulation(mean, regime, width):
    config = SyntheticConfig(jump_rate=0.1, regime_bars=(6.0, 4.0), volatility=(0.002, 0.006))
    variances = np.array([4e-6, 3e-5])
    state = Particles(np.full((1, 8), mean), np.full((1, 8), 0.3), np.full((1, 8), regime, np.int8), variances[None])
    generators = (np.random.default_rng(1), np.random.default_rng(2))
    ours, bars = label_probabilities(config, state, np.array([width]), HORIZON, 100_000, *generators)
    theirs = simulated_labels(config, mean, 0.3, regime, variances, width, 400_000, np.random.default_rng(3))
    error = np.sqrt(0.25 / 200_000 + 0.25 / 400_000)
    assert abs(ours[0] - theirs.mean()) < 4 * error
    assert 1 < bars[0] < HORIZON


def test_it_is_calibrated_on_the_labels_that_came():
    # Every sixth row: the labels' intervals do not overlap, so label - probability is a martingale difference.
    apart = Problem(simulate(SyntheticConfig(bars=30_000), seed=21), step=HORIZON)
    best = apart.optimum(paths=512)
    probability, label = best.probability, apart.label
    bins = np.digitize(probability, np.quantile(probability, np.linspace(0.1, 0.9, 9)))
    score = np.bincount(bins, label - probability) ** 2 / np.bincount(bins, probability * (1 - probability))
    assert stats.chi2.sf(score.sum(), 10) > 1e-3
    # And it spreads as it should: the slope of a logistic recalibration is one.
    log_odds = np.log(probability / (1 - probability))
    slope = LogisticRegression(C=1e9).fit(log_odds[:, None], label).coef_[0, 0]
    assert slope == pytest.approx(1.0, abs=4 / np.sqrt(np.sum(probability * (1 - probability) * log_odds**2)))
    error = np.std(log_odds * np.sqrt(probability * (1 - probability))) / np.sqrt(len(label))
    assert best.realised_gain(label) == pytest.approx(best.information_gain, abs=4 * error)


def test_its_label_is_the_house_label(problem):
    from models.labels import LabelConfig, triple_barrier

    config = LabelConfig(horizon=HORIZON, barrier=BARRIER, touch="close")
    for number, bars in enumerate(problem.market.bars.values()):
        found = triple_barrier(bars, problem.volatility[number], config, problem.market.config.interval_ns)
        mine = problem.instrument == number
        ours = dict(zip(problem.row[mine].tolist(), problem.label[mine].tolist(), strict=True))
        shared = [row for row in found.row.tolist() if row in ours]
        # The house leaves out moves of exactly zero.
        assert len(shared) > 0.999 * len(ours)
        theirs = dict(zip(found.row.tolist(), found.label.tolist(), strict=True))
        assert [ours[row] for row in shared] == [theirs[row] for row in shared]


CLEAR = SyntheticConfig(instruments=3, bars=10_000, edge=0.5, flow_return=0.6, jump_rate=0.03)
TWINS = {
    "half the edge": {"edge": 0.25},
    "almost twice the edge": {"edge": 0.9},
    "a faster drift": {"half_life": 4.0},
    "a slower drift": {"half_life": 30.0},
    "flow says little": {"flow_drift": 0.15},
    "flow says more": {"flow_drift": 0.7},
    "flow does not follow returns": {"flow_return": 0.0},
    "no jumps, volatility constant": {"jump_rate": 0.0, "arch": (0.0, 0.0), "garch": (0.0, 0.0)},
}


@pytest.fixture(scope="module")
def clear():
    """A market in which each mistake shows on the labels that came, and its optimum."""
    clear = Problem(simulate(CLEAR, seed=5))
    return clear, clear.optimum(**FAST)


@pytest.mark.parametrize("name", TWINS)
def test_every_wrong_belief_costs_log_loss(clear, name):
    problem, best = clear
    wrong = problem.optimum(**FAST, belief=msgspec.structs.replace(CLEAR, **TWINS[name]))
    said = np.clip(wrong.probability, 1 / 512, 1 - 1 / 512)
    assert best.expected_gain(said) < best.information_gain - 5 * best.monte_carlo_error
    assert best.realised_gain(problem.label, said) < best.realised_gain(problem.label)


def test_the_gain_is_debiased():
    """Sixteen paths overstate the gain by a third; the jackknife takes it back."""
    problem = Problem(simulate(SyntheticConfig(bars=5000), seed=3))
    rough, fine = problem.optimum(particles=16, paths=16), problem.optimum(particles=64, paths=1024)
    inside = np.clip(rough.probability, 1e-12, 1 - 1e-12)
    naive = np.log(2) + np.mean(inside * np.log(inside) + (1 - inside) * np.log(1 - inside))
    assert naive > 1.1 * fine.information_gain
    assert rough.information_gain == pytest.approx(fine.information_gain, rel=0.03)
    assert fine.monte_carlo_error < 0.01 * fine.information_gain


def test_gains_of_predictors():
    best = optimum(
        simulate(SyntheticConfig(instruments=1, bars=500), seed=1), [np.full(500, 0.003)], np.zeros(300, int),
        np.arange(150, 450), horizon=6, barrier=1.5, **FAST,
    )  # fmt: skip
    half = np.full(300, 0.5)
    assert best.expected_gain(half) == 0.0
    assert best.realised_gain(np.arange(300) % 2, half) == 0.0
    assert best.expected_gain(1 - np.clip(best.probability, 0.01, 0.99)) < 0
    # On average over labels drawn from the probabilities, the realised gain is the expected one.
    said = np.clip(best.probability, 0.2, 0.8)
    draws = np.random.default_rng(1).random((4000, 300)) < best.probability
    realised = [best.realised_gain(drawn.astype(int), said) for drawn in draws]
    assert np.mean(realised) == pytest.approx(best.expected_gain(said), abs=4 * np.std(realised) / np.sqrt(4000))


def test_decisions_come_back_in_their_order():
    market = simulate(SyntheticConfig(instruments=2, bars=400), seed=1)
    scale = [np.full(400, 0.003), np.full(400, 0.004)]
    instrument, row = np.array([1, 0, 1, 0, 1]), np.array([300, 200, 150, 390, 300])
    arguments = {"horizon": 3, "barrier": 1.0, "seed": 4, **FAST}
    best = optimum(market, scale, instrument, row, **arguments)
    assert best.probability[0] == best.probability[4]
    order = np.lexsort((row, instrument))
    again = optimum(market, scale, instrument[order], row[order], **arguments)
    np.testing.assert_array_equal(again.halves, best.halves[order])


def test_effective_rows_count_overlapping_labels_once():
    market = simulate(SyntheticConfig(instruments=2, bars=900), seed=1)
    scale = [np.full(900, 0.003)] * 2
    for step, expected in ((1, 1200 / 6), (6, 200), (20, 60)):
        rows = np.arange(200, 800, step)
        best = optimum(market, scale, np.repeat([0, 1], len(rows)), np.tile(rows, 2), horizon=6, barrier=1e3, **FAST)
        assert best.effective_rows == pytest.approx(expected, rel=0.02)


def test_on_the_null_twin_one_half_is_the_best_there_is():
    market = simulate(null_twin(SyntheticConfig(bars=3000)), seed=5)
    best = Problem(market).optimum(**FAST)
    # Antithetic paths are mirror images here: the answer is exact, not only within its error.
    assert (best.probability == 0.5).all()
    assert best.information_gain == 0.0
    with pytest.raises(MarketError, match="nothing has a share"):
        best.share(best.probability)


def fitted(train, test):
    model = make_pipeline(StandardScaler(), LogisticRegression(C=1e6)).fit(train.features, train.label)
    return model.predict_proba(test.features)[:, 1]


def split(market):
    return Problem(market, last=0.6), Problem(market, first=0.6)


def test_a_linear_model_of_obvious_features_nearly_reaches_it():
    train, test = split(simulate(SyntheticConfig(bars=14_000), seed=1))
    best = test.optimum(**FAST)
    said = fitted(train, test)
    assert 0.03 < best.information_gain < 0.08
    assert 0.8 < best.share(said) < 1.0
    assert roc_auc_score(test.label, said) > 0.6


def test_the_null_twin_gives_a_linear_model_nothing():
    train, test = split(simulate(null_twin(SyntheticConfig(bars=14_000)), seed=1))
    said = fitted(train, test)
    apart = test.row % HORIZON == 0  # labels that do not overlap
    ups = test.label[apart].sum()
    error = np.sqrt((apart.sum() + 1) / (12.0 * ups * (apart.sum() - ups)))
    assert abs(roc_auc_score(test.label[apart], said[apart]) - 0.5) < 4 * error
    gain = np.mean(np.log(2 * np.where(test.label == 1, said, 1 - said)))
    assert gain < 4 * np.std(np.log(2 * said)) / np.sqrt(apart.sum())


def test_volatility_and_volume_alone_predict_nothing():
    train, test = split(simulate(SyntheticConfig(bars=14_000), seed=2))
    for problem in (train, test):
        bars = list(problem.market.bars.values())
        table = [
            np.stack([scale, np.log(one["volume"]), np.abs(log_returns(one)), one["high"] / one["low"]], axis=1)
            for one, scale in zip(bars, problem.volatility, strict=True)
        ]
        problem.features = np.stack([table[i][j] for i, j in zip(problem.instrument, problem.row, strict=True)])
    apart = test.row % HORIZON == 0
    error = np.sqrt(1 / (3.0 * apart.sum()))
    assert abs(roc_auc_score(test.label[apart], fitted(train, test)[apart]) - 0.5) < 4 * error


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"row": np.array([5, 400])}, r"rows must lie in \[0, 400\)"),
        ({"instrument": np.array([0, 1])}, "instruments below 1"),
        ({"volatility": [np.full(400, np.nan)]}, "nan at sample 0 \\(2 such\\)"),
        ({"volatility": []}, "0 volatilities for 1 instruments"),
        ({"paths": 30}, "multiple of 4"),
        ({"barrier": 0.0}, "barrier width"),
    ],
)
def test_impossible_questions_are_refused(changes, named):
    market = simulate(SyntheticConfig(instruments=1, bars=400), seed=1)
    arguments = {
        "volatility": [np.full(400, 0.003)], "instrument": np.array([0, 0]), "row": np.array([5, 6]),
        "horizon": 6, "barrier": 1.0, **FAST, **changes,
    }  # fmt: skip
    with pytest.raises(MarketError, match=named):
        optimum(market, **arguments)


def test_predictions_that_are_none_are_refused(best):
    with pytest.raises(MarketError, match="prediction nan of sample 3"):
        best.expected_gain(np.where(np.arange(len(best.row)) == 3, np.nan, 0.5))
    with pytest.raises(MarketError, match="shape"):
        best.share(np.array([0.5]))


@pytest.mark.long
def test_its_standard_errors_are_the_spread_over_markets():
    found = [Problem(simulate(SyntheticConfig(bars=10_000), seed)).optimum(**FAST) for seed in range(24)]
    spread = np.std([best.information_gain for best in found], ddof=1)
    stated = np.sqrt(np.mean([best.standard_error**2 for best in found]))
    assert 0.65 < spread / stated < 1.5
    # And over its own seeds, on the same rows.
    problem = Problem(simulate(SyntheticConfig(bars=5000), seed=0))
    again = [problem.optimum(**FAST, seed=seed) for seed in range(24)]
    stated = np.sqrt(np.mean([best.monte_carlo_error**2 for best in again]))
    assert 0.65 < np.std([best.information_gain for best in again], ddof=1) / stated < 1.5


@pytest.mark.long
@pytest.mark.parametrize("seed", range(1, 6))
def test_a_linear_model_reaches_it_on_every_seed_at_full_size(seed):
    train, test = split(simulate(SyntheticConfig(), seed))
    best = test.optimum()
    assert 0.9 < best.share(fitted(train, test)) < 1.0


@pytest.mark.long
@pytest.mark.parametrize("common", [0.0, 0.7])
def test_it_stays_calibrated_on_many_labels(common):
    problem = Problem(
        simulate(SyntheticConfig(bars=100_000, common_drift=common, price="10000000"), seed=9), step=HORIZON
    )
    best = problem.optimum()
    expected, realised = best.information_gain, best.realised_gain(problem.label)
    # Shared drifts make the three labels of a bar depend on each other only through what all of them know.
    error = np.std(np.log(2 * np.where(problem.label == 1, best.probability, 1 - best.probability)))
    assert abs(realised - expected) < 4 * error / np.sqrt(len(problem.row))
