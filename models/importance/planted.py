"""A problem whose informative, redundant and noise features are known (after López de Prado 2018, section 8.7)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class PlantedFeatures:
    """Features (n, f), labels (n,), P(label = 1) (n,), and what each feature is.

    Names say it too: ``I_0`` is informative, ``R_0`` redundant (a noisy copy of an informative one), ``N_0`` noise.
    """

    features: Floats
    label: NDArray[np.int64]
    probability: Floats
    names: tuple[str, ...]

    def columns(self, kind: str) -> NDArray[np.int64]:
        """The columns of one kind: ``I``, ``R`` or ``N``."""
        return np.array([column for column, name in enumerate(self.names) if name.startswith(kind)], np.int64)


def planted_features(
    seed: int,
    rows: int = 1000,
    informative: int = 4,
    redundant: int = 2,
    noise: int = 4,
    strength: float = 1.5,
    blur: float = 0.3,
) -> PlantedFeatures:
    """Standard normal features; the log odds of label 1 are the sum of the informative ones, of deviation ``strength``.

    Parameters
    ----------
    seed
        Of the generator.
    rows, informative, redundant, noise
        How many of each.
    strength
        Deviation of the log odds.
    blur
        Deviation of what a redundant feature adds to the informative one it copies (drawn at random).

    Examples
    --------
    >>> problem = planted_features(seed=1)
    >>> problem.features.shape, problem.names[4:7], problem.columns("N").tolist()
    ((1000, 10), ('R_0', 'R_1', 'N_0'), [6, 7, 8, 9])
    """
    generator = np.random.default_rng(seed)
    cause = generator.standard_normal((rows, informative))
    copied = generator.integers(0, informative, redundant)
    copies = cause[:, copied] + blur * generator.standard_normal((rows, redundant))
    odds = strength * cause.sum(axis=1) / np.sqrt(informative)
    probability = 1.0 / (1.0 + np.exp(-odds))
    label = (generator.random(rows) < probability).astype(np.int64)
    features = np.concatenate([cause, copies, generator.standard_normal((rows, noise))], axis=1)
    counts = {"I": informative, "R": redundant, "N": noise}
    names = tuple(f"{kind}_{number}" for kind, count in counts.items() for number in range(count))
    return PlantedFeatures(features, label, probability, names)
