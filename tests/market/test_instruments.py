"""Exact conversions against Decimal and Fraction arithmetic, and the limits that keep int64 from wrapping."""

from __future__ import annotations

import json
from decimal import Decimal
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from market.errors import InstrumentError
from market.instruments import LOT_LIMIT, NOTIONAL_LIMIT, PRODUCT_LIMIT, TICK_LIMIT, Instrument

STEPS = [
    Decimal(text) for text in ("1E-8", "0.00001", "0.001", "0.01", "0.1", "0.5", "0.25", "0.0005", "1", "10", "2.5")
]
RULES = {
    "symbol": "BTCUSDT",
    "venue": "binance",
    "kind": "spot",
    "base": "BTC",
    "quote": "USDT",
    "tick": Decimal("0.01"),
    "lot": Decimal("0.00001"),
    "min_quantity": Decimal("0.00001"),
    "max_quantity": Decimal("9000"),
    "min_notional": Decimal(5),
    "maker_fee": Decimal("-0.0001"),
    "taker_fee": Decimal("0.001"),
}


def instrument(**changes):
    return Instrument(**{**RULES, **changes})


def with_steps(tick, lot, multiplier=Decimal(1)):
    return instrument(tick=tick, lot=lot, min_quantity=lot, max_quantity=lot * 1000, contract_multiplier=multiplier)


@given(st.sampled_from(STEPS), st.integers(0, TICK_LIMIT))
def test_every_count_of_ticks_survives_decimal_text_and_float(tick, count):
    one = with_steps(tick, tick)
    price = one.ticks_to_price(count)
    assert Fraction(price) == Fraction(tick) * count
    assert one.price_to_ticks(price) == one.price_to_ticks(str(price)) == count
    assert one.quantity_to_lots(one.lots_to_quantity(count)) == count
    # The double nearest to an on-tick price is that tick, up to the very limit.
    assert one.nearest_ticks(np.array([float(price)]))[0] == count
    assert one.nearest_lots(np.array([float(price)]))[0] == count


@given(st.sampled_from(STEPS), st.floats(1e-9, 1e6))
def test_nearest_is_nearest(tick, price):
    count = int(with_steps(tick, tick).nearest_ticks(np.array([price]))[0])
    distance = abs(Fraction(price) / Fraction(tick) - count)
    assert distance <= Fraction(1, 2) + Fraction(count + 1, 2**51)


def test_nearest_keeps_the_shape():
    assert instrument().nearest_ticks(np.full((3, 4), 93738.19)).tolist() == [[9373819] * 4] * 3


@given(
    st.sampled_from(STEPS), st.sampled_from(STEPS), st.sampled_from(STEPS), st.integers(1, 10**9), st.integers(1, 10**9)
)
def test_notional_ratio_is_the_money_of_one_tick_and_lot(tick, lot, multiplier, ticks, lots):
    one = with_steps(tick, lot, multiplier)
    numerator, denominator = one.notional_ratio
    money = Fraction(one.ticks_to_price(ticks)) * Fraction(one.lots_to_quantity(lots)) * Fraction(multiplier) * 10**8
    assert Fraction(ticks * lots * numerator, denominator) == money
    assert Fraction(numerator, denominator).denominator == denominator


@pytest.mark.parametrize("price", ["93738.195", Decimal("0.001"), "1e-9"])
def test_off_tick_prices_are_refused(price):
    with pytest.raises(InstrumentError, match=r"BTCUSDT: price .* is not a whole number of the tick 0\.01"):
        instrument().price_to_ticks(price)


@pytest.mark.parametrize("price", ["NaN", "Infinity", "-Infinity", "a lot", ""])
def test_what_is_no_number_is_refused(price):
    with pytest.raises(InstrumentError, match="not a finite decimal number"):
        instrument().price_to_ticks(price)


def test_floats_are_refused_by_the_exact_conversions():
    with pytest.raises(InstrumentError, match=r"price 0\.1 is a float"):
        instrument().price_to_ticks(0.1)


