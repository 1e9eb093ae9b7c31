"""How far the members differ: what they gain together, and how often they take different sides."""

from __future__ import annotations

from typing import Any

import numpy as np
from matplotlib import colormaps
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure

from pipelines.ensembles import Diversity, Floats
from pipelines.figures.cells import DARK_BLUE, PALE, heat_cells
from pipelines.figures.style import draw

SHADES = LinearSegmentedColormap.from_list("shades", [PALE, DARK_BLUE])
SIGNED = colormaps["RdBu"]


def _matrix(axes: Any, values: Floats, found: Diversity, title: str, colours: Any, low: float, form: str) -> None:
    heat_cells(axes, np.nan_to_num(values), colours, low, 1.0, form)
    axes.set_xticks(range(len(found.members)), found.members, rotation=30, ha="right")
    axes.set_yticks(range(len(found.members)), found.members)
    axes.set_title(title)


def diversity_figure(found: Diversity) -> Figure:
    """Three matrices of members by members."""

    def paint(figure: Figure) -> None:
        panels = figure.subplots(1, 3)
        _matrix(panels[0], found.gains, found, "correlation of gains", SIGNED, -1.0, "{:.2f}")
        _matrix(panels[1], found.errors, found, "correlation of errors", SIGNED, -1.0, "{:.2f}")
        _matrix(panels[2], found.disagreement, found, "different sides", SHADES, 0.0, "{:.0%}")

    return draw(0.75 * len(found.members) + 1.2, paint)
