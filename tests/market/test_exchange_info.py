"""Binance's exchangeInfo: two full recordings, and each filter's odd cases."""

from __future__ import annotations

import gzip
import json
from decimal import Decimal

import pytest

from market.errors import InstrumentError
from market.exchange_info import from_exchange_info
from market.instruments import NOTIONAL_LIMIT

FEE = Decimal("0.001")
PRICE = {"filterType": "PRICE_FILTER", "minPrice": "0.01", "maxPrice": "1000000", "tickSize": "0.01000000"}
LOT = {"filterType": "LOT_SIZE", "minQty": "0.00100000", "maxQty": "9000", "stepSize": "0.00100000"}


def payload(*filters, **entry):
    return {"symbols": [{"symbol": "BTCUSDT", "baseAsset": "BTC", "quoteAsset": "USDT", "filters": filters, **entry}]}


def parse(*filters, **entry):
    return from_exchange_info(payload(*filters, **entry), "BTCUSDT", maker_fee=FEE, taker_fee=FEE)


def recording(real_data, day):
    path = real_data / "protocol" / "binance-spot" / "recorded" / f"exchangeInfo-{day}.txt.gz"
    lines = gzip.decompress(path.read_bytes()).decode().splitlines()
    return json.loads(next(line for line in lines if "exchangeInfo ->" in line).split(": ", 1)[1])


@pytest.mark.real_data
@pytest.mark.parametrize(("day", "count"), [("20211012", 1695), ("20230410", 2183)])
def test_every_recorded_symbol_becomes_its_own_rules(real_data, day, count):
    info = recording(real_data, day)
    assert len(info["symbols"]) == count
    for number, entry in enumerate(info["symbols"]):
        # One-symbol payloads keep the lookup from being quadratic.
        one = from_exchange_info({"symbols": [entry]}, entry["symbol"], maker_fee=FEE, taker_fee=FEE)
        rules = {rule["filterType"]: rule for rule in entry["filters"]}
        assert one.tick == Decimal(rules["PRICE_FILTER"]["tickSize"])
        assert one.lot == Decimal(rules["LOT_SIZE"]["stepSize"])
        assert one.min_notional == Decimal(rules["MIN_NOTIONAL"]["minNotional"])
        largest = [Decimal(rules[name]["maxQty"]) for name in ("LOT_SIZE", "MARKET_LOT_SIZE") if name in rules]
        assert min(largest) - one.lot < one.max_quantity <= min(largest)
        assert (one.base, one.quote, one.kind) == (entry["baseAsset"], entry["quoteAsset"], "spot"), number


def test_both_notional_filters_and_both_names_of_the_minimum():
    notional = {"filterType": "NOTIONAL", "minNotional": "10.00", "maxNotional": "10000.00", "avgPriceMins": 5}
    assert (parse(PRICE, LOT, notional).min_notional, parse(PRICE, LOT, notional).max_notional) == (10, 10000)
    assert parse(PRICE, LOT, {"filterType": "MIN_NOTIONAL", "minNotional": "5"}).min_notional == 5
    assert parse(PRICE, LOT, {"filterType": "MIN_NOTIONAL", "notional": "100"}).min_notional == 100
    assert parse(PRICE, LOT).min_notional == 0


def test_usd_m_perpetuals_are_linear_and_nothing_else_is_traded():
    perpetual = {"contractType": "PERPETUAL", "marginAsset": "USDT"}
    assert parse(PRICE, LOT, **perpetual).kind == "perpetual"
    with pytest.raises(InstrumentError, match="BTCUSDT: contract type 'CURRENT_QUARTER'"):
        parse(PRICE, LOT, contractType="CURRENT_QUARTER")
    with pytest.raises(InstrumentError, match="margin in BTC is an inverse contract"):
        parse(PRICE, LOT, contractType="PERPETUAL", marginAsset="BTC")


def test_market_orders_narrow_the_quantities():
    market = {"filterType": "MARKET_LOT_SIZE", "minQty": "0.0025", "maxQty": "93.99949", "stepSize": "0.00000000"}
    one = parse(PRICE, LOT, market)
    assert (one.min_quantity, one.max_quantity) == (Decimal("0.003"), Decimal("93.999"))
    switched_off = {**market, "minQty": "0", "maxQty": "0.00000000"}
    assert parse(PRICE, LOT, switched_off).max_quantity == 9000
    with pytest.raises(InstrumentError, match="MARKET_LOT_SIZE step"):
        parse(PRICE, LOT, {**market, "stepSize": "0.0007"})


def test_our_limits_are_taken_where_lower():
    one = from_exchange_info(
        payload(PRICE, LOT, {"filterType": "NOTIONAL", "minNotional": "1", "maxNotional": "9000000"}),
        "BTCUSDT",
        maker_fee=FEE,
        taker_fee=FEE,
        max_quantity=Decimal("1.23456"),
        max_notional=Decimal(50_000),
    )
    assert (one.max_quantity, one.max_notional) == (Decimal("1.234"), 50_000)


def test_a_venue_maximum_beyond_int64_leaves_our_own_limit():
    one = parse(PRICE, LOT, {"filterType": "NOTIONAL", "minNotional": "1", "maxNotional": "99999999999999"})
    assert (one.max_notional, one.notional_limit) == (None, NOTIONAL_LIMIT)


@pytest.mark.parametrize(
    ("filters", "message"),
    [
        ((LOT,), "BTCUSDT: no PRICE_FILTER filter"),
        ((PRICE,), "BTCUSDT: no LOT_SIZE filter"),
        (({**PRICE, "tickSize": "0.00"}, LOT), "PRICE_FILTER tickSize is zero"),
        (({**PRICE, "minPrice": "0.015"}, LOT), "minPrice is off the grid"),
        (({**PRICE, "tickSize": "tiny"}, LOT), "PRICE_FILTER has no number tickSize: 'tiny'"),
        (({**PRICE, "tickSize": "-0.01"}, LOT), "PRICE_FILTER tickSize is -0.01"),
        ((PRICE, {"filterType": "LOT_SIZE", "minQty": "0", "maxQty": "1"}), "LOT_SIZE has no number stepSize: None"),
    ],
)
def test_missing_or_senseless_filters_are_refused_by_symbol(filters, message):
    with pytest.raises(InstrumentError, match=message):
        parse(*filters)


def test_an_absent_symbol_is_named():
    with pytest.raises(InstrumentError, match="DOGEBTC: not in this exchangeInfo of 1 symbols"):
        from_exchange_info(payload(PRICE, LOT), "DOGEBTC", maker_fee=FEE, taker_fee=FEE)
