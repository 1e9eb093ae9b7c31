"""Sample weights (López de Prado 2018, ch. 4): labels overlap, so a thousand carry the information of far fewer.

`overlaps` counts concurrent labels, `uniqueness` says how much of a label is its own, `attribution` weighs by return,
`decay` by age, `balance` by class; `bootstrap` draws labels one after another so that they overlap little. A name is
loaded when it is asked for.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from models.weights.attribution import return_attribution
    from models.weights.balance import class_balance
    from models.weights.bootstrap import draw_probabilities, sequential_bootstrap, sequential_bootstrap_times
    from models.weights.decay import time_decay
    from models.weights.overlaps import concurrency, concurrency_at
    from models.weights.uniqueness import average_uniqueness, effective_rows

__all__ = [
    "average_uniqueness",
    "class_balance",
    "concurrency",
    "concurrency_at",
    "draw_probabilities",
    "effective_rows",
    "return_attribution",
    "sequential_bootstrap",
    "sequential_bootstrap_times",
    "time_decay",
]

_HOME = {
    "average_uniqueness": "uniqueness",
    "class_balance": "balance",
    "concurrency": "overlaps",
    "concurrency_at": "overlaps",
    "draw_probabilities": "bootstrap",
    "effective_rows": "uniqueness",
    "return_attribution": "attribution",
    "sequential_bootstrap": "bootstrap",
    "sequential_bootstrap_times": "bootstrap",
    "time_decay": "decay",
}


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOME[name]}"), name)


def __dir__() -> list[str]:
    return sorted(__all__)
