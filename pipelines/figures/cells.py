"""What figures of many features share: rows with names, tables of coloured cells, names that are not too long."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.colors import LinearSegmentedColormap
from numpy.typing import NDArray

from pipelines.figures.style import INK

Floats = NDArray[np.float64]
DARK_BLUE = "#06324f"
PALE = "#f4f6f8"
LONGEST_NAME = 32


def named_rows(axes: Any, names: Sequence[str]) -> None:
    """A name beside each row, the first on top."""
    axes.set_yticks(range(len(names)), [short_name(name) for name in names])
    axes.set_ylim(len(names) - 0.4, -0.6)
    axes.grid(axis="y", visible=False)


def heat_cells(axes: Any, values: Floats, colours: LinearSegmentedColormap, low: float, high: float, form: str) -> None:
    """A table of coloured cells with their numbers, dark on light and light on dark."""
    axes.imshow(values, cmap=colours, vmin=low, vmax=high, aspect="auto")
    axes.grid(False)
    axes.tick_params(length=0)
    for (row, column), value in np.ndenumerate(values):
        shade = np.dot(colours((value - low) / ((high - low) or 1.0))[:3], (0.299, 0.587, 0.114))
        text = form.format(value).replace("-", "−")
        axes.text(column, row, text, ha="center", va="center", fontsize=7, color="white" if shade < 0.55 else INK)


def short_name(name: str) -> str:
    """A name without its middle, if it is long: both ends tell features apart."""
    tail = LONGEST_NAME // 3
    return name if len(name) <= LONGEST_NAME else f"{name[: LONGEST_NAME - tail - 1]}…{name[-tail:]}"
