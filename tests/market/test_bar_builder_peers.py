"""mlfinpy's bars of real trades, where its environment is installed (`make bench-peers`): equal to ours."""

from __future__ import annotations

import pytest

from benchmarks.bars import mlfinpy
from benchmarks.peer import beside, is_installed
from market.trades.read import read_trades

pytestmark = [
    pytest.mark.long,
    pytest.mark.real_data,
    pytest.mark.skipif(not is_installed("mlfinpy"), reason="mlfinpy is not in .venv-peers: run `make bench-peers`"),
]


@pytest.mark.parametrize(
    "name",
    [
        "ES-ticks-20130901-20130903.csv.gz",
        "spot-PEPEUSDT-aggTrades-2024-10-27.zip",
        "binance-spot-BTCUSDT-trades-20240808T2354.csv.gz",
    ],
)
def test_bars_and_events_of_real_trades_are_those_of_mlfinpy(real_data, name):
    trades = read_trades(real_data / "trades" / name).trades[:60_000]
    trades["count"] = 1  # mlfinpy counts rows
    rows, notes = beside(mlfinpy(trades), build=False)
    assert len(rows) == len(notes) == 7
    assert [note for note in notes if not note.endswith(": equal") and "adaptive" not in note] == []