def test_counts_beyond_the_limit_are_refused():
    one = instrument()
    assert one.price_to_ticks(one.ticks_to_price(TICK_LIMIT)) == TICK_LIMIT
    with pytest.raises(InstrumentError, match=str(TICK_LIMIT)):
        one.price_to_ticks(one.ticks_to_price(TICK_LIMIT + 1))
    with pytest.raises(InstrumentError, match="is not a finite number within"):
        one.nearest_ticks(np.array([1.0, 1e18]))


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_floats_that_are_no_price_are_refused(value):
    with pytest.raises(InstrumentError, match="BTCUSDT: quantity"):
        instrument().nearest_lots(np.array([1.0, value]))


@pytest.mark.parametrize("changes", [{}, {"max_notional": Decimal("1E+6")}, {"contract_multiplier": Decimal("0.10")}])
def test_dictionaries_round_trip_through_json(changes):
    one = instrument(**changes)
    again = Instrument.from_dict(json.loads(json.dumps(one.to_dict())))
    assert again == one
    assert [str(value) for value in again.to_dict().values()] == [str(value) for value in one.to_dict().values()]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"tik": "1"}, r"BTCUSDT: unknown fields \['tik'\]"),
        ({"tick": 0.01}, "tick 0.01 is a float"),
        ({"tick": "cheap"}, "tick 'cheap' is not a decimal number"),
    ],
)
def test_bad_dictionaries_are_refused_by_name(change, message):
    with pytest.raises(InstrumentError, match=message):
        Instrument.from_dict({**instrument().to_dict(), **change})


def test_a_missing_field_is_named():
    values = instrument().to_dict()
    del values["lot"]
    with pytest.raises(InstrumentError, match=r"fields \['lot'\] are missing"):
        Instrument.from_dict(values)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"kind": "option"}, "kind is 'option'"),
        ({"symbol": ""}, "symbol must be a name"),
        ({"tick": Decimal(0)}, "tick is 0"),
        ({"tick": 0.01}, "tick must be a finite Decimal"),
        ({"lot": Decimal("NaN")}, "lot must be a finite Decimal"),
        ({"lot": Decimal(-1)}, "lot is -1"),
        ({"taker_fee": Decimal(10)}, "taker_fee is 10; it is a fraction"),
        ({"min_quantity": Decimal(10_000)}, "max_quantity 9000 is below min_quantity 10000"),
        ({"min_quantity": Decimal("0.000015")}, "not a whole number of the lot"),
        ({"min_notional": Decimal(-1)}, "min_notional -1 is below zero"),
        ({"max_notional": Decimal(1)}, "max_notional 1 is below min_notional 5"),
        ({"max_notional": Decimal(10**11)}, f"max_notional is {10**19} ledger units of 1e-8, above"),
        ({"max_quantity": Decimal(10**11)}, f"above the limit {LOT_LIMIT}"),
        (
            {"tick": Decimal(10**9), "lot": Decimal(1), "min_quantity": Decimal(1), "max_quantity": Decimal(10**13)},
            "exceed 128-bit intermediates",
        ),
        ({"tick": Decimal("1E-20"), "lot": Decimal("1E-20")}, "lot"),
        (
            {"tick": Decimal(10), "lot": Decimal(10), "min_quantity": Decimal(9000), "max_notional": Decimal(6)},
            "the smallest order, 900 lots at one tick, is worth more",
        ),
    ],
)
def test_contradictions_and_overflow_are_refused(changes, message):
    with pytest.raises(InstrumentError, match=message):
        instrument(**changes)


@given(st.sampled_from(STEPS), st.sampled_from(STEPS), st.integers(1, LOT_LIMIT))
def test_what_is_accepted_cannot_overflow(tick, lot, largest):
    try:
        one = instrument(tick=tick, lot=lot, min_quantity=lot, max_quantity=lot * largest)
    except InstrumentError as error:
        assert "128-bit" in str(error)  # noqa: PT017
        return
    numerator, denominator = one.notional_ratio
    assert one.max_lots * TICK_LIMIT * numerator <= PRODUCT_LIMIT
    assert denominator <= 2**62
    assert 3 * one.notional_limit < 2**63
    assert one.notional_limit == NOTIONAL_LIMIT
    assert one.min_lots * numerator <= one.notional_limit * denominator


def test_notional_bounds_in_ledger_units():
    lot = Decimal("1E-8")
    one = instrument(
        lot=lot, min_quantity=lot, min_notional=Decimal("0.000000011"), max_notional=Decimal("0.000000039")
    )
    assert (one.min_notional_units, one.notional_limit) == (2, 3)
