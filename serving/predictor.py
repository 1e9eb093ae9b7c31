"""From a bar to a score: the bundle's features and its one graph, per instrument, one bar at a time."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from features.row_hash import row_hash
from market.time import format_time
from models.bundle.bundle import Bundle
from models.bundle.features import at_event
from serving.errors import NotReadyError


@dataclass(frozen=True, slots=True)
class Score:
    """What one bar's features are and what the graph says of them; NaN probability: no prediction.

    ``decides``: whether a decision is made here. ``prediction_set``: bool (2,), whether falling and rising are in it;
    None where the model says none.
    """

    end: int
    row_hash: int
    volatility: float
    probability: float
    decides: bool = True
    prediction_set: NDArray[np.bool_] | None = None


class Predictor:
    """The state of features and graph for each instrument of a bundle.

    Continues from the bundle's snapshot: the bars after it, fed in order, give exactly what research computed.

    Parameters
    ----------
    bundle
        A verified bundle.
    symbols
        The instruments to score; each needs a snapshot in the bundle.

    Raises
    ------
    BundleError
        If one has none, or the model tells instruments apart and has not learned of it.

    Notes
    -----
    Where features read what the instruments say of each other, bars must come in steps: `take`. Which bars a step holds
    is for `features.panel.assembler.StepAssembler` to decide.
    """

    def __init__(self, bundle: Bundle, symbols: Iterable[str]) -> None:
        manifest = bundle.manifest
        self.payoff = manifest.payoff
        self._indicators = manifest.features.indicators
        self._volatility = manifest.features.names.index(manifest.volatility)
        self._events = manifest.features.names.index(manifest.features.events) if manifest.features.events else None
        self._conformal = bundle.sets()
        self.panel = bundle.panel()
        symbols = tuple(symbols)
        self._indicators.refuse_unknown(symbols)
        self._engines = {symbol: bundle.engine().build() for symbol in symbols}
        self._runners = {symbol: bundle.runner() for symbol in self._engines}
        self._ends = {symbol: bundle.snapshot(symbol).end for symbol in self._engines}
        for symbol, engine in self._engines.items():
            engine.restore(bundle.engine_state(symbol))
            self._runners[symbol].set_state(bundle.graph_state(symbol))

    def last_end(self, symbol: str) -> int:
        """The end of the last bar taken in."""
        return self._ends[symbol]

    def take(self, step: Mapping[str, NDArray[np.void]]) -> dict[str, Score]:
        """Take in one bar (shape (1,)) of each instrument that has one in a step, and score them in the step's order.

        Raises
        ------
        NotReadyError
            As `observe`.
        BarError
            If a bar is refused.
        """
        for symbol, bar in step.items():
            self._refuse_old(symbol, bar)
        filled = step if self.panel is None else self.panel.update(step)
        return {symbol: self.observe(symbol, filled[symbol]) for symbol in step}

    def observe(self, symbol: str, bar: NDArray[np.void]) -> Score:
        """Take in the next bar of an instrument (one record, shape (1,)) and score it.

        Raises
        ------
        NotReadyError
            If the bar starts before the last one ended: its past is already in the state.
        """
        self._refuse_old(symbol, bar)
        end = int(bar["end"][0])
        row = self._indicators.append(self._engines[symbol].update(bar), symbol)
        prediction = self._runners[symbol].step(row)
        self._ends[symbol] = end
        decides, held = self._events is None or bool(at_event(row[self._events])), prediction.prediction_set
        if self._conformal is not None and held is not None:
            decides = decides and bool(self._conformal.acted_on(held))
        return Score(end, row_hash(row), float(row[self._volatility]), prediction.probability, decides, held)

    def _refuse_old(self, symbol: str, bar: NDArray[np.void]) -> None:
        if int(bar["start"][0]) < self._ends[symbol]:
            raise NotReadyError(
                f"the bar of {symbol} that ends {format_time(int(bar['end'][0]))} starts before the last one taken in "
                f"ended, {format_time(self._ends[symbol])}; feed bars in order, each once"
            )
