"""The universe at a point in time: what was listed then, under which name, in which unit.

An *instrument* keeps its name for ever; a *listing* is a stretch of its life under one symbol and one contract
multiplier. A rename or a change of multiplier ends one listing and begins the next. Symbols are used again by other
instruments, so a symbol means something only together with a time.

Backtests that choose from today's list choose survivors. `Universe.as_of` gives what could be known at a time: nothing
that was listed later, and everything that was delisted later still in it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from itertools import pairwise
from typing import Final

from market.errors import UniverseError
from market.time import format_time

ALWAYS: Final = 2**63 - 1
"""A time that never comes, ns."""


@dataclass(frozen=True, slots=True, order=True)
class Listing:
    """A stretch of an instrument's life.

    Attributes
    ----------
    instrument
        Its lasting name, such as ``PEPEUSDT``.
    start, stop
        Traded in [start, stop), ns UTC; ``stop`` None means that no end is known.
    symbol
        What the venue called it.
    multiplier
        Coins in one unit of quantity: 1000 for ``1000PEPEUSDT``, whose price is that of a thousand coins.

    Raises
    ------
    UniverseError
        If it ends before it starts, or the multiplier is not above zero.
    """

    instrument: str
    start: int
    symbol: str
    stop: int | None = None
    multiplier: Decimal = Decimal(1)

    def __post_init__(self) -> None:
        if self.stop is not None and self.stop <= self.start:
            raise UniverseError(
                f"{self.symbol}: delisted {format_time(self.stop)}, not after it was listed {format_time(self.start)}"
            )
        if not (self.multiplier.is_finite() and self.multiplier > 0):
            raise UniverseError(f"{self.symbol}: multiplier is {self.multiplier}; it must be above zero")

    def holds(self, at: int) -> bool:
        """Whether it was traded at a time."""
        return self.start <= at and (self.stop is None or at < self.stop)


@dataclass(frozen=True, slots=True)
class Universe:
    """Listings, sorted by instrument and start.

    Raises
    ------
    UniverseError
        If two listings of an instrument overlap, or a symbol names two instruments at the same time.

    Examples
    --------
    >>> from market.time import parse_time
    >>> universe = Universe([
    ...     Listing("MATIC", parse_time("2019-04-26"), "MATICUSDT", parse_time("2024-09-10")),
    ...     Listing("MATIC", parse_time("2024-09-13"), "POLUSDT"),
    ...     Listing("LUNC", parse_time("2020-08-21"), "LUNAUSDT", parse_time("2022-05-13")),
    ... ])
    >>> universe.members(parse_time("2022-01-01")), universe.members(parse_time("2025-01-01"))
    (('LUNAUSDT', 'MATICUSDT'), ('POLUSDT',))
    >>> universe.renamed("MATICUSDT", parse_time("2022-01-01"), parse_time("2025-01-01"))
    'POLUSDT'
    >>> universe.as_of(parse_time("2022-01-01")).alive("LUNAUSDT", parse_time("2022-01-01"), parse_time("2025-01-01"))
    True
    """

    listings: tuple[Listing, ...]

    def __init__(self, listings: Iterable[Listing]) -> None:
        ordered = tuple(sorted(listings, key=lambda one: (one.instrument, one.start)))
        _refuse_overlaps(ordered, "instrument", lambda one: one.instrument)
        _refuse_overlaps(sorted(ordered, key=lambda one: (one.symbol, one.start)), "symbol", lambda one: one.symbol)
        object.__setattr__(self, "listings", ordered)

    @classmethod
    def of_symbols(cls, symbols: Iterable[str]) -> Universe:
        """Every symbol an instrument by itself, always: what is assumed where nothing is known.

        Examples
        --------
        >>> Universe.of_symbols(["BTCUSDT"]).members(0)
        ('BTCUSDT',)
        """
        return cls(Listing(symbol, 0, symbol) for symbol in symbols)

    def members(self, at: int) -> tuple[str, ...]:
        """The symbols that were traded at a time (ns UTC), sorted."""
        return tuple(sorted(one.symbol for one in self.listings if one.holds(at)))

    def as_of(self, at: int) -> Universe:
        """What could be known at a time: no listing that began later, no delisting that came later."""
        begun = (one for one in self.listings if one.start <= at)
        return Universe(one if one.stop is None or one.stop <= at else replace(one, stop=None) for one in begun)

    def resolve(self, symbol: str, at: int) -> Listing:
        """The listing that a symbol meant at a time.

        Raises
        ------
        UniverseError
            If it was not traded then; says when it was.
        """
        named = [one for one in self.listings if one.symbol == symbol]
        for one in named:
            if one.holds(at):
                return one
        known = "; ".join(_span(one) for one in named) or "it is not in the universe at all"
        raise UniverseError(f"{symbol} was not traded at {format_time(at)}: {known}")

    def history(self, symbol: str, at: int) -> tuple[Listing, ...]:
        """Every listing of the instrument that a symbol meant at a time, in order; errors as `resolve`."""
        instrument = self.resolve(symbol, at).instrument
        return tuple(one for one in self.listings if one.instrument == instrument)

    def renamed(self, symbol: str, at: int, now: int) -> str:
        """What the instrument that a symbol meant at one time is called at another.

        Raises
        ------
        UniverseError
            If it was not traded at either time.
        """
        for one in self.history(symbol, at):
            if one.holds(now):
                return one.symbol
        raise UniverseError(f"what was {symbol} at {format_time(at)} was not traded at {format_time(now)}")

    def spans(self, symbol: str, start: int, stop: int) -> tuple[Listing, ...]:
        """The instrument's listings within [start, stop), cut to it; ``symbol`` is any name it had in that time.

        Raises
        ------
        UniverseError
            If the symbol named nothing in that time, or two instruments one after the other.
        """
        found = {one.instrument for one in self.listings if one.symbol == symbol and _overlaps(one, start, stop)}
        if len(found) != 1:
            what = "nothing" if not found else f"{' and '.join(sorted(found))} one after the other"
            raise UniverseError(f"{symbol} named {what} between {format_time(start)} and {format_time(stop)}")
        return self._life(found.pop(), start, stop)

    def bearer(self, symbol: str, at: int) -> Listing:
        """The listing under a symbol nearest before a time: the last that began by then, else the first that did later.

        Raises
        ------
        UniverseError
            If the symbol never named anything.
        """
        named = [one for one in self.listings if one.symbol == symbol]
        if not named:
            raise UniverseError(f"{symbol} is not in the universe")
        begun = [one for one in named if one.start <= at]
        return max(begun, key=_start) if begun else min(named, key=_start)

    def unit(self, symbol: str, at: int) -> Decimal:
        """Coins in one unit of quantity of what a symbol meant at a time: those of its first listing so named.

        A later change of the multiplier under the same name, or under another, does not change it. Errors as `bearer`.
        """
        instrument = self.bearer(symbol, at).instrument
        named = (one for one in self.listings if one.symbol == symbol and one.instrument == instrument)
        return min(named, key=_start).multiplier

    def behind(self, symbol: str, at: int, stop: int) -> tuple[Listing, ...]:
        """The listings within [at, stop), cut to it, of the `bearer` of a symbol at ``at``.

        What the symbol names later does not matter: `spans` follows a name through a time, this an instrument from one.
        Errors as `bearer`.
        """
        return self._life(self.bearer(symbol, at).instrument, at, stop)

    def _life(self, instrument: str, start: int, stop: int) -> tuple[Listing, ...]:
        return clipped((one for one in self.listings if one.instrument == instrument), start, stop)

    def alive(self, symbol: str, start: int, stop: int) -> bool:
        """Whether the instrument was traded throughout [start, stop), under whatever names.

        False too if the symbol named nothing in that time, or two instruments one after the other.
        """
        try:
            spans = self.spans(symbol, start, stop)
        except UniverseError:
            return False
        whole = spans[0].start == start and spans[-1].stop == stop
        return whole and all(before.stop == after.start for before, after in pairwise(spans))


def clipped(listings: Iterable[Listing], start: int, stop: int) -> tuple[Listing, ...]:
    """Listings cut to [start, stop), without those outside.

    Examples
    --------
    >>> [(one.symbol, one.start, one.stop) for one in clipped([Listing("A", 0, "A", 5), Listing("A", 5, "B")], 3, 9)]
    [('A', 3, 5), ('B', 5, 9)]
    """
    return tuple(
        replace(one, start=max(one.start, start), stop=stop if one.stop is None else min(one.stop, stop))
        for one in listings
        if _overlaps(one, start, stop)
    )


def _start(one: Listing) -> int:
    return one.start


def _overlaps(one: Listing, start: int, stop: int) -> bool:
    return one.start < stop and (one.stop is None or start < one.stop)


def _refuse_overlaps(listings: Sequence[Listing], what: str, name: Callable[[Listing], str]) -> None:
    for before, after in pairwise(listings):
        if name(before) == name(after) and (before.stop is None or after.start < before.stop):
            when = format_time(after.start)
            raise UniverseError(f"{what} {name(after)} is listed twice at {when}: {_span(before)} and {_span(after)}")


def _span(one: Listing) -> str:
    end = "" if one.stop is None else f" to {format_time(one.stop)}"
    return f"{one.instrument} as {one.symbol} from {format_time(one.start)}{end}"
