"""What a trader may decide: limits, sizing, the decision rule, and the model of the exchange.

Money is text with an exact decimal number in the ledger asset (``"10000"``); ratios are fractions of one.
"""

from __future__ import annotations

from decimal import Decimal, InvalidOperation
from fractions import Fraction

import msgspec

from market.events import MONEY, RATIO


def money_units(text: str, name: str) -> int:
    """An amount of the ledger asset in ledger units (1e-8).

    Raises
    ------
    ValueError
        If it is not a finite decimal number of at most eight places, or is negative or above a billion.

    Examples
    --------
    >>> money_units("10000.5", "capital")
    1000050000000
    """
    try:
        units = Fraction(Decimal(text)) * MONEY
    except (InvalidOperation, ValueError, OverflowError):
        raise ValueError(f'{name} is {text!r}; it must be a decimal number, such as "10000"') from None
    if units.denominator != 1 or not 0 <= units <= 10**9 * MONEY:
        raise ValueError(f"{name} is {text}; it must lie between 0 and 1000000000, with at most eight decimal places")
    return int(units)


def ratio_units(value: float) -> int:
    """A fraction in units of 1e-9, rounded to the nearest.

    Examples
    --------
    >>> ratio_units(0.001)
    1000000
    """
    return round(value * RATIO)


def _between(owner: object, least: float, most: float, *names: str) -> None:
    for name in names:
        value = getattr(owner, name)
        if not least <= value <= most:
            raise ValueError(f"{name} is {value}; it must lie between {least:g} and {most:g}")


class RiskConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Pre-trade limits; an entry beyond one is denied with the value and the limit, and counted.

    ``order_notional`` and ``position_notional`` (money, per instrument) and ``gross_notional`` (money, all instruments)
    are absolute; ``leverage`` bounds the gross notional by equity. ``orders_per_minute`` counts submissions by event
    time. ``drawdown`` below the equity's peak switches to REDUCING: positions run off under their stops, none is
    opened.
    """

    order_notional: str = "100000"
    position_notional: str = "100000"
    gross_notional: str = "500000"
    leverage: float = 1.0
    orders_per_minute: int = 120
    drawdown: float = 0.25

    def __post_init__(self) -> None:
        for name in ("order_notional", "position_notional", "gross_notional"):
            money_units(getattr(self, name), name)
        _between(self, 0.01, 100, "leverage")
        _between(self, 1, 100_000, "orders_per_minute")
        _between(self, 0.001, 1, "drawdown")


class SizingConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Position size: volatility target times bet size.

    The notional is ``equity * volatility_target / annual volatility * min(1, (2p - 1) / full_bet)``, at most
    ``max_weight`` of equity: one instrument's volatility at a full bet is ``volatility_target`` a year.
    """

    volatility_target: float = 0.2
    full_bet: float = 0.2
    max_weight: float = 0.2

    def __post_init__(self) -> None:
        _between(self, 0.001, 10, "volatility_target")
        _between(self, 0.001, 1, "full_bet")
        _between(self, 0.001, 100, "max_weight")


class DecisionConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """When to trade: the expected gain must exceed the round trip's costs by ``margin`` (a log return).

    ``slippage`` is the assumed slippage of one side, half the spread included, as a fraction of the price.
    """

    margin: float = 0.0
    slippage: float = 0.0003

    def __post_init__(self) -> None:
        _between(self, -1, 1, "margin")
        _between(self, 0, 0.1, "slippage")


class TradingConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What the core is told: capital (money), limits, sizing, decision."""

    capital: str = "10000"
    risk: RiskConfig = RiskConfig()
    sizing: SizingConfig = SizingConfig()
    decision: DecisionConfig = DecisionConfig()

    def __post_init__(self) -> None:
        if money_units(self.capital, "capital") == 0:
            raise ValueError("capital is 0; there is nothing to trade with")


class ExchangeConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The simulated exchange's model (see `trading.exchange`).

    ``latency_ms`` from decision to the venue, ``half_spread`` and ``impact`` fractions of the price (impact at the
    whole bar's volume, growing with the root of the share), ``participation`` the largest share of a bar's volume
    that all its orders take together, ``fees`` whether the instruments' fees are charged, ``fee_factor`` times what.
    """

    latency_ms: float = 50.0
    half_spread: float = 0.0001
    impact: float = 0.01
    participation: float = 0.1
    fees: bool = True
    fee_factor: float = 1.0

    def __post_init__(self) -> None:
        _between(self, 0, 60_000, "latency_ms")
        _between(self, 0, 100, "fee_factor")
        _between(self, 0, 0.1, "half_spread")
        _between(self, 0, 1, "impact")
        _between(self, 0.0001, 1, "participation")

    def free(self) -> ExchangeConfig:
        """The same exchange without costs: no fee, spread, latency or impact; volume still limits fills."""
        return ExchangeConfig(0.0, 0.0, 0.0, self.participation, False)
