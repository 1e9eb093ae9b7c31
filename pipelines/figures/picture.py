"""A figure with its name and its words."""

from __future__ import annotations

from dataclasses import dataclass

from matplotlib.figure import Figure


@dataclass(frozen=True, slots=True)
class Picture:
    """A figure with its caption."""

    name: str
    caption: str
    figure: Figure
