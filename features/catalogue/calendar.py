"""Calendar: cycles of the day and the week, from the time the row becomes available (the bar's end)."""

from __future__ import annotations

from features.blocks import apply
from features.feature import Feature
from features.kernels import price
from features.nodes import END, Part


def cycle(name: str, node_outputs: tuple[Part, Part], what: str) -> tuple[Feature, Feature]:
    """Sine and cosine of one cycle."""
    sine, cosine = node_outputs
    return (
        Feature(f"{name}_sin", sine, 1.0, "1", f"sine of the {what} of the bar's end", "own"),
        Feature(f"{name}_cos", cosine, 1.0, "1", f"cosine of the {what} of the bar's end", "own"),
    )


HOUR = apply(price.hour_angle, END, outputs=2)
WEEKDAY = apply(price.weekday_angle, END, outputs=2)

FEATURES = (
    *cycle("hour", (Part(HOUR, 0), Part(HOUR, 1)), "time of day, one turn from midnight UTC,"),
    *cycle("weekday", (Part(WEEKDAY, 0), Part(WEEKDAY, 1)), "time of week, one turn from Monday 00:00 UTC,"),
)
