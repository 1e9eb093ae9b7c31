"""Decimal text as whole ticks and lots, exactly: the step between a venue's messages and the book's integers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Final

import numpy as np
from numpy.typing import NDArray

from market.errors import InstrumentError, SourceError
from market.instruments import LOT_LIMIT, TICK_LIMIT, Instrument
from market.jit import kernel

Ints = NDArray[np.int64]

SATOSHI: Final = Decimal("1e-8")
ZERO, NINE, POINT, COMMA = 48, 57, 46, 44
FULL = 2**62 // 10 - 1
"""A number of units that can take one more digit without leaving 62 bits."""
NOT_A_NUMBER, OFF_GRID, TOO_LARGE = 1, 2, 3
REASONS: Final = {
    NOT_A_NUMBER: "is not an unsigned decimal number",
    OFF_GRID: "is not a whole number of the {unit} {step}",
    TOO_LARGE: "is above the limit of 2**51 {unit}s of {step}",
}


@dataclass(frozen=True, slots=True)
class Grid:
    """The tick and the lot of a book.

    Attributes
    ----------
    tick
        The step of prices (quote per base).
    lot
        The step of quantities (base, or contracts).

    Raises
    ------
    InstrumentError
        If a step is not above zero, or has so many digits that 2**51 of it would overflow.

    Examples
    --------
    >>> grid = Grid(Decimal("0.01"), Decimal("0.00001"))
    >>> grid.counts(["61837.63000000", "3.78826000"]).tolist()
    [[6183763, 378826]]
    """

    tick: Decimal
    lot: Decimal

    def __post_init__(self) -> None:
        for name, limit in (("tick", TICK_LIMIT), ("lot", LOT_LIMIT)):
            step: Decimal = getattr(self, name)
            if not step.is_finite() or step <= 0:
                raise InstrumentError(f"{name} {step} of a book must be above zero")
            places, units = unit_step(step)
            if places > 18 or units * limit > 10 * FULL:
                raise InstrumentError(f"{name} {step} of a book has too many digits: 2**51 of it exceed 62 bits")

    @classmethod
    def of(cls, instrument: Instrument) -> Grid:
        """The grid of an instrument's book, a thousandth of its lot fine, or 1e-8 where that is less.

        Books hold quantities that no order could have today: BTCUSDT with a lot of 0.00001 had a level of 25.426189 in
        August 2024.
        """
        return cls(instrument.tick, min(instrument.lot, max(instrument.lot / 1000, SATOSHI)))

    def counts(self, texts: Sequence[str]) -> Ints:
        """Prices and quantities in turn as (k, 2) ticks and lots.

        Raises
        ------
        SourceError
            Naming the first text that is not an unsigned decimal on the grid within the limits.
        """
        out = np.empty((len(texts) // 2, 2), np.int64)
        try:
            content = np.frombuffer(",".join(texts).encode("ascii"), np.uint8)
        except UnicodeEncodeError:
            raise SourceError(f"a price or quantity is not plain digits: {','.join(texts)[:80]!r}") from None
        if texts and np.count_nonzero(content == COMMA) >= len(texts):
            raise SourceError(f"a price or quantity has a comma: {next(one for one in texts if ',' in one)!r}")
        bad = read_pairs(content, *unit_step(self.tick), *unit_step(self.lot), out)
        if bad >= 0:
            place, reason = divmod(bad, 4)
            quantity = place % 2
            name, unit, step = ("quantity", "lot", self.lot) if quantity else ("price", "tick", self.tick)
            raise SourceError(f"{name} {texts[place]!r} {REASONS[reason].format(unit=unit, step=step)}")
        return out


def unit_step(step: Decimal) -> tuple[int, int]:
    """A step as (decimal places, whole number of units of the last place).

    Examples
    --------
    >>> unit_step(Decimal("0.25")), unit_step(Decimal("1E+1"))
    ((2, 25), (0, 10))
    """
    places = max(0, -int(step.normalize().as_tuple().exponent))
    return places, int(step.scaleb(places))


@kernel
def read_pairs(text: NDArray[np.uint8], tick_places: int, tick: int, lot_places: int, lot: int, out: Ints) -> int:
    """Fill ``out`` from decimal texts separated by commas; -1, or the first bad text's number * 4 + reason."""
    at = 0
    for number in range(2 * out.shape[0]):
        places, step = (tick_places, tick) if number % 2 == 0 else (lot_places, lot)
        value, digits, decimals = 0, 0, -1
        while at < text.shape[0] and text[at] != COMMA:
            letter = int(text[at])
            at += 1
            if letter == POINT and decimals < 0:
                decimals = 0
            elif ZERO <= letter <= NINE:
                digits += 1
                if 0 <= decimals < places or decimals < 0:
                    if value > FULL:
                        return number * 4 + TOO_LARGE
                    value = value * 10 + letter - ZERO
                    if decimals >= 0:
                        decimals += 1
                elif letter != ZERO:
                    return number * 4 + OFF_GRID
            else:
                return number * 4 + NOT_A_NUMBER
        at += 1
        if digits == 0:
            return number * 4 + NOT_A_NUMBER
        for _ in range(max(decimals, 0), places):
            if value > FULL:
                return number * 4 + TOO_LARGE
            value *= 10
        if value % step != 0:
            return number * 4 + OFF_GRID
        if value // step > TICK_LIMIT:
            return number * 4 + TOO_LARGE
        out[number // 2, number % 2] = value // step
    return -1
