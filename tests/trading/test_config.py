"""Settings: what is misspelt or out of range is refused, and the message names it."""

from __future__ import annotations

import msgspec
import pytest

from trading.config import ExchangeConfig, RiskConfig, TradingConfig, money_units, ratio_units

RANGES = {
    ("risk", "leverage"): (0.01, 100),
    ("risk", "orders_per_minute"): (1, 100_000),
    ("risk", "drawdown"): (0.001, 1),
    ("sizing", "volatility_target"): (0.001, 10),
    ("sizing", "full_bet"): (0.001, 1),
    ("sizing", "max_weight"): (0.001, 100),
    ("decision", "margin"): (-1, 1),
    ("decision", "slippage"): (0, 0.1),
    ("exchange", "latency_ms"): (0, 60_000),
    ("exchange", "half_spread"): (0, 0.1),
    ("exchange", "impact"): (0, 1),
    ("exchange", "participation"): (0.0001, 1),
}


def read(part: str, name: str, value: object) -> object:
    if part == "exchange":
        return msgspec.convert({name: value}, ExchangeConfig)
    return msgspec.convert({part: {name: value}}, TradingConfig)


@pytest.mark.parametrize("where", RANGES, ids=".".join)
def test_ranges(where):
    part, name = where
    for value in RANGES[where]:
        read(part, name, value)
    least, most = RANGES[where]
    for value in (least - 1, most + 1, *(() if name == "orders_per_minute" else (least - 1e-6, float("nan")))):
        with pytest.raises(msgspec.ValidationError, match=f"^{name} is .*must lie between"):
            read(part, name, value)


@pytest.mark.parametrize("where", [*RANGES, ("trading", "capital"), ("risk", "gross_notional")], ids=".".join)
def test_misspelt_names_and_wrong_types(where):
    part, name = where
    values = {name + "s": 1} if part in ("exchange", "trading") else {part: {name + "s": 1}}
    kind = ExchangeConfig if part == "exchange" else TradingConfig
    with pytest.raises(msgspec.ValidationError, match=f"unknown field `{name}s`"):
        msgspec.convert(values, kind)
    with pytest.raises(msgspec.ValidationError, match=name):
        msgspec.convert({name: []} if part in ("exchange", "trading") else {part: {name: []}}, kind)


@pytest.mark.parametrize("text", ["", "ten", "nan", "inf", "-1", "1e10", "0.000000001", "1000000000.00000001"])
@pytest.mark.parametrize("name", ["capital", "order_notional", "position_notional", "gross_notional"])
def test_money_that_is_none(name, text):
    with pytest.raises(ValueError, match=f"^{name} is .*must"):
        TradingConfig(capital=text) if name == "capital" else RiskConfig(**{name: text})


def test_money_and_ratios_are_exact():
    assert money_units("0.00000001", "x") == 1
    assert money_units("1000000000", "x") == 10**17
    assert money_units("123456789.12345678", "x") == 12345678912345678
    assert [ratio_units(value) for value in (0.1, 0.3, -0.00015, 1 / 3)] == [10**8, 3 * 10**8, -150000, 333333333]
    with pytest.raises(ValueError, match="capital is 0"):
        TradingConfig(capital="0")


def test_free_leaves_the_volume():
    assert ExchangeConfig(participation=0.03).free() == ExchangeConfig(0.0, 0.0, 0.0, 0.03, False)
