"""The core's memory: fixed-width records, so that a state is bytes and can be compared, hashed and replayed.

Prices are ticks, quantities lots, money ledger units (1e-8), ratios 1e-9, times nanoseconds UTC.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from market.instruments import TICK_LIMIT, Instrument
from market.time import DAY, YEAR
from trading.config import TradingConfig, money_units, ratio_units
from trading.errors import LimitError
from trading.exact import LIMIT

HALTED: Final = 0
ACTIVE: Final = 1
REDUCING: Final = 2
"""Trading states: no order but protection; everything; exits only."""

FREE: Final = 0
SENT: Final = 1
WORKING: Final = 2
CANCELLING: Final = 3
"""An order slot's status."""

MARKET: Final = 1
LIMIT_ORDER: Final = 2
STOP_MARKET: Final = 3
"""Order types."""

IOC: Final = 1
GTC: Final = 2
"""Time in force: what is not filled at once is cancelled; good till cancelled."""

ENTRY: Final = 1
STOP: Final = 2
TARGET: Final = 3
EXIT: Final = 4
"""What an order is for."""

DENY_ORDER_NOTIONAL: Final = 1
DENY_POSITION_NOTIONAL: Final = 2
DENY_GROSS_NOTIONAL: Final = 3
DENY_RATE: Final = 4
DENY_QUANTITY: Final = 5
DENY_MIN_NOTIONAL: Final = 6
DENY_CASH: Final = 7
DENY_OVERFLOW: Final = 8
DENY_SLOTS: Final = 9
REASONS: Final = {
    DENY_ORDER_NOTIONAL: "order notional above the limit",
    DENY_POSITION_NOTIONAL: "position notional above the limit",
    DENY_GROSS_NOTIONAL: "gross notional above the limit",
    DENY_RATE: "too many orders within a minute",
    DENY_QUANTITY: "quantity outside the instrument's limits",
    DENY_MIN_NOTIONAL: "notional below the instrument's minimum",
    DENY_CASH: "not enough cash",
    DENY_OVERFLOW: "notional beyond exact arithmetic",
    DENY_SLOTS: "no free order slot",
}

BECAUSE_OPERATOR: Final = 1
BECAUSE_DRAWDOWN: Final = 2
BECAUSE_UNKNOWN_ORDER: Final = 3
BECAUSE_OVERFILL: Final = 4
BECAUSE_UNPROTECTED: Final = 5
BECAUSE_OLD_FILL: Final = 6
BECAUSE_OVERFLOW: Final = 7
STATE_REASONS: Final = {
    BECAUSE_OPERATOR: "an operator asked",
    BECAUSE_DRAWDOWN: "drawdown beyond the limit",
    BECAUSE_UNKNOWN_ORDER: "a fill of an order we never sent",
    BECAUSE_OVERFILL: "a fill beyond the order's quantity",
    BECAUSE_UNPROTECTED: "a position without room for its stop",
    BECAUSE_OLD_FILL: "a fill too old to be told from one already booked",
    BECAUSE_OVERFLOW: "money beyond exact arithmetic",
}

SLOTS: Final = 16
"""Order slots per instrument: the last free one is for an EXIT only, the one before for no TARGET."""

TRADES: Final = 16
"""Trade ids that are remembered per instrument: the highest of those booked."""

SECONDS: Final = 61
"""Buckets of one second in which sent orders are counted: any minute lies within them."""

CORE = np.dtype(
    [
        (name, "<i8")
        for name in (
            "trading_state seq next_client_id cash equity peak fees gross capital bars signals ignored entries orders "
            "fills denials duplicates violations sent_second sent_recently last_time leverage drawdown gross_limit "
            "order_limit position_limit orders_per_minute horizon horizon_bars"
        ).split()
    ]
    + [(name, "<f8") for name in "margin slippage volatility_target full_bet max_weight bars_per_year".split()]
    + [("sent", "<i8", (SECONDS,))]
)
"""The trader: what it has, what it counted, and what it was told.

``horizon``: until the vertical barrier, ns; 0 where bars follow no clock: ``horizon_bars`` are counted there.
``sent``: the orders sent in each of the `SECONDS` seconds up to ``sent_second``, at the second modulo `SECONDS`;
``sent_recently``: their sum.
"""

