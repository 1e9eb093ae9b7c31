"""The configurations of `conf/` over real market data: whatever they find, they find it whole and live agrees."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipelines.results import RunResult
from tests.pipelines.conftest import bot4

CONF = Path(__file__).resolve().parent.parent.parent / "conf"
FILES = {
    "spot-15m": ("binance", "klines/spot-15m/*.csv.gz"),
    "perp-1m": ("binance-um", "klines/um-futures-1m/[FN]*USDT-1m-2023-*.csv.gz"),
}


@pytest.mark.long
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
        "lstm", "lightgbm", "xgboost", "linear", "trees only", "stacker", "ensemble"
    }  # fmt: skip
    assert result.comparison_effective < result.comparison_rows / 10
    print(done.stdout)
