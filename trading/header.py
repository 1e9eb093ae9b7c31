"""What a journal's header says about a session: everything its state is computed from, besides the events."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from market.instruments import Instrument
from trading.config import ExchangeConfig, TradingConfig, money_units
from trading.errors import JournalError
from trading.exchange import ExchangeState, new_exchange
from trading.layout import CoreState, new_core


class SessionHeader(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A session: its name, the model it follows, its instruments in order, what it was told, and its bars.

    ``interval`` in ns (0: bars that follow no clock), ``horizon`` in bars; ``instruments`` as `Instrument.to_dict`. It
    is fed the ``source``'s bars that end behind ``start`` (ns).
    """

    name: str
    bundle: str
    instruments: tuple[dict[str, Any], ...]
    trading: TradingConfig
    exchange: ExchangeConfig
    interval: int
    horizon: int
    source: str = ""
    start: int = 0

    @classmethod
    def of(
        cls,
        name: str,
        bundle: str,
        instruments: Sequence[Instrument],
        trading: TradingConfig,
        exchange: ExchangeConfig,
        interval: int,
        horizon: int,
        source: str = "",
        start: int = 0,
    ) -> SessionHeader:
        """The header of a session over some instruments."""
        rules = tuple(one.to_dict() for one in instruments)
        return cls(name, bundle, rules, trading, exchange, interval, horizon, source, start)

    @classmethod
    def read(cls, header: Mapping[str, Any]) -> SessionHeader:
        """From a journal's header.

        Raises
        ------
        JournalError
            If it is not the header of a trading session.
        """
        values = {name: header[name] for name in cls.__struct_fields__ if name in header}
        try:
            return msgspec.convert(values, cls)
        except msgspec.ValidationError as error:
            raise JournalError(f"the journal's header is not that of a trading session: {error}") from error

    def fields(self) -> dict[str, Any]:
        """As plain JSON values."""
        return dict(msgspec.to_builtins(self))

    def core(self) -> CoreState:
        """The trader before its first event."""
        rules = [Instrument.from_dict(one) for one in self.instruments]
        return new_core(rules, self.trading, self.interval, self.horizon)

    def venue(self) -> ExchangeState:
        """The simulated exchange before its first event."""
        rules = [Instrument.from_dict(one) for one in self.instruments]
        return new_exchange(rules, self.exchange, self.interval, money_units(self.trading.capital, "capital"))
