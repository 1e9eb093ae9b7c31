"""The synthetic market does what its equations say, and its bars are bars."""

from __future__ import annotations

import dataclasses
import hashlib
import os
import subprocess
import sys

import msgspec
import numpy as np
import pytest
from scipy import stats
from synthetic_support import ewma, log_returns

from market.errors import MarketError
from market.quality import check_bars
from market.synthetic import SyntheticConfig, null_twin, simulate
from market.synthetic_bars import Closes, make_bars, observed_flow

LONG = SyntheticConfig(instruments=2, bars=60_000)


@pytest.fixture(scope="module")
def market():
    return simulate(LONG, seed=11)


def digest(config, seed):
    simulated = simulate(config, seed)
    found = hashlib.sha256()
    for symbol in simulated.symbols:
        latent = simulated.latent[symbol]
        for array in (simulated.bars[symbol], latent.drift, latent.regime, latent.volatility, latent.jump):
            found.update(array.tobytes())
    return found.hexdigest()


def test_the_seed_decides_every_byte():
    config = SyntheticConfig(instruments=2, bars=500)
    assert digest(config, 1) == digest(config, 1)
    assert digest(config, 1) != digest(config, 2)


def test_an_instrument_does_not_depend_on_how_many_there_are():
    config = SyntheticConfig(instruments=1, bars=500, common_drift=0.5)
    alone = simulate(config, seed=4)
    among = simulate(msgspec.structs.replace(config, instruments=3), seed=4)
    assert alone.bars["SYN0USD"].tobytes() == among.bars["SYN0USD"].tobytes()


@pytest.mark.parametrize(
    "config",
    [
        SyntheticConfig(instruments=1, bars=5000),
        SyntheticConfig(instruments=1, bars=5000, substeps=1, interval="1h", price="3", tick="0.00001", lot="1"),
        SyntheticConfig(instruments=1, bars=5000, jump_rate=0.2, jump_size=0.02, flow_scale=1.0, volume=0.01),
    ],
    ids=["default", "no path inside, other grid", "wild"],
)
def test_bars_pass_the_quality_gates(config):
    simulated = simulate(config, seed=2)
    bars = simulated.bars["SYN0USD"]
    report = check_bars(bars, config.interval_ns)
    assert not report.findings, report.text()
    assert (bars["vwap"] >= bars["low"]).all()
    assert (bars["vwap"] <= bars["high"]).all()
    assert (bars["trade_count"] >= 1).all()
    assert (bars["open"][1:] == bars["close"][:-1]).all()
    rules = simulated.instruments[0]
    for field in ("open", "high", "low", "close"):
        ticks = rules.nearest_ticks(bars[field])
        assert [float(rules.ticks_to_price(tick)) for tick in ticks[:500]] == bars[field][:500].tolist()
    for field in ("volume", "taker_buy_volume"):
        lots = rules.nearest_lots(bars[field])
        assert [float(rules.lots_to_quantity(lot)) for lot in lots[:500]] == bars[field][:500].tolist()


def test_the_drift_is_a_stationary_autoregression_of_unit_variance(market):
    drift = market.latent["SYN0USD"].drift
    phi, count = LONG.persistence, len(drift)
    # Bartlett: the standard error of a variance and of an autocorrelation of an AR(1).
    assert abs(drift.var() - 1.0) < 4 * np.sqrt(2 / count * (1 + phi**2) / (1 - phi**2))
    for lag in (1, 10):
        correlation = np.corrcoef(drift[lag:], drift[:-lag])[0, 1]
        assert abs(correlation - phi**lag) < 4 * np.sqrt((1 + phi**2) / (1 - phi**2) / count)
    assert np.isclose(phi**LONG.half_life, 0.5)


