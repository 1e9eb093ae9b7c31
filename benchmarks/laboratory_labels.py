"""Labels and weights at the laboratory's size, beside the book's snippets in pandas and NumPy.

The bars to hold, whole, are printed under the rows: triple barrier of 100,000 events on 1M bars 10 ms; concurrency and
average uniqueness of 100,000 labels, both together, 2 ms; 100,000 sequential draws from 100,000 labels 0.31 s. The
peers do a part of the work, since all of it would take hours, and the bootstrap's peer draws from fewer labels: its
draw costs labels × bars, so that the ratio is a lower bound.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from benchmarks.harness import Result, compare
from market.bars import empty_bars
from market.time import MINUTE
from models.labels import BarrierConfig, TrendConfig, barrier_labels, trend_scanning
from models.weights import average_uniqueness, concurrency, sequential_bootstrap

BARS, EVENTS, HORIZON = 1_000_000, 100_000, 24
PEER_EVENTS, PEER_LABELS, PEER_DRAWS = 500, 1_000, 30
WIDTH = 0.005


def market(generator: np.random.Generator) -> NDArray[np.void]:
    """A random walk of minute bars."""
    bars = empty_bars(BARS)
    bars["start"] = MINUTE * np.arange(BARS)
    bars["end"] = bars["start"] + MINUTE
    bars["close"] = 100 * np.exp(np.cumsum(generator.normal(0, 0.001, BARS)))
    bars["open"] = np.r_[100, bars["close"][:-1]]
    bars["high"] = np.maximum(bars["open"], bars["close"]) * 1.0003
    bars["low"] = np.minimum(bars["open"], bars["close"]) * 0.9997
    return bars


def pandas_barriers(close: pd.Series, events: NDArray[np.int64]) -> list[object]:
    """First touches by López de Prado's snippet 3.2: a slice of returns for every event."""
    found = []
    for row in events:
        path = close.iloc[row : row + HORIZON + 1]
        returns = path / path.iloc[0] - 1
        touches = (returns[returns > WIDTH].index.min(), returns[returns < -WIDTH].index.min(), path.index[-1])
        found.append(min(time for time in touches if not pd.isna(time)))
    return found


def pandas_concurrency(index: pd.Index, first: NDArray[np.int64], last: NDArray[np.int64]) -> pd.Series:
    """Labels open at every bar by López de Prado's snippet 4.1: a slice for every label."""
    count = pd.Series(0, index=index[: last.max() + 1])
    for begin, end in zip(first, last, strict=True):
        count.loc[begin:end] += 1
    return count


def pandas_uniqueness(index: pd.Index, first: NDArray[np.int64], last: NDArray[np.int64]) -> list[float]:
    """Average uniqueness by López de Prado's snippets 4.1 and 4.2: a slice of the concurrency for every label."""
    count = pandas_concurrency(index, first, last)
    return [float((1.0 / count.loc[begin:end]).mean()) for begin, end in zip(first, last, strict=True)]


def indicator_bootstrap(first: NDArray[np.int64], last: NDArray[np.int64], uniforms: NDArray[np.float64]) -> list[int]:
    """López de Prado's snippet 4.5 over an indicator matrix, in NumPy."""
    matrix = np.zeros((len(first), last.max() + 1))
    for label, (begin, end) in enumerate(zip(first, last, strict=True)):
        matrix[label, begin : end + 1] = 1.0
    covered, length, drawn = np.zeros(matrix.shape[1]), matrix.sum(axis=1), []
    for uniform in uniforms:
        cumulative = np.cumsum(matrix @ (1.0 / (covered + 1.0)) / length)
        drawn.append(int(np.searchsorted(cumulative / cumulative[-1], uniform, side="right")))
        covered += matrix[drawn[-1]]
    return drawn


def numpy_trends(log: NDArray[np.float64], events: NDArray[np.int64], config: TrendConfig) -> list[float]:
    """Trend scanning by a least-squares fit of every span."""
    found = []
    for row in events:
        best = 0.0
        for span in range(config.shortest, config.longest + 1, config.step):
            x, y = np.arange(span) - (span - 1) / 2, log[row : row + span]
            slope = x @ y / (x @ x)
            error = y - y.mean() - slope * x
            t_value = slope / np.sqrt(error @ error / (span - 2) / (x @ x))
            best = t_value if abs(t_value) > abs(best) else best
        found.append(best)
    return found


def run() -> list[Result]:
    """Label, weigh and draw."""
    generator = np.random.default_rng(0)
    bars, target = market(generator), np.full(BARS, WIDTH)
    events = np.sort(generator.choice(BARS - 100, EVENTS, replace=False))
    close, some = pd.Series(bars["close"]), events[:PEER_EVENTS]
    first, length = np.sort(generator.integers(0, BARS, EVENTS)), generator.integers(1, HORIZON, EVENTS)
    last, uniforms, few = first + length - 1, generator.random(EVENTS), slice(0, PEER_LABELS)
    barriers, trends = BarrierConfig(), TrendConfig()
    log = np.log(bars["close"])
    return [
        compare(
            "triple barrier, 100k events on 1M bars",
            "event",
            lambda: barrier_labels(bars, target, barriers, interval=MINUTE, events=events),
            "AFML 3.2, pandas",
            lambda: pandas_barriers(close, some),
            work=EVENTS,
            peer_work=PEER_EVENTS,
            bar=0.010,
        ),
        compare(
            "trend scanning, 100k events, spans 5 to 20",
            "event",
            lambda: trend_scanning(bars, trends, interval=MINUTE, events=events),
            "a fit for every span, NumPy",
            lambda: numpy_trends(log, some, trends),
            work=EVENTS,
            peer_work=PEER_EVENTS,
        ),
        compare(
            "average uniqueness of 100k labels",
            "label",
            lambda: average_uniqueness(first, last + 1),
            "AFML 4.1 and 4.2, pandas",
            lambda: pandas_uniqueness(close.index, first[few], last[few]),
            work=EVENTS,
            peer_work=PEER_LABELS,
        ),
        compare(
            "concurrency of 100k labels",
            "label",
            lambda: concurrency(first, last + 1),
            "AFML 4.1, pandas",
            lambda: pandas_concurrency(close.index, first[few], last[few]),
            work=EVENTS,
            peer_work=PEER_LABELS,
        ),
        compare(
            "concurrency and average uniqueness, 100k",
            "label",
            lambda: (concurrency(first, last + 1), average_uniqueness(first, last + 1)),
            "AFML 4.1 and 4.2, pandas",
            lambda: pandas_uniqueness(close.index, first[few], last[few]),
            work=EVENTS,
            peer_work=PEER_LABELS,
            bar=0.002,
        ),
        compare(
            "sequential bootstrap, 100k of 100k labels",
            "draw",
            lambda: sequential_bootstrap(first, last, uniforms),
            "AFML 4.5 on 1,000 labels, NumPy",
            lambda: indicator_bootstrap(first[few], last[few], uniforms[:PEER_DRAWS]),
            work=EVENTS,
            peer_work=PEER_DRAWS,
            bar=0.31,
        ),
    ]
