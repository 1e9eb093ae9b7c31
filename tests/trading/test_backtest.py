"""Backtests of random tapes, audited record by record by somebody who never saw the core."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from market.events import Kind
from tests.trading.trading_samples import (
    ACTIVE,
    ENTRY,
    EXCHANGE,
    EXIT,
    HALTED,
    HORIZON,
    INTERVAL,
    REDUCING,
    STOP,
    TARGET,
    TRADING,
    Auditor,
    all_spot,
    four_instruments,
    random_tape,
)
from trading.backtest import run
from trading.config import ExchangeConfig, RiskConfig, SizingConfig, TradingConfig
from trading.layout import BECAUSE_DRAWDOWN, BECAUSE_OPERATOR

ROOT = Path(__file__).resolve().parents[2]


def audited(seed, count, rules=None, trading=TRADING, exchange=EXCHANGE):
    rules = rules or four_instruments()
    done = run(rules, trading, exchange, random_tape(seed, count, rules), INTERVAL, HORIZON)
    auditor = Auditor(rules, trading, exchange)
    moments = list(auditor.audit(done.journal))
    assert moments == list(zip(done.time.tolist(), done.equity.tolist(), done.gross.tolist(), strict=True))
    core = done.state.core[0]
    assert (core["cash"], core["fees"], core["equity"]) == (auditor.cash, auditor.fees, auditor.equity())
    assert done.exchange.exchange["cash"][0] == core["cash"]
    assert (core["gross"], core["peak"], core["trading_state"]) == (auditor.gross(), auditor.peak, auditor.state)
    assert done.state.books["position"].tolist() == done.exchange.books["position"].tolist() == auditor.position
    resting = done.exchange.resting
    assert sorted(resting["client_id"][resting["client_id"] > 0]) == sorted(auditor.live)
    return auditor


def test_every_record_of_random_backtests():
    seen = set()
    for seed in range(6):
        seen |= audited(seed, 400).seen
    everything = {("whole", purpose, side) for purpose in (ENTRY, STOP, TARGET, EXIT) for side in (1, -1)}
    everything |= {("part", purpose, side) for purpose in (ENTRY, STOP, TARGET, EXIT) for side in (1, -1)}
    everything |= {("funding", long, positive) for long in (True, False) for positive in (True, False)}
    everything |= {("ORDER_CANCELLED", purpose) for purpose in (ENTRY, STOP, TARGET)}
    everything |= {("state", state, BECAUSE_OPERATOR) for state in (HALTED, ACTIVE, REDUCING)}
    everything |= {("state", REDUCING, BECAUSE_DRAWDOWN)}
    everything |= {"a stop is triggered and finds no volume"}
    assert not everything - seen


def test_spot_alone_never_spends_more_than_its_cash():
    bold = TradingConfig(risk=RiskConfig(drawdown=1.0), sizing=SizingConfig(volatility_target=10, max_weight=1.0))
    seen = set()
    for seed in range(4):
        seen |= audited(seed, 300, all_spot(), bold, ExchangeConfig(participation=0.5)).seen
    assert "poor" in seen


@pytest.mark.long
@pytest.mark.parametrize("seed", range(100, 160))
def test_every_record_of_many_backtests(seed):
    audited(seed, 3_000)


PROGRAM = """
import sys
from tests.trading.trading_samples import *
from trading.backtest import run
done = run(four_instruments(), TRADING, EXCHANGE, random_tape(9, 250), INTERVAL, HORIZON)
sys.stdout.buffer.write(done.journal.tobytes() + done.state.to_bytes() + done.exchange.resting.tobytes())
"""


def test_the_interpreter_gives_the_same_bytes():
    done = run(four_instruments(), TRADING, EXCHANGE, random_tape(9, 250), INTERVAL, HORIZON)
    environment = {**os.environ, "NUMBA_DISABLE_JIT": "1"}
    program = [sys.executable, "-W", "ignore", "-c", PROGRAM]
    said = subprocess.run(program, cwd=ROOT, env=environment, capture_output=True, check=True).stdout
    assert said == done.journal.tobytes() + done.state.to_bytes() + done.exchange.resting.tobytes()
    assert (done.journal["kind"] == Kind.FILL).sum() > 50