BOOK = np.dtype(
    [
        (name, "<i8")
        for name in (
            "numerator denominator min_lots max_lots min_notional max_notional tick_limit taker_fee spot "
            "position value mark mark_time reserved entry_time entry_bars barrier working trades_known"
        ).split()
    ]
    + [("trades", "<i8", (TRADES,))]
)
"""One instrument: its rules, our position (signed lots) and its value at the mark, and what is on its way.

``entry_bars``: bars since the entry, that of the entry included. ``trades``: the `TRADES` highest trade ids booked, in
no order; the first ``trades_known`` places are taken.
"""

ORDER = np.dtype(
    [
        (name, "<i8")
        for name in "client_id status side type price trigger quantity filled purpose cause venue_id reserve".split()
    ]
)
"""One order slot."""


@dataclass(frozen=True, slots=True, eq=False)
class CoreState:
    """The core's memory: ``core`` (1,), ``books`` (n,), ``orders`` (n * SLOTS,)."""

    core: NDArray[np.void]
    books: NDArray[np.void]
    orders: NDArray[np.void]

    def to_bytes(self) -> bytes:
        """The whole state as bytes."""
        return self.core.tobytes() + self.books.tobytes() + self.orders.tobytes()

    def digest(self) -> int:
        """The first 63 bits of the state's SHA-256."""
        return int.from_bytes(hashlib.sha256(self.to_bytes()).digest()[:8], "big") >> 1


def new_core(instruments: Sequence[Instrument], config: TradingConfig, interval: int, horizon: int) -> CoreState:
    """A trader's memory before its first event: HALTED, flat, with its capital in cash.

    Parameters
    ----------
    instruments
        In the order of their numbers on the tape.
    interval
        Length of a bar, ns: turns volatility per bar into volatility per year. 0 where bars follow no clock: signals
        have volatility per day there.
    horizon
        Bars after which a position is closed at the vertical barrier: those that fit in the time, missing ones
        included, or those that there were, where bars follow no clock.

    Raises
    ------
    LimitError
        If an instrument's prices times its notional ratio could overflow.
    """
    core, books = np.zeros(1, CORE), np.zeros(len(instruments), BOOK)
    orders = np.zeros(len(instruments) * SLOTS, ORDER)
    risk, sizing, decision = config.risk, config.sizing, config.decision
    capital = money_units(config.capital, "capital")
    values: dict[str, int | float] = {
        "trading_state": HALTED,
        "next_client_id": 1,
        "cash": capital,
        "equity": capital,
        "peak": capital,
        "capital": capital,
        "leverage": ratio_units(risk.leverage),
        "drawdown": ratio_units(risk.drawdown),
        "gross_limit": money_units(risk.gross_notional, "gross_notional"),
        "order_limit": money_units(risk.order_notional, "order_notional"),
        "position_limit": money_units(risk.position_notional, "position_notional"),
        "orders_per_minute": risk.orders_per_minute,
        "horizon": horizon * interval,
        "horizon_bars": horizon,
        "margin": decision.margin,
        "slippage": decision.slippage,
        "volatility_target": sizing.volatility_target,
        "full_bet": sizing.full_bet,
        "max_weight": sizing.max_weight,
        "bars_per_year": YEAR / (interval or DAY),
    }
    for name, value in values.items():
        core[name] = value
    for number, one in enumerate(instruments):
        books[number] = _book(one)
    return CoreState(core, books, orders)


def tick_limit(one: Instrument) -> int:
    """The highest price in ticks that stays exact once multiplied by the notional ratio's numerator.

    Raises
    ------
    LimitError
        If not even two ticks do.
    """
    numerator, _ = one.notional_ratio
    limit = min(TICK_LIMIT, (LIMIT - 1) // numerator)
    if limit < 2:
        raise LimitError(f"{one.symbol}: one tick times its notional ratio {numerator} exceeds {LIMIT}: use finer lots")
    return limit


def _book(one: Instrument) -> NDArray[np.void]:
    numerator, denominator = one.notional_ratio
    record = np.zeros(1, BOOK)
    record["numerator"], record["denominator"] = numerator, denominator
    record["min_lots"], record["max_lots"] = one.min_lots, one.max_lots
    record["min_notional"], record["max_notional"] = one.min_notional_units, one.notional_limit
    record["tick_limit"], record["taker_fee"] = tick_limit(one), ratio_units(float(one.taker_fee))
    record["spot"] = one.kind == "spot"
    return record[0]  # type: ignore[no-any-return]