def test_returns_are_volatility_times_drift_and_shock_plus_jumps(market):
    for symbol in market.symbols:
        latent = market.latent[symbol]
        shock = (log_returns(market.bars[symbol]) - latent.jump) / latent.volatility - LONG.edge * latent.drift
        assert stats.kstest(shock, "norm").pvalue > 1e-3
        assert abs(np.corrcoef(shock[1:], shock[:-1])[0, 1]) < 4 / np.sqrt(len(shock))
        assert abs(np.corrcoef(shock, latent.drift)[0, 1]) < 4 / np.sqrt(len(shock))
        flow = observed_flow(LONG, market.bars[symbol])
        assert abs(np.corrcoef(flow, shock)[0, 1] - LONG.flow_return) < 4 / np.sqrt(len(shock))
        rest = flow - LONG.flow_drift * latent.drift - LONG.flow_return * shock
        expected = np.sqrt(1 - LONG.flow_drift**2 - LONG.flow_return**2)
        assert stats.kstest(rest / expected, "norm").pvalue > 1e-3


def test_volatility_follows_the_recursion_written_out_plainly(market):
    latent, bars = market.latent["SYN1USD"], market.bars["SYN1USD"]
    returns = log_returns(bars)
    level, arch, garch = np.array(LONG.volatility), np.array(LONG.arch), np.array(LONG.garch)
    variance = LONG.first_variances()
    for row in range(2000):
        assert np.isclose(latent.volatility[row] ** 2, variance[latent.regime[row]], rtol=1e-9)
        variance = level**2 * (1 - arch - garch) + arch * returns[row] ** 2 + garch * variance


def test_first_variances_are_the_long_run_means():
    config = SyntheticConfig(instruments=1, bars=400_000, edge=0.2, price="1000000000")
    returns = log_returns(simulate(config, seed=3).bars["SYN0USD"])
    level, arch, garch = np.array(config.volatility), np.array(config.arch), np.array(config.garch)
    means = (level**2 * (1 - arch - garch) + arch * np.mean(returns**2)) / (1 - garch)
    np.testing.assert_allclose(means, config.first_variances(), rtol=0.06)


def test_regimes_and_jumps_come_at_their_rates(market):
    latent = market.latent["SYN0USD"]
    switches = np.flatnonzero(np.diff(latent.regime))
    stays = {state: np.diff(switches)[latent.regime[switches[1:]] == state] for state in (0, 1)}
    for state, mean in enumerate(LONG.regime_bars):
        assert abs(stays[state].mean() - mean) < 4 * mean / np.sqrt(len(stays[state]))
    rate = 1 - np.exp(-LONG.jump_rate)
    assert abs((latent.jump != 0).mean() - rate) < 4 * np.sqrt(rate / len(latent.jump))
    jumps = latent.jump[latent.jump != 0]
    assert abs(jumps.mean()) < 4 * LONG.jump_size / np.sqrt(len(jumps))
    assert abs(np.mean(jumps**2) / LONG.jump_size**2 - 1) < 0.25


def test_volume_goes_with_volatility(market):
    for symbol in market.symbols:
        logs = np.log(market.bars[symbol]["volume"]), np.log(market.latent[symbol].volatility)
        assert stats.linregress(logs[1], logs[0]).slope == pytest.approx(LONG.volume_elasticity, abs=0.05)


def test_the_hidden_state_reaches_bars_only_through_closes_flow_and_volume():
    """`Closes` has no drift and no jump; with the other regime in every bar, nothing but volumes and counts change."""
    generator = np.random.default_rng(1)
    ticks = 1_000_000 + np.cumsum(generator.integers(-100, 100, 1000))
    variances = generator.uniform(1e-6, 1e-5, (1000, 2))
    closes = Closes(1_000_000, ticks, variances, generator.integers(0, 2, 1000), generator.standard_normal(1000))
    other = dataclasses.replace(closes, regimes=1 - closes.regimes)
    one, two = (make_bars(LONG, made, np.random.default_rng(2)) for made in (closes, other))
    for field in ("start", "end", "open", "high", "low", "close", "vwap"):
        assert one[field].tobytes() == two[field].tobytes()
    assert (one["volume"] != two["volume"]).mean() > 0.99
    shares = [made["taker_buy_volume"] / made["volume"] for made in (one, two)]
    np.testing.assert_allclose(*shares, atol=1e-3)


