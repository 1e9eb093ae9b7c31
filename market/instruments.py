"""Instruments: what a venue lets you trade, in exact numbers.

A price is a whole number of *ticks*, a quantity a whole number of *lots*; money is a whole number of ledger
units, 1e-8 of the quote asset (`market.events.MONEY`). The three meet in one rational number::

    notional in ledger units = ticks * lots * (tick * lot * contract_multiplier / 1e-8)

`Instrument.notional_ratio` gives the bracket as a reduced (numerator, denominator); the core multiplies in
two limbs (128 bits), divides once, and rounds by the rule of the thing it books.

Compiled int64 arithmetic wraps silently, so every instrument is checked when it is made, against these limits:

- `TICK_LIMIT`, `LOT_LIMIT` = 2**51: up to there a double that holds an on-grid decimal converts back to exactly
  its own tick (three roundings of at most half a unit in the last place move it by less than half a tick);
- `NOTIONAL_LIMIT` = 2**61 ledger units (23 billion of the quote asset): the sum of three fits in int64;
- `PRODUCT_LIMIT` = 2**126: ticks times lots times the ratio's numerator fits in two signed limbs, rounding included.

A venue's own maximum price times its maximum quantity often exceeds `NOTIONAL_LIMIT`; nobody trades that. What
binds is `Instrument.notional_limit`: the core refuses an order above it while the product is still 128 bits wide.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from decimal import Context, Decimal, Inexact, InvalidOperation
from fractions import Fraction
from functools import cache
from typing import Any, Final, Literal, cast

import numpy as np
from numpy.typing import NDArray

from market.errors import InstrumentError
from market.events import MONEY

TICK_LIMIT: Final = 2**51
LOT_LIMIT: Final = 2**51
NOTIONAL_LIMIT: Final = 2**61
PRODUCT_LIMIT: Final = 2**126
KINDS: Final = ("spot", "perpetual")
EXACT: Final = Context(prec=80, traps=[Inexact, InvalidOperation])

InstrumentKind = Literal["spot", "perpetual"]


@dataclass(frozen=True, slots=True)
class Instrument:
    """One tradable thing and its rules. Money is counted in the quote asset.

    Attributes
    ----------
    symbol, venue, base, quote
        Names; the position is in ``base``, the money in ``quote``.
    kind
        ``"spot"`` (long or flat) or ``"perpetual"`` (linear: profit in ``quote``; may be short).
    tick, lot
        The steps of price (quote per base) and quantity (base, or contracts).
    min_quantity, max_quantity
        Of one order; both whole numbers of lots.
    min_notional, max_notional
        Of one order, in quote; ``max_notional`` None means that only `NOTIONAL_LIMIT` binds.
    maker_fee, taker_fee
        Fractions of the notional; a maker fee may be negative (a rebate).
    contract_multiplier
        Base units in one unit of quantity.

    Raises
    ------
    InstrumentError
        If the rules contradict each other, or could overflow the exact arithmetic.

    Examples
    --------
    >>> one = Decimal(1)
    >>> btc = Instrument("BTCUSDT", "binance", "spot", "BTC", "USDT", tick=Decimal("0.01"), lot=Decimal("0.00001"),
    ...     min_quantity=Decimal("0.00001"), max_quantity=Decimal(9000), min_notional=Decimal(5),
    ...     maker_fee=Decimal("0.001"), taker_fee=Decimal("0.001"))
    >>> btc.price_to_ticks("93738.19"), btc.quantity_to_lots(Decimal("0.5"))
    (9373819, 50000)
    >>> btc.notional_ratio
    (10, 1)
    >>> btc.ticks_to_price(9373819)
    Decimal('93738.19')
    """

    symbol: str
    venue: str
    kind: InstrumentKind
    base: str
    quote: str
    tick: Decimal
    lot: Decimal
    min_quantity: Decimal
    max_quantity: Decimal
    min_notional: Decimal
    maker_fee: Decimal
    taker_fee: Decimal
    max_notional: Decimal | None = None
    contract_multiplier: Decimal = Decimal(1)

    def __post_init__(self) -> None:
        self._check_names()
        self._check_numbers()
        self._check_limits()

    @property
    def notional_ratio(self) -> tuple[int, int]:
        """Ledger units of one tick times one lot, as a reduced (numerator, denominator)."""
        ratio = Fraction(self.tick) * Fraction(self.lot) * Fraction(self.contract_multiplier) * MONEY
        return ratio.numerator, ratio.denominator

    @property
    def min_lots(self) -> int:
        """The smallest order, in lots."""
        return self.quantity_to_lots(self.min_quantity)

    @property
    def max_lots(self) -> int:
        """The largest order, in lots."""
        return self.quantity_to_lots(self.max_quantity)

    @property
    def min_notional_units(self) -> int:
        """The smallest order's notional in ledger units, rounded up."""
        return -int(Fraction(self.min_notional) * -MONEY // 1)

    @property
    def notional_limit(self) -> int:
        """The largest order's notional in ledger units: ours or the venue's, at most `NOTIONAL_LIMIT`."""
        return NOTIONAL_LIMIT if self.max_notional is None else int(Fraction(self.max_notional) * MONEY // 1)

    def price_to_ticks(self, price: Decimal | str | int) -> int:
        """A price as a whole number of ticks, exactly.

        Raises
        ------
        InstrumentError
            If the price lies off the tick or beyond `TICK_LIMIT`. Floats are refused: `nearest_ticks` rounds them.
        """
        return self._count(price, self.tick, "price", "tick", TICK_LIMIT)

    def quantity_to_lots(self, quantity: Decimal | str | int) -> int:
        """A quantity as a whole number of lots, exactly; errors as `price_to_ticks`."""
        return self._count(quantity, self.lot, "quantity", "lot", LOT_LIMIT)

    def ticks_to_price(self, ticks: int) -> Decimal:
        """The exact price of a number of ticks."""
        return EXACT.multiply(Decimal(int(ticks)), self.tick)

    def lots_to_quantity(self, lots: int) -> Decimal:
        """The exact quantity of a number of lots."""
        return EXACT.multiply(Decimal(int(lots)), self.lot)

    def nearest_ticks(self, prices: NDArray[np.float64]) -> NDArray[np.int64]:
        """Float prices (any shape) as the nearest ticks.

        A double that is the closest one to an on-tick price gives exactly that tick. A price half-way between
        two ticks goes to one of them, always the same (which one depends on how its double was rounded).

        Raises
        ------
        InstrumentError
            If a price is not finite or is beyond `TICK_LIMIT`.
        """
        return self._nearest(prices, self.tick, "price", TICK_LIMIT)

    def nearest_lots(self, quantities: NDArray[np.float64]) -> NDArray[np.int64]:
        """Float quantities (any shape) as the nearest lots; as `nearest_ticks`."""
        return self._nearest(quantities, self.lot, "quantity", LOT_LIMIT)

    def to_dict(self) -> dict[str, str | None]:
        """Every field as text; `from_dict` gives the equal instrument back."""
        values = {field.name: getattr(self, field.name) for field in fields(self)}
        return {name: None if value is None else str(value) for name, value in values.items()}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Instrument:
        """An instrument from names and decimal text, as in a configuration or a bundle.

        Raises
        ------
        InstrumentError
            If a name is unknown, one is missing, or a number is not one.
        """
        symbol = values.get("symbol", "(no symbol)")
        unknown = sorted(set(values) - {field.name for field in fields(cls)})
        if unknown:
            raise InstrumentError(f"instrument {symbol}: unknown fields {unknown}")
        missing = sorted({field.name for field in fields(cls)} - OPTIONAL - set(values))
        if missing:
            raise InstrumentError(f"instrument {symbol}: fields {missing} are missing")
        return cls(**{name: _parse(name, value, symbol) for name, value in values.items()})

    def _check_names(self) -> None:
        for name in ("symbol", "venue", "base", "quote"):
            if not isinstance(getattr(self, name), str) or not getattr(self, name):
                raise InstrumentError(f"instrument {self.symbol!r}: {name} must be a name, not {getattr(self, name)!r}")
        if self.kind not in KINDS:
            raise InstrumentError(f"{self.symbol}: kind is {self.kind!r}; only {' and '.join(KINDS)} are traded")

    def _check_numbers(self) -> None:
        for name in DECIMALS:
            value = getattr(self, name)
            if value is None and name in OPTIONAL:
                continue
            if not isinstance(value, Decimal) or not value.is_finite():
                raise InstrumentError(f"{self.symbol}: {name} must be a finite Decimal, not {value!r}")
        for name in ("tick", "lot", "min_quantity", "max_quantity", "contract_multiplier"):
            if getattr(self, name) <= 0:
                raise InstrumentError(f"{self.symbol}: {name} is {getattr(self, name)}; it must be above zero")
        for name in ("maker_fee", "taker_fee"):
            if abs(getattr(self, name)) >= 1:
                raise InstrumentError(
                    f"{self.symbol}: {name} is {getattr(self, name)}; it is a fraction, such as 0.001"
                )
        self._check_order("min_quantity", self.min_quantity, "max_quantity", self.max_quantity)
        self._check_order("zero", Decimal(0), "min_notional", self.min_notional)
        if self.max_notional is not None:
            self._check_order("min_notional", self.min_notional, "max_notional", self.max_notional)

    def _check_order(self, small_name: str, small: Decimal, large_name: str, large: Decimal) -> None:
        if small > large:
            raise InstrumentError(f"{self.symbol}: {large_name} {large} is below {small_name} {small}")

    def _check_limits(self) -> None:
        largest, smallest = self.max_lots, self.min_lots
        numerator, denominator = self.notional_ratio
        if denominator > 2**62 or largest * TICK_LIMIT * numerator > PRODUCT_LIMIT:
            raise InstrumentError(
                f"{self.symbol}: {largest} lots at {TICK_LIMIT} ticks, times the ratio {numerator}/{denominator},"
                " exceed 128-bit intermediates (2**126; denominator 2**62): lower max_quantity"
            )
        for name, units in (("min_notional", self.min_notional_units), ("max_notional", self.notional_limit)):
            if units > NOTIONAL_LIMIT:
                raise InstrumentError(
                    f"{self.symbol}: {name} is {units} ledger units of 1e-8, above the limit {NOTIONAL_LIMIT}: lower it"
                )
        if smallest * numerator > self.notional_limit * denominator:
            raise InstrumentError(
                f"{self.symbol}: the smallest order, {smallest} lots at one tick, is worth more than the limit of"
                f" {self.notional_limit} ledger units"
            )

    def _count(self, value: Decimal | str | int, step: Decimal, name: str, unit: str, limit: int) -> int:
        if isinstance(value, float):
            raise InstrumentError(f"{self.symbol}: {name} {value!r} is a float; give a Decimal, text or a whole number")
        try:
            exact = Decimal(value)
            count = Fraction(exact) / Fraction(step)
        except (InvalidOperation, ValueError, OverflowError):
            raise InstrumentError(f"{self.symbol}: {name} {value!r} is not a finite decimal number") from None
        if count.denominator != 1:
            raise InstrumentError(f"{self.symbol}: {name} {exact} is not a whole number of the {unit} {step}")
        if abs(count.numerator) > limit:
            raise InstrumentError(
                f"{self.symbol}: {name} {exact} is {count} {unit}s of {step}, above the limit {limit}"
            )
        return count.numerator

    def _nearest(self, values: NDArray[np.float64], step: Decimal, name: str, limit: int) -> NDArray[np.int64]:
        numerator, denominator = _as_floats(step)
        counts = np.rint(np.asarray(values, np.float64) * denominator / numerator)
        bad = ~(np.abs(counts) <= limit)
        if bad.any():
            worst = np.asarray(values, np.float64)[bad].flat[0]
            raise InstrumentError(
                f"{self.symbol}: {name} {worst} is not a finite number within {limit} steps of {step}"
            )
        return cast(NDArray[np.int64], counts.astype(np.int64))


DECIMALS: Final = tuple(
    field.name for field in fields(Instrument) if field.name not in ("symbol", "venue", "kind", "base", "quote")
)
OPTIONAL: Final = frozenset({"max_notional", "contract_multiplier"})


@cache
def _as_floats(step: Decimal) -> tuple[float, float]:
    """A step's numerator and denominator; dividing by 100 instead of multiplying by 0.01 saves a rounding."""
    ratio = Fraction(step)
    return float(ratio.numerator), float(ratio.denominator)


def _parse(name: str, value: Any, symbol: str) -> Any:
    if name not in DECIMALS or value is None:
        return value
    if isinstance(value, float):
        raise InstrumentError(f"instrument {symbol}: {name} {value!r} is a float; write it as text, such as '0.01'")
    try:
        return Decimal(value)
    except (InvalidOperation, ValueError, TypeError):
        raise InstrumentError(f"instrument {symbol}: {name} {value!r} is not a decimal number") from None
