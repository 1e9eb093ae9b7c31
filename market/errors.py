"""The errors of the market room. Each message names the offending thing, the limit, and what to do."""

from __future__ import annotations


class MarketError(ValueError):
    """Base of every error the market room raises on purpose."""


class InstrumentError(MarketError):
    """An instrument's rules are inconsistent, or could overflow the exact arithmetic."""


class SourceError(MarketError):
    """A file or message cannot be read as market data."""


class DownloadError(MarketError):
    """Data could not be fetched, or what arrived is not what was published; nothing was stored."""


class QualityError(MarketError):
    """Data was read but fails a quality gate; nothing was stored."""


class UniverseError(MarketError):
    """A table of listings contradicts itself, or does not know a symbol at a time."""


class TradeError(MarketError):
    """Trades or prices cannot follow those before them, or are impossible; none was taken in."""


class SnapshotError(MarketError):
    """A snapshot is damaged, or belongs to something else; the state is as before."""


class LakeError(MarketError):
    """The lake has no such series, or its files disagree with its index."""


class RecorderError(MarketError):
    """A stream cannot be recorded as asked."""
