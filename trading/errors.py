"""The errors of the trading room."""

from __future__ import annotations


class TradingError(RuntimeError):
    """Base of every error the trading room raises on purpose."""


class LimitError(TradingError):
    """A configured limit and an instrument together could overflow the exact arithmetic."""


class TapeError(TradingError):
    """Events that cannot be traded on: out of order, or of an unknown instrument."""


class JournalError(TradingError):
    """A journal that cannot be opened, written, or believed."""


class ReplayError(TradingError):
    """A replay that did not decide what the journal says was decided."""
