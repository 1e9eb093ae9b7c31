"""Which errors are expected: those that a room raises on purpose, and what a user can do something about.

A room's errors can only have been raised if its module was imported, so nothing is imported here: the table is
looked up in what is loaded.
"""

from __future__ import annotations

import sys

BASES = (
    ("market.errors", "MarketError"),
    ("features.errors", "FeatureError"),
    ("models.errors", "ModelError"),
    ("models.bundle.errors", "BundleError"),
    ("trading.errors", "TradingError"),
    ("serving.errors", "ServingError"),
    ("pipelines.errors", "PipelineError"),
)
"""Module and name of every room's base error."""

ROOMS = frozenset({"market", "features", "models", "trading", "serving", "pipelines"})


def expected_errors() -> tuple[type[BaseException], ...]:
    """The classes that ``except`` should treat as expected right now.

    Examples
    --------
    >>> import market.errors
    >>> market.errors.MarketError in expected_errors()
    True
    """
    loaded = [getattr(sys.modules[module], name, None) for module, name in BASES if module in sys.modules]
    return (*[found for found in loaded if found is not None], ModuleNotFoundError)


def describe(error: BaseException) -> str:
    """An expected error as one paragraph.

    Raises
    ------
    ModuleNotFoundError
        The error itself, if the missing module is ours: that is a defect, not a smaller installation.
    """
    if not isinstance(error, ModuleNotFoundError):
        return str(error)
    missing = (error.name or "").partition(".")[0]
    if missing in ROOMS:
        raise error
    return (
        f"this command needs {missing}, which is not installed here. The serving environment has no research"
        " libraries: run it where requirements/train.txt is installed (make setup)"
    )
