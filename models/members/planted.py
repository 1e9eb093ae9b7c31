"""A small panel whose every probability is known: what members are checked on."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from market.bars import empty_bars
from market.time import MINUTE
from models.dataset import Panel, Samples, Series

FEATURES = 6
WARM_UP = 20
INTERVAL = 15 * MINUTE


@dataclass(frozen=True, slots=True, eq=False)
class Planted:
    """A panel, the true P(label = 1) of its samples, and a split of them forward in time."""

    panel: Panel
    probability: NDArray[np.float64]
    train: NDArray[np.int64]
    validation: NDArray[np.int64]
    test: NDArray[np.int64]

    def expected_loss(self, probability: NDArray[np.float64], index: NDArray[np.int64]) -> float:
        """The log loss that predictions of some samples cost on average over all labels that could have been."""
        truth, said = self.probability[index], np.clip(probability, 1e-15, 1 - 1e-15)
        return float(-np.mean(truth * np.log(said) + (1.0 - truth) * np.log1p(-said)))

    def gain(self, probability: NDArray[np.float64], index: NDArray[np.int64]) -> float:
        """Expected log-loss reduction against the base rate of one half, in nats."""
        return float(np.log(2.0)) - self.expected_loss(probability, index)

    @property
    def best_gain(self) -> float:
        """The gain of the Bayes predictor on the test samples."""
        return self.gain(self.probability[self.test], self.test)


def planted(seed: int, signal: float = 1.0, series: int = 3, rows: int = 1600) -> Planted:
    """A panel with a linear and a non-linear signal in three of its features; none with ``signal`` zero.

    The log odds of label 1 are ``signal · (0.9 x₀ − 0.6 x₁ + 1.2 (|x₂| − √(2/π)))`` with standard normal features;
    the fourth is heavy-tailed noise, far from zero. Every series has a warm-up and a hole of NaN.

    Examples
    --------
    >>> problem = planted(seed=1)
    >>> 0.1 < problem.best_gain < 0.3, abs(planted(seed=1, signal=0.0).best_gain) < 1e-12
    (True, True)
    """
    generator = np.random.default_rng(seed)
    parts = [_series(number, rows, generator) for number in range(series)]
    samples, probability = _samples(parts, signal, generator)
    names = tuple(f"x_{number}" for number in range(FEATURES))
    panel = Panel(tuple(parts), names, INTERVAL, samples)
    first, second = (parts[0].bars["end"][int(rows * share)] for share in (0.6, 0.75))
    # One bar is left out at each boundary: a label lasts one bar.
    train = np.flatnonzero(samples.t1 < first)
    validation = np.flatnonzero((samples.t0 >= first) & (samples.t1 < second))
    return Planted(panel, probability, train, validation, np.flatnonzero(samples.t0 >= second))


def with_samples(problem: Planted, **columns: NDArray[np.generic]) -> Planted:
    """The same problem with some columns of its sample table replaced."""
    samples = replace(problem.panel.samples, **columns)  # type: ignore[arg-type]
    return replace(problem, panel=replace(problem.panel, samples=samples))


def with_features(problem: Planted, features: list[NDArray[np.float64]]) -> Planted:
    """The same problem with other feature rows, one matrix for each series."""
    series = tuple(replace(one, features=rows) for one, rows in zip(problem.panel.series, features, strict=True))
    return replace(problem, panel=replace(problem.panel, series=series))


def _series(number: int, rows: int, generator: np.random.Generator) -> Series:
    bars = empty_bars(rows)
    bars["start"] = np.arange(rows) * INTERVAL
    bars["end"] = bars["start"] + INTERVAL
    features = generator.standard_normal((rows, FEATURES))
    features[:, 3] = 1e4 + generator.standard_t(2.0, rows)
    features[:WARM_UP] = np.nan
    hole = rows // 4 + 10 * number
    features[hole : hole + WARM_UP] = np.nan
    return Series(f"PLANTED{number}", bars, features, np.full(rows, 0.01))


def _samples(parts: list[Series], signal: float, generator: np.random.Generator) -> tuple[Samples, NDArray[np.float64]]:
    usable = [np.flatnonzero(~np.isnan(part.features).any(axis=1))[:-1] for part in parts]
    row = np.concatenate(usable)
    instrument = np.repeat(np.arange(len(parts)), [len(rows) for rows in usable])
    order = np.lexsort((instrument, row))
    row, instrument = row[order], instrument[order]
    x = np.stack([parts[number].features[place] for number, place in zip(instrument, row, strict=True)])
    odds = signal * (0.9 * x[:, 0] - 0.6 * x[:, 1] + 1.2 * (np.abs(x[:, 2]) - np.sqrt(2.0 / np.pi)))
    probability = 1.0 / (1.0 + np.exp(-odds))
    label = (generator.random(len(row)) < probability).astype(np.int64)
    t0 = (row + 1) * INTERVAL
    move = np.where(label == 1, 0.01, -0.01)
    weight = generator.uniform(0.5, 1.0, len(row))
    return Samples(instrument, row, t0, t0, t0 + INTERVAL, label, move, weight), probability
