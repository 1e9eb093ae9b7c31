"""A training's two records, from its configuration, its data and its result."""

import numpy as np
import pytest

from market.instruments import Instrument
from market.time import DAY
from pipelines.config import DataConfig, RunConfig
from pipelines.ledger.guard import summarise
from pipelines.ledger.record import begin_trial, failing, finish_trial, headline, new_trial, returns_by_day, stretches
from pipelines.ledger.trial import Returns, Stretch
from pipelines.stages.data import DataFacts, SeriesFacts
from pipelines.toml import digest
from tests.pipelines.factory import make_result
from tests.pipelines.ledger_factory import local_ledger

CONFIG = RunConfig(name="spot", data=DataConfig(symbols=("BTCUSDT", "ETHUSDT"), interval="15m"))
FACTS = DataFacts(
    (SeriesFacts("BTCUSDT", "print-b", 10, 0, 50 * DAY), SeriesFacts("ETHUSDT", "print-e", 10, DAY, 50 * DAY)), 40 * DAY
)
AMOUNTS = ("tick", "lot", "min_quantity", "max_quantity", "min_notional", "maker_fee", "taker_fee")
RULES = {"venue": "binance", "kind": "spot", "quote": "USDT", **dict.fromkeys(AMOUNTS, "0.001")}


@pytest.fixture
def ledger(tmp_path):
    return local_ledger(tmp_path)


def test_a_trial_is_its_configuration_data_and_code():
    trial = new_trial(CONFIG, FACTS, code="k", person="Ada", created=5, run="r", kind="cv", parameters={"a": 1})
    assert (trial.name, trial.configuration, trial.code, trial.person) == ("spot", digest(CONFIG), "k", "Ada")
    assert trial.data == {"BTCUSDT": "print-b", "ETHUSDT": "print-e"}
    assert (trial.created, trial.kind, trial.run, trial.parameters) == (5, "cv", "r", {"a": 1})
    assert trial.identity == new_trial(CONFIG, FACTS, code="k").identity
    assert trial.id != new_trial(CONFIG, FACTS, code="k").id


def test_the_untouched_stretch_is_touched_too():
    assert stretches(CONFIG.data, FACTS) == (
        Stretch("binance", "BTCUSDT", 0, 50 * DAY, "15m"),
        Stretch("binance", "ETHUSDT", DAY, 50 * DAY, "15m"),
    )


def test_base_assets_come_from_the_instruments():
    rules = [Instrument.from_dict({**RULES, "symbol": f"{base}USDT", "base": base}) for base in ("ETH", "BTC")]
    assert [one.asset for one in stretches(CONFIG.data, FACTS, rules)] == ["BTC", "ETH"]


def test_begin_look_finish_count(ledger):
    trial = begin_trial(ledger, CONFIG, FACTS, code="k")
    assert ledger.entries()[0].status == "begun"
    returns = Returns((1, 2), (0.1, -0.1))
    finish_trial(ledger, trial, metrics={"auc": 0.6, "x": float("nan")}, returns=returns, bundle="b", run="r")
    (entry,) = ledger.entries()
    assert (entry.status, entry.run, entry.outcome.bundle, entry.returns) == ("finished", "r", "b", returns)
    assert entry.outcome.metrics == {"auc": 0.6, "x": None}
    assert summarise(ledger, trial.id).distinct == 1


def test_what_fails_counts_and_says_why(ledger):
    trial = begin_trial(ledger, CONFIG, FACTS, code="k")
    with pytest.raises(KeyboardInterrupt), failing(ledger, trial):
        raise KeyboardInterrupt("enough")
    (entry,) = ledger.entries()
    assert (entry.status, entry.outcome.note) == ("failed", "KeyboardInterrupt: enough")
    other = begin_trial(ledger, CONFIG, FACTS, code="k2")
    with failing(ledger, other):
        pass
    assert ledger.entries()[1].status == "begun"
    assert summarise(ledger, other.id).distinct == 2


def test_a_failure_that_cannot_be_recorded_does_not_hide_the_failure(ledger):
    trial = begin_trial(ledger, CONFIG, FACTS, code="k")
    finish_trial(ledger, trial)
    with pytest.raises(ZeroDivisionError) as caught, failing(ledger, trial):
        raise ZeroDivisionError
    assert caught.value.__notes__ == [f"trial {trial.id} has its outcome already, and the ledger only grows"]


def test_the_headline_of_a_result():
    result = make_result()
    found = headline(result.predictors, result.backtest)
    assert set(found) == {"information_gain", "auc", "net_sharpe", "total_return", "max_drawdown"}
    assert found["net_sharpe"] == result.backtest.net_performance.sharpe.value
    assert found["auc"] == result.predictor("ensemble").scores["auc"].value
    assert set(headline(result.predictors, None)) == {"information_gain", "auc"}
    assert headline((), None) == {}


def test_returns_by_day_end_at_midnight():
    time = np.array([DAY // 2, DAY, DAY + 1, 2 * DAY, 4 * DAY - 1], np.int64)
    found = returns_by_day(time, np.array([105.0, 110.0, 1.0, 99.0, 198.0]), 100.0)
    assert found.days == (0, 1, 3)
    assert found.values == pytest.approx((0.1, -0.1, 1.0))
    assert returns_by_day(np.zeros(0, np.int64), np.zeros(0), 100.0) == Returns((), ())
