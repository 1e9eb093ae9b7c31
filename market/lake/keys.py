"""The names of series, and where in the lake they lie."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import PurePath, PurePosixPath
from typing import Final

from market.bar_builders.names import is_spec_name, parse_spec
from market.errors import LakeError
from market.time import format_interval, parse_interval

NAME: Final = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.:-]*")
IRREGULAR: Final = "irregular"
"""The interval of series whose rows come when they come."""

PARTS: Final = ("venue", "instrument", "kind", "interval")


@dataclass(frozen=True, slots=True, order=True)
class SeriesKey:
    """One series of the lake.

    ``interval`` is that of bars on a grid of time, such as ``15m``; of other bars their name, such as
    ``dollar-1000000`` (`market.bar_builders.names.spec_name`); or ``irregular``.

    Raises
    ------
    LakeError
        If a part is not a plain name (letters, digits, ``_ . : -``).
    MarketError
        If the interval is neither, or not as such bars are named.

    Examples
    --------
    >>> str(SeriesKey("binance", "BTCUSDT", interval="15m").folder)
    'venue=binance/instrument=BTCUSDT/kind=bars/interval=15m'
    """

    venue: str
    instrument: str
    kind: str = "bars"
    interval: str = "30m"

    def __post_init__(self) -> None:
        for part in PARTS:
            value = getattr(self, part)
            if NAME.fullmatch(value) is None:
                raise LakeError(f"{part} {value!r} cannot name a series: use letters, digits and _ . : -")
        if is_spec_name(self.interval):
            parse_spec(self.interval)
        elif self.interval != IRREGULAR:
            parse_interval(self.interval)

    @property
    def nanoseconds(self) -> int:
        """The interval in nanoseconds; 0 of series on no grid."""
        return 0 if self.interval == IRREGULAR or self.off_grid else parse_interval(self.interval)

    @property
    def off_grid(self) -> bool:
        """Whether these are bars that end by what is traded: several may start at the same time."""
        return is_spec_name(self.interval)

    @property
    def folder(self) -> PurePosixPath:
        """The series' folder, relative to the lake's root."""
        return PurePosixPath(*(f"{part}={getattr(self, part)}" for part in PARTS))

    @classmethod
    def from_folder(cls, folder: PurePath) -> SeriesKey:
        """The key whose `folder` ends the given path."""
        values = dict(part.split("=", 1) for part in folder.parts[-len(PARTS) :])
        return cls(**values)

    def __str__(self) -> str:
        return f"{self.venue} {self.instrument} {self.interval} {self.kind}"


def interval_text(nanoseconds: int) -> str:
    """The interval that a key names: ``15m``, or ``irregular`` for 0."""
    return format_interval(nanoseconds) if nanoseconds else IRREGULAR


@dataclass(frozen=True, slots=True)
class SeriesInfo:
    """What the lake holds of one series; ``start`` is the first bar's start, ``end`` the last bar's end (ns UTC)."""

    key: SeriesKey
    rows: int
    start: int
    end: int
    months: tuple[str, ...]
    fields: tuple[str, ...]
    size: int
