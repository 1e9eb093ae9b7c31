"""What a strategy's closed round trips were, and the markets they were made in: enough to ask how far they carry."""

from __future__ import annotations

import msgspec

from pipelines.estimate import Estimate, Number


class Bets(msgspec.Struct, frozen=True):
    """Round trips, each measured by its profit after all costs as a fraction of its entry's value.

    ``hits`` of ``count`` earned something: ``gain`` on average, the others ``loss`` (zero or less). ``per_year`` is how
    many there were in a year. ``edge`` is the average of all, with the interval of a bootstrap that draws blocks of
    them. ``fraction`` of the capital that one was worth on average. ``volatility`` per day and ``daily_volume``, the
    value that all of the market trades in a day, are of the instruments that were traded, weighed by round trips;
    None where bars have no volume.
    """

    count: int
    hits: int
    gain: Number
    loss: Number
    per_year: Number
    edge: Estimate
    fraction: float
    volatility: Number = None
    daily_volume: Number = None
