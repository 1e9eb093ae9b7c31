"""The laboratory's stages against hand calculation: judgement, worlds, regimes, strategies, combinatorial paths."""

from __future__ import annotations

import math
from statistics import NormalDist

import msgspec
import numpy as np
import pytest

from market.bars import BAR
from market.events import RATIO
from market.synthetic import SyntheticConfig, simulate
from market.time import DAY
from models.dataset import Panel, Samples, Series
from pipelines.config import LaboratoryConfig
from pipelines.laboratory import Strategy
from pipelines.results import ENSEMBLE, Estimate
from pipelines.stages.artefacts import job
from pipelines.stages.evaluate import BLOCK_HORIZONS
from pipelines.stages.judgement import (
    CASH,
    deflated,
    judged_overfitting,
    load_sensitivities,
    load_strategies,
    snooping,
    unlike,
)
from pipelines.stages.panel import load_panel, panel_facts, panel_job, save_panel
from pipelines.stages.paths import (
    path_gain,
    path_members,
    path_signals,
    path_splitter,
    paths_job,
    split_count,
    split_jobs,
)
from pipelines.stages.redrawn import total_return
from pipelines.stages.regimes import market_codes, trend_codes, volatility_codes
from pipelines.stages.strategies import HELD, STACKER, in_world, sensitivity_grid
from tests.pipelines.factory_laboratory import make_trials
from tests.pipelines.honesty import FREE, IDEAS, run_config, stages, study
from trading.config import ExchangeConfig

NORMAL = NormalDist()
YEAR = 365.25**0.5


def by_hand(returns, trials, variance):
    """Bailey and López de Prado (2014), written out with the standard library; luck, PSR, DSR."""
    count = len(returns)
    mean = math.fsum(returns) / count
    powers = [math.fsum((one - mean) ** k for one in returns) / count for k in (2, 3, 4)]
    sharpe = mean / math.sqrt(powers[0] * count / (count - 1))
    skewness, kurtosis = powers[1] / powers[0] ** 1.5, powers[2] / powers[0] ** 2
    error = math.sqrt(1 - skewness * sharpe + (kurtosis - 1) / 4 * sharpe**2)
    euler = 0.5772156649015329
    first, second = NORMAL.inv_cdf(1 - 1 / trials), NORMAL.inv_cdf(1 - 1 / (trials * math.e))
    luck = math.sqrt(variance) * ((1 - euler) * first + euler * second)
    probabilities = [NORMAL.cdf((sharpe - one) * math.sqrt(count - 1) / error) for one in (0.0, luck)]
    return luck, *probabilities


@pytest.fixture(scope="module")
def skewed():
    return np.random.default_rng(4).gamma(2.0, 0.005, 200) - 0.0088


@pytest.mark.parametrize("observed", [0.002, 0.02])
def test_deflated_is_the_papers_formula(skewed, observed):
    trials = msgspec.structs.replace(make_trials(distinct=40, effective=7.5), sharpe_variance=observed)
    found = deflated(skewed, trials)
    # The spread of 200 days' estimates of a ratio of zero, 1 / 200, is the least there is.
    variance = max(observed, 1 / 200)
    luck, probabilistic, corrected = by_hand(skewed.tolist(), 7.5, variance)
    assert found.luck == pytest.approx(luck * YEAR, rel=1e-12)
    assert found.spread == pytest.approx(math.sqrt(variance) * YEAR, rel=1e-12)
    assert found.probabilistic == pytest.approx(probabilistic, rel=1e-12)
    assert found.deflated == pytest.approx(corrected, rel=1e-12)
    assert found.by_all == pytest.approx(by_hand(skewed.tolist(), 40, variance)[2], rel=1e-12)
    assert found.by_all < found.deflated < found.probabilistic


def test_a_spread_that_nobody_knows_is_that_of_noise(skewed):
    known = msgspec.structs.replace(make_trials(), sharpe_variance=1 / 200)
    unknown = msgspec.structs.replace(make_trials(), sharpe_variance=None)
    assert deflated(skewed, unknown) == deflated(skewed, known)


def test_a_single_trial_was_not_chosen(skewed):
    found = deflated(skewed, make_trials(distinct=1, effective=1.0))
    assert found.luck == 0.0
    assert found.deflated == found.by_all == found.probabilistic


def test_what_does_not_move_is_not_judged():
    found = deflated(np.zeros(50), make_trials())
    assert {getattr(found, name) for name in found.__struct_fields__} == {None}


