"""One restrained, colour-blind-safe style (Okabe and Ito 2008), drawn without a display and without global state."""

from __future__ import annotations

import io
import itertools
from collections.abc import Callable, Iterable
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.dates import AutoDateLocator, ConciseDateFormatter
from matplotlib.figure import Figure
from numpy.typing import NDArray

INK = "#22282f"
MUTED = "#7b8591"
GRID = "#e4e8ec"
BLUE, ORANGE, GREEN, PINK, SKY, VERMILION, YELLOW, BLACK = (
    "#0072b2",
    "#e69f00",
    "#009e73",
    "#cc79a7",
    "#56b4e9",
    "#d55e00",
    "#b8a500",
    "#000000",
)
CYCLE = (BLUE, ORANGE, GREEN, PINK, VERMILION, SKY, YELLOW, BLACK)
HOUSE = {
    "lstm": BLUE,
    "lightgbm": ORANGE,
    "xgboost": GREEN,
    "linear": PINK,
    "tcn": YELLOW,
    "trees only": VERMILION,
    "stacker": SKY,
    "ensemble": INK,
}
"""The colours of the predictors the house knows, in the order in which they are read."""
WIDTH = 6.8
MAXIMAL_POINTS = 700

SETTINGS = {
    "figure.dpi": 100,
    "font.family": "DejaVu Sans",
    "font.size": 9.0,
    "text.color": INK,
    "axes.labelcolor": INK,
    "axes.edgecolor": MUTED,
    "axes.linewidth": 0.6,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "axes.titlesize": 9.5,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.unicode_minus": True,
    "grid.color": GRID,
    "grid.linewidth": 0.6,
    "lines.linewidth": 1.4,
    "xtick.color": MUTED,
    "ytick.color": MUTED,
    "xtick.labelcolor": INK,
    "ytick.labelcolor": INK,
    "xtick.labelsize": 8.5,
    "ytick.labelsize": 8.5,
    "legend.frameon": False,
    "legend.fontsize": 8.5,
    "svg.fonttype": "path",
    "svg.hashsalt": "bot4",
}


def draw(height: float, paint: Callable[[Figure], None]) -> Figure:
    """A figure of the house's width, painted in the house's style; laid out here, once, however often it is saved."""
    with mpl.rc_context(SETTINGS):
        figure = Figure(figsize=(WIDTH, height), layout="constrained")
        FigureCanvasAgg(figure)
        paint(figure)
        figure.get_layout_engine().execute(figure)
        figure.set_layout_engine("none")
    return figure


def svg(figure: Figure) -> bytes:
    """A figure as SVG, the same bytes every time."""
    buffer = io.BytesIO()
    with mpl.rc_context(SETTINGS):
        figure.savefig(buffer, format="svg", metadata={"Date": None, "Creator": None})
    return buffer.getvalue()


def dates(time: NDArray[np.int64]) -> NDArray[np.datetime64]:
    """Nanoseconds UTC as matplotlib's dates."""
    return np.asarray(time, np.int64).astype("datetime64[ns]")


def date_axis(axes: Any) -> None:
    """Concise dates along x."""
    locator = AutoDateLocator(minticks=4, maxticks=9)
    axes.xaxis.set_major_locator(locator)
    axes.xaxis.set_major_formatter(ConciseDateFormatter(locator))


def thinned(values: NDArray[np.float64], limit: int = MAXIMAL_POINTS) -> NDArray[np.int64]:
    """The indices to draw of a long line: first, last, and both extremes of each of ``limit // 2`` equal chunks.

    What the eye sees is unchanged: no peak or trough is lost.

    Examples
    --------
    >>> thinned(np.array([0.0, 5.0, 1.0, -3.0, 2.0, 0.0]), limit=2).tolist()
    [0, 1, 3, 5]
    """
    if len(values) <= limit:
        return np.arange(len(values))
    edges = np.linspace(0, len(values), limit // 2 + 1).astype(np.int64)
    chunks = [np.arange(low, high) for low, high in itertools.pairwise(edges)]
    extremes = [chunk[pick(values[chunk])] for chunk in chunks for pick in (np.argmin, np.argmax)]
    return np.unique(np.array([0, *extremes, len(values) - 1], np.int64))


def house_order(names: Iterable[str]) -> list[str]:
    """Names without repetition in the order in which people read them: members, baselines, combinations, others.

    Examples
    --------
    >>> house_order(["xgboost", "mine", "ensemble", "lstm", "mine"])
    ['lstm', 'xgboost', 'ensemble', 'mine']
    """
    order = list(HOUSE)
    return sorted(dict.fromkeys(names), key=lambda name: order.index(name) if name in HOUSE else len(order))


def colours(names: Iterable[str]) -> dict[str, str]:
    """A colour for each predictor, the same in every figure; names not seen before take what the cycle has left.

    Examples
    --------
    >>> colours(["xgboost", "ensemble"]) == {"xgboost": GREEN, "ensemble": INK}
    True
    """
    names = list(names)
    spare = [colour for colour in CYCLE if colour not in [HOUSE.get(name) for name in names]] or list(CYCLE)
    others = [name for name in names if name not in HOUSE]
    given = {name: spare[number % len(spare)] for number, name in enumerate(others)}
    return {name: HOUSE.get(name) or given[name] for name in names}
