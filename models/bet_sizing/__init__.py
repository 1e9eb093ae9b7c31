"""Bet sizing (López de Prado 2018, ch. 10): how much to hold, from 0 for nothing to 1 or -1 for all that is allowed.

`probability` sizes by a classifier's confidence, `active` averages the bets that are open, `discrete` rounds to steps,
`dynamic` follows the price towards a forecast, `budget` and `reserve` size by the number of open bets alone. A name is
loaded when it is asked for.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from models.bet_sizing.active import average_active
    from models.bet_sizing.budget import budget_size, open_bets
    from models.bet_sizing.discrete import discretise
    from models.bet_sizing.dynamic import Power, Sigmoid, inverse_price, limit_price, target_position
    from models.bet_sizing.probability import size_from_classes, size_from_probability
    from models.bet_sizing.reserve import Mixture, fit_mixture, reserve_size

__all__ = [
    "Mixture",
    "Power",
    "Sigmoid",
    "average_active",
    "budget_size",
    "discretise",
    "fit_mixture",
    "inverse_price",
    "limit_price",
    "open_bets",
    "reserve_size",
    "size_from_classes",
    "size_from_probability",
    "target_position",
]

_HOME = {
    "Mixture": "reserve",
    "Power": "dynamic",
    "Sigmoid": "dynamic",
    "average_active": "active",
    "budget_size": "budget",
    "discretise": "discrete",
    "fit_mixture": "reserve",
    "inverse_price": "dynamic",
    "limit_price": "dynamic",
    "open_bets": "budget",
    "reserve_size": "reserve",
    "size_from_classes": "probability",
    "size_from_probability": "probability",
    "target_position": "dynamic",
}


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOME[name]}"), name)


def __dir__() -> list[str]:
    return sorted(__all__)
