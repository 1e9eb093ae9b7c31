"""Labels: functions of the future, each with the time at which it is known.

`direction` is the default label, `barriers` the triple barrier in general, `trends` the trend scan, `fixed` the fixed
horizon, `meta` labels over a primary side, `panel` the flat sample table. A name is loaded when it is asked for.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from models.labels.barriers import BarrierConfig, barrier_classes, barrier_labels
    from models.labels.direction import (
        BOTH,
        LOWER,
        NONE,
        UPPER,
        VERTICAL,
        LabelConfig,
        Labels,
        decide,
        scan,
        triple_barrier,
    )
    from models.labels.fixed import FixedConfig, fixed_horizon
    from models.labels.meta import meta_labels
    from models.labels.panel import flat_samples
    from models.labels.trends import TrendConfig, TrendLabels, trend_scan, trend_scanning

__all__ = [
    "BOTH",
    "LOWER",
    "NONE",
    "UPPER",
    "VERTICAL",
    "BarrierConfig",
    "FixedConfig",
    "LabelConfig",
    "Labels",
    "TrendConfig",
    "TrendLabels",
    "barrier_classes",
    "barrier_labels",
    "decide",
    "fixed_horizon",
    "flat_samples",
    "meta_labels",
    "scan",
    "trend_scan",
    "trend_scanning",
    "triple_barrier",
]

_HOME = {
    **dict.fromkeys(("BarrierConfig", "barrier_classes", "barrier_labels"), "barriers"),
    **dict.fromkeys(("BOTH", "LOWER", "NONE", "UPPER", "VERTICAL", "LabelConfig", "Labels"), "direction"),
    **dict.fromkeys(("decide", "scan", "triple_barrier"), "direction"),
    **dict.fromkeys(("FixedConfig", "fixed_horizon"), "fixed"),
    "meta_labels": "meta",
    "flat_samples": "panel",
    **dict.fromkeys(("TrendConfig", "TrendLabels", "trend_scan", "trend_scanning"), "trends"),
}


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOME[name]}"), name)


def __dir__() -> list[str]:
    return sorted(__all__)
