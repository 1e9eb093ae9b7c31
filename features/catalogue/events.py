"""Events: at which bars something has happened. A training may decide at those of one of them alone."""

from __future__ import annotations

from features.blocks import LOG_RETURN, VARIANCE, apply
from features.feature import Feature
from features.kernels import events, ratios
from features.nodes import Node


def cusum_event(multiple: int) -> Feature:
    """Where the price has run far enough since the last such place."""
    node = Node(
        events.cusum_event, (LOG_RETURN, apply(ratios.root, VARIANCE)), (float(multiple),), floats=2, recursive=True
    )
    meaning = (
        f"1 where the sum of log returns, never below 0, reaches {multiple} ewma_volatility_96, -1 where that of "
        f"falling ones does, which is looked at first, and that sum starts anew; else 0"
    )
    source = "López de Prado 2018, section 2.5"
    return Feature(f"cusum_event_{multiple}", node, 1.0, "side", meaning, source, {"multiple": multiple})


FEATURES = (
    cusum_event(2),
    cusum_event(4),
    cusum_event(8),
    cusum_event(16),
)
