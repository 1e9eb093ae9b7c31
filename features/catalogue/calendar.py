"""Calendar: cycles of the hour, the day and the week, from the time the row becomes available (the bar's end)."""

from __future__ import annotations

from features.blocks import apply
from features.feature import Feature
from features.kernels import price
from features.nodes import END, Part
from market.time import DAY

MONDAY = 4 * DAY  # 1970-01-05, the first Monday


def clock(period: int, origin: int = 0) -> tuple[Part, Part]:
    """Sine and cosine of the bar's end on a clock that turns once a period."""
    node = apply(price.cycle, END, params=(origin, period), outputs=2)
    return Part(node, 0), Part(node, 1)


def added(one: tuple[Part, Part], other: tuple[Part, Part]) -> tuple[Part, Part]:
    """The clock that turns as often as both together."""
    node = apply(price.turns_added, *one, *other, outputs=2)
    return Part(node, 0), Part(node, 1)


def cycle(name: str, angle: tuple[Part, Part], what: str) -> tuple[Feature, Feature]:
    """Sine and cosine of one cycle."""
    return (
        Feature(f"{name}_sin", angle[0], 1.0, "1", f"sine of the {what} of the bar's end", "own"),
        Feature(f"{name}_cos", angle[1], 1.0, "1", f"cosine of the {what} of the bar's end", "own"),
    )


ONCE_A_DAY = clock(DAY)
TWICE = added(ONCE_A_DAY, ONCE_A_DAY)
THRICE = added(TWICE, ONCE_A_DAY)
SIX_TIMES = added(THRICE, THRICE)
TWELVE_TIMES = added(SIX_TIMES, SIX_TIMES)

FEATURES = (
    *cycle("hour", ONCE_A_DAY, "time of day, one turn from midnight UTC,"),
    *cycle("weekday", clock(7 * DAY, MONDAY), "time of week, one turn from Monday 00:00 UTC,"),
    *cycle("half_day", TWICE, "time of day, two turns from midnight UTC,"),
    *cycle("funding_time", THRICE, "time since the last of 00:00, 08:00 and 16:00 UTC, one turn in between,"),
    *cycle("minute", added(TWELVE_TIMES, TWELVE_TIMES), "time of the hour, one turn from the full hour,"),
    Feature(
        "weekend",
        apply(price.is_weekend, END, params=(MONDAY, DAY)),
        1.0,
        "1",
        "1 for bars that end on Saturday or Sunday UTC (midnight belongs to the day before), else 0",
        "own",
    ),
)