@pytest.mark.parametrize(
    ("days", "wanted", "blocks"), [(40, 16, 4), (59, 16, 4), (60, 16, 6), (400, 16, 16), (400, 8, 8)]
)
def test_blocks_of_ten_days_at_least(days, wanted, blocks):
    found = judged_overfitting("some", np.random.default_rng(1).normal(size=(days, 3)), wanted)
    assert (found.among, found.strategies, found.days, found.blocks) == ("some", 3, days, blocks)
    assert len(found.logits) == math.comb(blocks, blocks // 2)
    assert found.probability == (found.logits <= 0).mean()


def test_too_little_to_split():
    noise = np.random.default_rng(2).normal(size=(100, 3))
    assert judged_overfitting("some", noise[:39], 16) is None
    assert judged_overfitting("some", noise, 2) is None
    assert judged_overfitting("some", noise[:, :1], 16) is None
    noise[:, 1:] = 0.0
    assert judged_overfitting("some", noise, 16) is None
    assert judged_overfitting("some", np.empty((0, 0)), 16) is None


def strategies(**returns):
    return [Strategy(name, Estimate(None), 1, one, total_return=0.0) for name, one in returns.items()]


def noise(seed, days=250, mean=0.0):
    return np.random.default_rng(seed).normal(mean, 0.01, days)


def test_every_benchmark_but_oneself():
    config, held = LaboratoryConfig(draws=200), noise(9)
    tried = strategies(linear=noise(1), lstm=noise(2), ensemble=noise(3, mean=0.005))
    found = {one.benchmark: one for one in snooping(tried, held, config, 1)}
    assert list(found) == [CASH, HELD, "linear"]
    assert {one.best for one in found.values()} == {"ensemble"}
    assert found[CASH].superior == ("ensemble",)
    assert found[CASH].spa_lower <= found[CASH].spa <= found[CASH].spa_upper
    assert found[CASH].reality_check < 0.05
    assert "linear" not in found["linear"].superior
    assert [one.benchmark for one in snooping(tried[1:], held, config, 1)] == [CASH, HELD]
    assert [one.benchmark for one in snooping(tried[:1], held, config, 1)] == [CASH, HELD]


def test_a_strategy_that_is_its_benchmark_is_not_held_against_it():
    held = noise(5)
    tried = strategies(lstm=held, idle=np.zeros(250))
    found = {one.benchmark: one for one in snooping(tried, held, LaboratoryConfig(draws=100), 1)}
    assert (found[CASH].best, found[HELD].best) == ("lstm", "idle")
    assert snooping(tried[:1], held, LaboratoryConfig(draws=100), 1)[-1].benchmark == CASH
    assert snooping(strategies(lstm=held[:2]), held[:2], LaboratoryConfig(draws=100), 1) == []


def test_worlds():
    config = msgspec.structs.replace(
        run_config(simulate(SMALL, 1), IDEAS[0], ExchangeConfig(latency_ms=50.0)),
        laboratory=LaboratoryConfig(costs=(0.0, 2.0), latencies_ms=(0.0, 50.0, 900.0)),
    )
    assert sensitivity_grid(config) == [(0.0, 50.0), (2.0, 50.0), (1.0, 0.0), (1.0, 900.0)]


def test_a_world_changes_costs_and_latency_alone():
    exchange = ExchangeConfig(latency_ms=7.0, half_spread=0.0002, impact=0.3, participation=0.2, fee_factor=1.5)
    assert in_world(exchange, 1.0, 7.0) == exchange
    assert in_world(exchange, 2.0, 9.0) == ExchangeConfig(9.0, 0.0004, 0.6, 0.2, True, 3.0)
    nothing = in_world(exchange, 0.0, 7.0)
    assert (nothing.half_spread, nothing.impact, nothing.fee_factor) == (0.0, 0.0, 0.0)
    worst = in_world(exchange, 100.0, 7.0)
    assert (worst.impact, worst.fee_factor) == (1.0, 100.0)
    assert in_world(FREE, 3.0, 0.0) == msgspec.structs.replace(FREE, fee_factor=3.0)


# Regimes

HOUR = 3_600_000_000_000


def make_series(seed=0, count=240, symbol="A"):
    random = np.random.default_rng(seed)
    bars = np.zeros(count, BAR)
    bars["end"] = np.arange(1, count + 1) * HOUR
    bars["close"] = 100 * np.exp(np.cumsum(random.normal(0, 0.01, count)))
    volatility = 0.01 * np.exp(random.normal(0, 0.5, count))
    volatility[:10] = np.nan
    return Series(symbol, bars, np.zeros((count, 1)), volatility)


def with_another_future(series, row):
    """The same until a row, and another market behind it."""
    other = make_series(99, len(series.bars))
    bars, volatility = series.bars.copy(), series.volatility.copy()
    bars["close"][row + 1 :] = other.bars["close"][row + 1 :] * 3
    volatility[row + 1 :] = other.volatility[row + 1 :] * 5
    return Series(series.symbol, bars, series.features, volatility)


@pytest.mark.parametrize("row", [120, 121, 200])
def test_regimes_never_look_ahead(row):
    series, before = make_series(), 110 * HOUR
    other = with_another_future(series, row)
    seen = slice(0, row + 1)
    for codes in (lambda one: volatility_codes(one, before), lambda one: trend_codes(one, 6)):
        assert np.array_equal(codes(series)[seen], codes(other)[seen])
        assert not np.array_equal(codes(series), codes(other))


def test_volatility_by_the_terciles_of_the_past():
    series = make_series()
    codes = volatility_codes(series, 110 * HOUR)
    # Bars that end before hour 110 are those in rows 0 to 108; the first ten are not known.
    low, high = np.quantile(series.volatility[10:109], [1 / 3, 2 / 3])
    assert (codes[:10] == -1).all()
    assert np.array_equal(codes[10:], (series.volatility[10:] >= low).astype(int) + (series.volatility[10:] >= high))
    assert np.bincount(codes[10:109]).tolist() == [33, 33, 33]
    assert (volatility_codes(series, 0) == -1).all()


def test_trend_by_the_last_move():
    series = make_series()
    codes = trend_codes(series, 6)
    assert (codes[:10] == -1).all()
    for row in range(10, 240):
        move = math.log(series.bars["close"][row] / series.bars["close"][row - 6])
        scaled = move / (series.volatility[row] * math.sqrt(6))
        assert codes[row] == (2 if scaled > 0.5 else 1 if scaled >= -0.5 else 0)


def make_panel(*series):
    empty = np.empty(0)
    return Panel(series, ("f",), HOUR, Samples(**dict.fromkeys(Samples.__dataclass_fields__, empty)))


def test_a_days_regime_is_known_when_it_begins():
    panel = make_panel(*(make_series(seed, symbol=str(seed)) for seed in range(3)))
    random = np.random.default_rng(3)
    codes = [random.integers(0, 3, 240) for _ in panel.series]
    days = np.arange(1, 11) * DAY
    found = market_codes(panel, codes, days, 3)
    assert found[0] == -1
    # Day k begins at hour 24 k; the bar that ends there is in row 24 k - 1.
    assert found[1:].tolist() == [int(np.median([one[24 * k - 1] for one in codes])) for k in range(1, 10)]
    later = [np.where(np.arange(240) > 24 * 4 - 1, 0, one) for one in codes]
    assert np.array_equal(market_codes(panel, later, days, 3)[:5], found[:5])


def test_an_instrument_of_which_nothing_is_known_has_no_say():
    panel = make_panel(make_series(0), make_series(1))
    known, unknown = np.full(240, 2), np.full(240, -1)
    days = np.array([3 * DAY])
    assert market_codes(panel, [known, unknown], days, 3).tolist() == [2]
    assert market_codes(panel, [unknown, unknown], days, 3).tolist() == [-1]


# Strategies and paths of a tiny market

SMALL = SyntheticConfig(instruments=2, bars=1_400, interval="4h")
EXAMINED = LaboratoryConfig(groups=4, test_groups=2, costs=(0.0, 1.0, 3.0), latencies_ms=(50.0, 60_000.0))


@pytest.fixture(scope="module")
def tiny():
    with study(simulate(SMALL, 11)) as made:
        yield made


@pytest.fixture(scope="module")
def config(tiny):
    return msgspec.structs.replace(run_config(tiny.market, IDEAS[0], ExchangeConfig()), laboratory=EXAMINED)


@pytest.fixture(scope="module")
def panel_artefact(tiny, config):
    return tiny.artefacts.make(panel_job(config, tiny.facts, tiny.lake))


@pytest.fixture(scope="module")
def splits(tiny, config, panel_artefact):
    return [tiny.artefacts.make(one) for one in split_jobs(config, [panel_artefact] * 6)]


def test_every_predictor_is_traded_and_the_ensemble_in_other_worlds(tiny, config):
    done = stages(tiny, config)
    found, worlds = load_strategies(done.strategies), load_sensitivities(done.strategies)
    assert [one.name for one in found] == ["linear", STACKER, ENSEMBLE]
    ensemble = found[-1]
    assert ensemble.trades > 50
    assert ensemble.total_return == pytest.approx(np.prod(1 + ensemble.returns) - 1)
    for one in (*found, *worlds):
        low, high = one.total_return_estimate.bounds
        assert low < one.total_return < high
    by_world = {(one.costs, one.latency_ms): one.total_return for one in worlds}
    assert list(by_world) == [(0.0, 50.0), (1.0, 50.0), (3.0, 50.0), (1.0, 60_000.0)]
    assert by_world[1.0, 50.0] == ensemble.total_return
    assert by_world[0.0, 50.0] > by_world[1.0, 50.0] > by_world[3.0, 50.0]
    days, held = done.strategies.array("days"), done.strategies.array("held")
    assert len(days) == len(held) == len(ensemble.returns)
    ends, closes = zip(*((one.bars["end"], one.bars["close"]) for one in load_panel(done.panel).series), strict=True)
    for day in (1, 7, len(days) - 2):
        now, before = (
            [close[np.searchsorted(end, moment, side="right") - 1] for end, close in zip(ends, closes, strict=True)]
            for moment in (days[day], days[day - 1])
        )
        begin = [one.bars[one.bars["end"] >= days[0] - DAY]["open"][0] for one in load_panel(done.panel).series]
        growth = np.mean(np.array(now) / begin) / np.mean(np.array(before) / begin)
        assert held[day] == pytest.approx(growth - 1, abs=2e-4)


def test_without_an_lstm_the_paths_are_of_all_members(config):
    assert path_members(config) == ("linear",)
    both = msgspec.structs.replace(config, members={"lstm": {}, "linear": {}})
    assert path_members(both) == ("linear",)
    assert path_members(msgspec.structs.replace(config, members={"lstm": {}})) == ("lstm",)
    asked = msgspec.structs.replace(EXAMINED, members=("lstm",))
    assert path_members(msgspec.structs.replace(both, laboratory=asked)) == ("lstm",)
    assert split_count(msgspec.structs.replace(config, laboratory=LaboratoryConfig(groups=0)), None) == 0


def test_each_group_of_a_path_comes_from_a_split_that_tested_it(config, panel_artefact, splits):
    panel = load_panel(panel_artefact)
    splitter = path_splitter(config, panel)
    spans, chosen = splitter.time_groups().spans(), splitter.path_splits()
    assert (len(splits), chosen.shape) == (6, (3, 4))
    samples, embargo = panel.samples, config.labels.horizon * panel.interval
    for path in chosen:
        for group, split in enumerate(path):
            tested = splits[split].json("split")["tested"]
            assert group in tested
            assert tuple(tested) == splitter.tested_groups()[split]
            train, _ = splitter.time_groups().split(tuple(tested), embargo, closed=True)
            begin, end = spans[group]
            mine = (samples.t0 >= begin) & (samples.t0 < end)
            until = samples.t1[mine].max()
            assert not ((samples.t0[train] <= until) & (samples.t1[train] >= samples.t0[mine].min())).any()
        signals = path_signals([panel_artefact] * 4, spans, [splits[split] for split in path])
        for place, one in enumerate(signals):
            group, instrument = divmod(place, 2)
            said = splits[path[group]].array(f"said-{group}-{instrument}")
            assert np.array_equal(one["p0"], np.rint(said[np.isfinite(said)] * RATIO))
    # No two paths take any group from the same split.
    assert all(len(set(column)) == 3 for column in chosen.T)


def relabelled(tiny, panel_artefact, wrong, name):
    """The same panel with the labels of some samples turned round."""

    def build(draft, _):
        panel = load_panel(panel_artefact)
        samples = panel.samples
        columns = {field: getattr(samples, field) for field in Samples.__dataclass_fields__}
        columns["label"] = np.where(wrong, 1 - samples.label, samples.label)
        columns["move"] = np.where(wrong, -samples.move, samples.move)
        save_panel(draft, Panel(panel.series, panel.feature_names, panel.interval, Samples(**columns)))
        draft.json("panel", panel_facts(panel_artefact))

    return tiny.artefacts.make(job("panel", name, (panel_artefact.digest, name), build, ()))


def test_what_a_split_says_does_not_depend_on_the_labels_it_is_tested_on(tiny, config, panel_artefact, splits):
    panel = load_panel(panel_artefact)
    samples = panel.samples
    spans, number = path_splitter(config, panel).time_groups().spans(), 1
    tested = splits[number].json("split")["tested"]
    assert tested == [0, 2]
    inside = np.zeros(len(samples), bool)
    for group in tested:
        inside |= (samples.t1 >= spans[group][0]) & (samples.t0 < spans[group][1])

    def said(wrong, name):
        other = tiny.artefacts.make(split_jobs(config, [relabelled(tiny, panel_artefact, wrong, name)] * 6)[number])
        return [other.array(f"said-{group}-{instrument}") for group in tested for instrument in range(2)]

    own = [splits[number].array(f"said-{group}-{instrument}") for group in tested for instrument in range(2)]
    for one, other in zip(own, said(inside, "inside"), strict=True):
        assert np.array_equal(one, other, equal_nan=True)
        assert np.isfinite(one).sum() > 100
    for one, other in zip(own, said(~inside, "outside"), strict=True):
        assert not np.array_equal(one, other, equal_nan=True)


def test_paths_are_traded_through_the_whole_history(tiny, config, panel_artefact, splits):
    made = tiny.artefacts.make(paths_job(config, [panel_artefact] * 6, splits, tiny.market.instruments))
    found = made.json("paths")
    assert (found["groups"], found["test_groups"], found["splits"], found["members"]) == (4, 2, 6, ["linear"])
    returns = [made.array(f"returns-{number}") for number in range(3)]
    samples = load_panel(panel_artefact).samples
    days = (samples.t0.max() - samples.t0.min()) / DAY
    for path, one in zip(found["paths"], returns, strict=True):
        assert path["total_return"] == pytest.approx(np.prod(1 + one) - 1)
        assert tuple(path["total_return_interval"]) == total_return(one).bounds
        assert len(one) == pytest.approx(days, abs=4)
        assert path["trades"] > 100
    assert not np.array_equal(returns[0], returns[1])
    # The market has an edge, and every path's models were trained elsewhere: they all find it.
    assert min(found["information_gain"]) > 0
    for gain, (low, high) in zip(found["information_gain"], found["information_gain_interval"], strict=True):
        assert 0 < low < gain < high


def test_a_paths_gain_is_that_of_its_rows_and_its_interval_that_of_redrawn_blocks(config, panel_artefact, splits):
    panel = load_panel(panel_artefact)
    splitter, samples = path_splitter(config, panel), panel.samples
    spans, path = splitter.time_groups().spans(), splitter.path_splits()[1]
    mine, horizon = [splits[split] for split in path], config.labels.horizon * panel.interval
    found = path_gain(panel, spans, mine, horizon, 2000, 5)
    rows = []
    for group, split in enumerate(mine):
        begin, end = spans[group]
        for instrument in range(2):
            said = split.array(f"said-{group}-{instrument}")
            first = np.searchsorted(panel.series[instrument].bars["end"], begin)
            for one in np.flatnonzero((samples.t0 >= begin) & (samples.t0 < end) & (samples.instrument == instrument)):
                p, y, base = said[samples.row[one] - first], samples.label[one], split.json("split")["base"]
                gain = np.log(p if y else 1 - p) - np.log(base if y else 1 - base)
                rows.append((samples.t0[one] // horizon, gain, samples.weight[one]))
    cell, gain, weight = np.array([one for one in rows if np.isfinite(one[1])]).T
    assert found.value == pytest.approx(np.average(gain, weights=weight), rel=1e-9)
    cells = np.unique(cell)
    sums = np.array([[(gain * weight)[cell == one].sum(), weight[cell == one].sum()] for one in cells])
    random = np.random.default_rng(11)
    begins = random.integers(0, len(cells), (4000, -(-len(cells) // BLOCK_HORIZONS)))
    taken = ((begins[:, :, None] + np.arange(BLOCK_HORIZONS)).reshape(4000, -1) % len(cells))[:, : len(cells)]
    above, below = sums[taken].sum(axis=1).T
    # Other draws: the bounds agree to the Monte Carlo error of a quantile.
    width = found.high - found.low
    assert [found.low, found.high] == pytest.approx(np.quantile(above / below, [0.025, 0.975]), abs=0.08 * width)
    # Blocks of time longer than half of what there is say nothing.
    alone = path_gain(panel, spans, mine, horizon * len(cells), 2000, 5)
    assert (alone.value, alone.bounds) == (found.value, None)


def test_nearly_equal_trials_are_one_strategy_to_the_probability_of_overfitting():
    random = np.random.default_rng(3)
    idea, other = random.normal(0.002, 0.01, 400), random.normal(-0.002, 0.01, 400)
    twins = [idea + random.normal(0, 1e-4, 400) for _ in range(6)]
    table = np.column_stack([*twins, other, np.zeros(400)])
    assert judged_overfitting("all", table, 8).probability > 0.3
    kept = unlike(table)
    assert kept.T.tolist() == [twins[-1].tolist(), other.tolist()]
    assert judged_overfitting("unlike", kept, 8).probability == 0.0
    assert unlike(np.zeros((20, 3))).shape == (20, 0)
