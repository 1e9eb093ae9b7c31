"""Instruments from Binance's ``exchangeInfo``, spot or USD-M futures.

Filters read: ``PRICE_FILTER`` (tick), ``LOT_SIZE`` and ``MARKET_LOT_SIZE`` (quantities), ``NOTIONAL`` and
``MIN_NOTIONAL``. One instrument serves limit and market orders, so the narrower of both quantity rules holds.
A zero step or maximum means that the venue has switched that rule off. Bounds that lie off the grid are moved
inwards. Source: Binance API documentation, "Filters".
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal, InvalidOperation
from fractions import Fraction
from typing import Any

from market.errors import InstrumentError
from market.events import MONEY
from market.instruments import EXACT, NOTIONAL_LIMIT, Instrument, InstrumentKind

Filters = Mapping[str, Mapping[str, Any]]
ZERO = Decimal(0)


def from_exchange_info(
    payload: Mapping[str, Any],
    symbol: str,
    *,
    maker_fee: Decimal,
    taker_fee: Decimal,
    venue: str = "binance",
    max_quantity: Decimal | None = None,
    max_notional: Decimal | None = None,
) -> Instrument:
    """One instrument of an ``exchangeInfo`` response.

    Parameters
    ----------
    payload
        The decoded response.
    symbol
        Such as ``BTCUSDT``.
    maker_fee, taker_fee
        Fractions; the response does not hold them.
    max_quantity, max_notional
        Our own limits, where lower than the venue's.

    Raises
    ------
    InstrumentError
        If the symbol is absent, is not a spot pair or a linear perpetual, has no tick or lot, or fails the
        limits of `Instrument`; the message names the symbol and the reason.
    """
    entry = _entry(payload, symbol)
    filters: Filters = {rule["filterType"]: rule for rule in entry.get("filters", ())}
    tick = _tick(filters, symbol)
    lot, smallest, largest = _quantities(filters, symbol)
    low, high = _notionals(filters, symbol)
    if high is not None and high * MONEY > NOTIONAL_LIMIT:
        high = None  # beyond what int64 holds: our own limit binds instead
    return Instrument(
        symbol=symbol,
        venue=venue,
        kind=_kind(entry, symbol),
        base=entry["baseAsset"],
        quote=entry["quoteAsset"],
        tick=tick,
        lot=lot,
        min_quantity=smallest,
        max_quantity=_tighter(largest, _down(max_quantity, lot)),
        min_notional=low,
        maker_fee=maker_fee,
        taker_fee=taker_fee,
        max_notional=_tightest(high, max_notional),
    )


def _entry(payload: Mapping[str, Any], symbol: str) -> Mapping[str, Any]:
    for entry in payload.get("symbols", ()):
        if entry.get("symbol") == symbol:
            return entry  # type: ignore[no-any-return]
    raise InstrumentError(f"{symbol}: not in this exchangeInfo of {len(payload.get('symbols', ()))} symbols")


def _kind(entry: Mapping[str, Any], symbol: str) -> InstrumentKind:
    contract = entry.get("contractType")
    if contract is None:
        return "spot"
    if contract != "PERPETUAL":
        raise InstrumentError(f"{symbol}: contract type {contract!r} is not traded; only PERPETUAL is")
    if entry.get("marginAsset", entry["quoteAsset"]) != entry["quoteAsset"]:
        raise InstrumentError(
            f"{symbol}: margin in {entry['marginAsset']} is an inverse contract; only linear is traded"
        )
    return "perpetual"


def _number(rule: Mapping[str, Any], name: str, symbol: str) -> Decimal:
    try:
        value = Decimal(rule[name])
    except (KeyError, InvalidOperation, TypeError, ValueError):
        raise InstrumentError(f"{symbol}: {rule.get('filterType')} has no number {name}: {rule.get(name)!r}") from None
    if not value.is_finite() or value < 0:
        raise InstrumentError(f"{symbol}: {rule.get('filterType')} {name} is {value}")
    return value


def _step(filters: Filters, name: str, field: str, low: str, symbol: str) -> Decimal:
    if name not in filters:
        raise InstrumentError(f"{symbol}: no {name} filter, so its {field} is unknown")
    step = _number(filters[name], field, symbol)
    if step == 0:
        raise InstrumentError(f"{symbol}: {name} {field} is zero (the rule is off), so there is no grid to trade on")
    if EXACT.remainder(_number(filters[name], low, symbol), step) != 0:
        raise InstrumentError(f"{symbol}: {name} {low} is off the grid of {field} {step}; offset grids are not traded")
    return step.normalize(EXACT)


def _tick(filters: Filters, symbol: str) -> Decimal:
    return _step(filters, "PRICE_FILTER", "tickSize", "minPrice", symbol)


def _quantities(filters: Filters, symbol: str) -> tuple[Decimal, Decimal, Decimal]:
    lot = _step(filters, "LOT_SIZE", "stepSize", "minQty", symbol)
    smallest = max(_number(filters["LOT_SIZE"], "minQty", symbol), lot)
    largest = _number(filters["LOT_SIZE"], "maxQty", symbol)
    market = filters.get("MARKET_LOT_SIZE")
    if market is not None:
        step = _number(market, "stepSize", symbol)
        if step != 0 and EXACT.remainder(lot, step) != 0:
            raise InstrumentError(f"{symbol}: MARKET_LOT_SIZE step {step} does not divide the lot {lot}; not traded")
        smallest = max(smallest, _number(market, "minQty", symbol))
        largest = _tighter(largest, _number(market, "maxQty", symbol) or None)
    upward = -_floor(-smallest, lot)
    return lot, upward, _floor(largest, lot)


def _notionals(filters: Filters, symbol: str) -> tuple[Decimal, Decimal | None]:
    low, high = ZERO, None
    if "NOTIONAL" in filters:
        rule = filters["NOTIONAL"]
        low = _number(rule, "minNotional", symbol)
        high = _number(rule, "maxNotional", symbol) if "maxNotional" in rule else None
    if "MIN_NOTIONAL" in filters:
        rule = filters["MIN_NOTIONAL"]
        # Spot calls it minNotional, USD-M futures notional.
        low = max(low, _number(rule, "notional" if "notional" in rule else "minNotional", symbol))
    return low, high


def _floor(value: Decimal, step: Decimal) -> Decimal:
    return EXACT.multiply(Decimal(Fraction(value) // Fraction(step)), step)


def _down(value: Decimal | None, step: Decimal) -> Decimal | None:
    return None if value is None else _floor(value, step)


def _tighter(value: Decimal, other: Decimal | None) -> Decimal:
    return value if other is None else min(value, other)


def _tightest(value: Decimal | None, other: Decimal | None) -> Decimal | None:
    return other if value is None else _tighter(value, other)