def test_common_drift_is_the_correlation_of_drifts():
    config = SyntheticConfig(instruments=2, bars=40_000, half_life=2.0, common_drift=0.6)
    drifts = [latent.drift for latent in simulate(config, seed=8).latent.values()]
    assert np.corrcoef(*drifts)[0, 1] == pytest.approx(0.6, abs=0.03)
    assert [drift.var() for drift in drifts] == pytest.approx([1.0, 1.0], abs=0.08)


def future_correlation(simulated, symbol):
    """Correlation of averaged order flow with the next bar's return, in standard errors."""
    bars = simulated.bars[symbol]
    flow = ewma(2 * bars["taker_buy_volume"] / bars["volume"] - 1, 8)[200:-1]
    move = np.clip(log_returns(bars)[201:], -0.01, 0.01)
    return np.corrcoef(flow, move)[0, 1] * np.sqrt(len(flow))


def test_flow_leads_returns_in_the_market_and_not_in_its_null_twin(market):
    twin = simulate(null_twin(LONG), seed=11)
    for symbol in market.symbols:
        assert future_correlation(market, symbol) > 20
        assert abs(future_correlation(twin, symbol)) < 4
        # The same noise drives both: regimes, jumps and the flow's own persistence are untouched.
        np.testing.assert_array_equal(twin.latent[symbol].regime, market.latent[symbol].regime)
        np.testing.assert_array_equal(twin.latent[symbol].jump, market.latent[symbol].jump)
        flow = observed_flow(LONG, twin.bars[symbol])
        assert np.corrcoef(flow[1:], flow[:-1])[0, 1] > 0.1


def test_the_same_bytes_without_the_compiler():
    config = "SyntheticConfig(instruments=2, bars=400, jump_rate=0.1)"
    program = (
        "import numpy as np, hashlib\n"
        "from market.synthetic import SyntheticConfig, simulate\n"
        "from market.synthetic_optimum import optimum\n"
        f"market = simulate({config}, seed=5)\n"
        "rows = np.arange(100, 390, 40)\n"
        "best = optimum(market, [np.full(400, 0.003)] * 2, np.tile([0, 1], 4), rows[:8], horizon=5, barrier=1.0,\n"
        "               particles=8, paths=32, seed=3)\n"
        "parts = [*market.bars.values(), best.halves, best.duration]\n"
        "print(hashlib.sha256(b''.join(part.tobytes() for part in parts)).hexdigest())\n"
    )
    answers = [
        subprocess.run(
            [sys.executable, "-c", program],
            env={**os.environ, "NUMBA_DISABLE_JIT": switch},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for switch in ("0", "1")
    ]
    assert answers[0] == answers[1]
    assert len(answers[0].strip()) == 64


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"edge": -0.1}, "edge"),
        ({"edge": float("nan")}, "edge"),
        ({"volatility": (0.001, 0.5)}, "volatility"),
        ({"flow_drift": 0.8, "flow_return": 0.7}, "flow_return"),
        ({"garch": (0.93, 0.97)}, "stationary"),
        ({"tick": "0.0.1"}, "tick"),
        ({"lot": "-1"}, "lot"),
        ({"jump_rate": 0.5}, "jump_rate"),
        ({"start": "2020-01-01T00:01"}, "grid"),
    ],
)
def test_impossible_configurations_are_refused_by_name(changes, named):
    with pytest.raises(MarketError, match=named):
        SyntheticConfig(**changes)


def test_unknown_keys_are_refused():
    with pytest.raises(msgspec.ValidationError, match="edgy"):
        msgspec.convert({"edgy": 0.1}, SyntheticConfig)


def test_a_price_that_nears_its_tick_stops_the_simulation():
    with pytest.raises(MarketError, match=r"SYN0USD leaves the range of prices .* at bar \d+"):
        simulate(SyntheticConfig(instruments=1, bars=20_000, price="10.01"), seed=1)
