"""Panels on which instruments differ, with and without the columns that say which is which."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from models.bundle.instruments import Indicators
from models.members.planted import planted, with_features, with_samples


def relabelled(problem, odds_of, seed=1):
    """The problem with the log odds of label 1 from ``odds_of(instrument, x)``, both of every sample."""
    samples = problem.panel.samples
    odds = odds_of(samples.instrument, problem.panel.rows(np.arange(len(samples))))
    probability = 1.0 / (1.0 + np.exp(-odds))
    label = (np.random.default_rng(seed).random(len(samples)) < probability).astype(np.int64)
    return replace(with_samples(problem, label=label), probability=probability)


def levels(series=4, rows=800, size=1.0, seed=5):
    """Instruments that rise more often than not, and as many that fall; no feature says which they are."""
    return relabelled(planted(seed, series=series, rows=rows), lambda number, _: np.where(number % 2, size, -size))


def slopes(series=4, rows=1200, size=1.5, seed=6):
    """What makes the one half of the instruments rise makes the other half fall."""
    return relabelled(
        planted(seed, series=series, rows=rows), lambda number, x: np.where(number % 2, size, -size) * x[:, 0]
    )


def aware(problem):
    """The problem with indicators behind the features."""
    indicators = Indicators(tuple(one.symbol for one in problem.panel.series))
    features = [indicators.append(one.features, one.symbol) for one in problem.panel.series]
    panel = with_features(problem, features).panel
    names = (*panel.feature_names, *indicators.names)
    return replace(problem, panel=replace(panel, feature_names=names, indicators=len(indicators)))


def without(problem, number):
    """The problem whose training and validation never see one instrument."""
    other = problem.panel.samples.instrument != number
    train, validation = (index[other[index]] for index in (problem.train, problem.validation))
    return replace(problem, train=train, validation=validation)
