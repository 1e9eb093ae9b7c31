"""What pieces of a pipeline read: bars of some instruments, and tables of what was published beside them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from pipelines.audit.errors import AuditError
from pipelines.audit.perturb import VALUES, Bars, Perturbation, Random


@dataclass(frozen=True, slots=True, eq=False)
class World:
    """The inputs of a pipeline.

    Parameters
    ----------
    symbols, bars
        The instruments, and BAR records of each.
    interval
        The bars' grid (ns), 0 for bars that follow no clock.
    tables
        Other data by name: structured arrays with a field ``known``, when each row was published (ns UTC), ascending.
    """

    symbols: tuple[str, ...]
    bars: tuple[Bars, ...]
    interval: int
    tables: Mapping[str, NDArray[np.void]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if len(self.symbols) != len(self.bars) or not self.symbols:
            raise AuditError(
                f"{len(self.symbols)} symbols but {len(self.bars)} series; give one for each, at least one"
            )
        for name, table in self.tables.items():
            if "known" not in (table.dtype.names or ()):
                raise AuditError(f"table {name} has no field known: when was each row published?")

    def reversed(self) -> World:
        """The same instruments in the opposite order."""
        return replace(self, symbols=self.symbols[::-1], bars=self.bars[::-1])

    def changed(self, cut: int, perturbation: Perturbation, random: Random) -> World:
        """Another future: bars that end and rows that are published after ``cut`` (ns UTC) are changed."""
        bars = tuple(perturbation(one, cut, random) for one in self.bars)
        tables = {name: _other_table(one, cut, perturbation, random) for name, one in self.tables.items()}
        return replace(self, bars=bars, tables=tables)

    def mixed(self, cut: int, turn: int, random: Random) -> tuple[str, World]:
        """Another future in which every instrument is changed in a way of its own; ``turn`` says which begins."""
        ways = [VALUES[(turn + number) % len(VALUES)] for number in range(len(self.bars))]
        bars = tuple(way(one, cut, random) for way, one in zip(ways, self.bars, strict=True))
        tables = {name: _other_table(one, cut, ways[0], random) for name, one in self.tables.items()}
        name = ", ".join(dict.fromkeys(way.name for way in ways))
        return name, replace(self, bars=bars, tables=tables)

    def cuts(self, count: int, random: Random) -> list[int]:
        """Moments between three and nine tenths of the way, ascending (ns UTC).

        A short look ahead is seen only next to a cut, so cuts also lie where one would matter most: a third of them
        before holes in the bars, a third right before something is published, the rest at any bar's end.

        Raises
        ------
        AuditError
            If there are too few bars, or no cut is asked for.
        """
        ends = np.unique(np.concatenate([one["end"] for one in self.bars]))
        low, high = ends[3 * len(ends) // 10], ends[9 * len(ends) // 10 - 1]
        if not 1 <= count <= len(ends) // 2:
            raise AuditError(f"{len(ends)} bars and {count} cuts; ask for at least 1 and for at most half of the bars")
        holes = [one["end"][:-1][one["start"][1:] > one["end"][:-1]] for one in self.bars]
        published = [one["known"] - 1 for one in self.tables.values()]
        chosen: set[int] = set()
        for places, most in ((holes, count // 3), (published, count // 3), ([ends], count)):
            found = np.unique(np.concatenate([np.empty(0, np.int64), *places]))
            found = np.setdiff1d(found[(found >= low) & (found <= high)], list(chosen))
            wanted = min(most, count - len(chosen), len(found))
            chosen.update(random.choice(found, wanted, replace=False).tolist())
        return sorted(chosen)


def _other_table(table: NDArray[np.void], cut: int, perturbation: Perturbation, random: Random) -> NDArray[np.void]:
    first = int(np.searchsorted(table["known"], cut, side="right"))
    if perturbation.name == "truncated":
        return table[:first].copy()
    out = table.copy()
    for name, (kind, *_) in (table.dtype.fields or {}).items():
        if kind == np.float64:
            noise = random.standard_normal(len(table) - first)
            out[name][first:] = -2.0 * table[name][first:] + (1.0 + np.nanstd(table[name])) * noise
    return out


def by_instrument(world: World) -> Iterator[tuple[int, str, Bars]]:
    """Number, symbol and bars of every instrument."""
    for number, (symbol, bars) in enumerate(zip(world.symbols, world.bars, strict=True)):
        yield number, symbol, bars
