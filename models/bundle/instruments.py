"""Which instrument a row is of, as columns of the row: where a model is told, and how.

A feature says the same of every instrument's bars. A model that is to treat instruments differently has to know which
one a row is of: a linear member then has an intercept for each, trees can split on it, a network has an embedding. The
columns stand behind the features and are known by the symbol alone: nothing is computed and nothing is waited for.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from models.bundle.errors import BundleError

PREFIX = "instrument_"


@dataclass(frozen=True, slots=True)
class Indicators:
    """A column for each of k instruments, in their order: 1 in the rows that are of it, 0 in all others.

    Without symbols there are no columns, and rows stay what they are, whatever instrument they are of.

    Examples
    --------
    >>> indicators = Indicators(("BTCUSDT", "ETHUSDT"))
    >>> indicators.names
    ('instrument_BTCUSDT', 'instrument_ETHUSDT')
    >>> indicators.append(np.array([0.5, -0.1]), "ETHUSDT").tolist()
    [0.5, -0.1, 0.0, 1.0]
    """

    symbols: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.symbols)

    @property
    def names(self) -> tuple[str, ...]:
        """Of the columns."""
        return tuple(f"{PREFIX}{symbol}" for symbol in self.symbols)

    def refuse_unknown(self, symbols: Iterable[str]) -> None:
        """Refuse instruments that nothing was learned of; any will do where none are told apart.

        Raises
        ------
        BundleError
            With the first of them, and those that are known.
        """
        for symbol in symbols if self.symbols else ():
            if symbol not in self.symbols:
                raise BundleError(
                    f"the model tells instruments apart and has not learned of {symbol}; it knows "
                    f"{', '.join(self.symbols)}: serve those, or train again with {symbol} among data.symbols"
                )

    def append(self, rows: NDArray[np.float64], symbol: str) -> NDArray[np.float64]:
        """Rows of one instrument, (f,) or (n, f), with the columns behind them: (f + k,) or (n, f + k).

        Raises
        ------
        BundleError
            As `refuse_unknown`.
        """
        if not self.symbols:
            return rows
        self.refuse_unknown([symbol])
        mine = np.zeros((*rows.shape[:-1], len(self.symbols)))
        mine[..., self.symbols.index(symbol)] = 1.0
        return np.concatenate([rows, mine], axis=-1)


NO_INDICATORS = Indicators()
