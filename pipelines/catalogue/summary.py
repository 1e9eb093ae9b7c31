"""What the shown values of a feature are like, in numbers."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pipelines.catalogue.series import Shown

Floats = NDArray[np.float64]
HEADINGS = (
    "feature",
    "bars",
    "undefined",
    "mean",
    "deviation",
    "least",
    "5 %",
    "median",
    "95 %",
    "largest",
    "autocorrelation",
)
SHARES = (0.0, 0.05, 0.5, 0.95, 1.0)
NOTHING = "–"


@dataclass(frozen=True, slots=True)
class Summary:
    """Statistics of a stretch of values; None where there are too few.

    ``undefined`` counts NaN (warm-up). ``deviation`` is the population's. ``quantiles`` are those of `SHARES`, between
    values by linear interpolation. ``autocorrelation`` is Pearson's between neighbouring bars.
    """

    name: str
    bars: int
    undefined: int
    mean: float | None
    deviation: float | None
    quantiles: tuple[float, ...] | None
    autocorrelation: float | None

    @property
    def row(self) -> tuple[str, ...]:
        """The statistics as text, under `HEADINGS`."""
        quantiles = self.quantiles or (None,) * len(SHARES)
        numbers = (self.mean, self.deviation, *quantiles, self.autocorrelation)
        return self.name, f"{self.bars:,}", f"{self.undefined:,}", *map(short, numbers)


def short(value: float | None) -> str:
    """A number to four digits.

    Examples
    --------
    >>> short(0.123456), short(None)
    ('0.1235', '–')
    """
    return NOTHING if value is None else f"{value:.4g}"


def summary(name: str, values: Floats) -> Summary:
    """The statistics of some values in time order.

    Examples
    --------
    >>> found = summary("x", np.array([np.nan, 1.0, 2.0, 3.0, 4.0]))
    >>> found.undefined, found.mean, found.quantiles[2], found.autocorrelation
    (1, 2.5, 2.5, 1.0)
    """
    known = values[~np.isnan(values)]
    missing = len(values) - len(known)
    if not len(known):
        return Summary(name, len(values), missing, None, None, None, None)
    quantiles = tuple(float(one) for one in np.quantile(known, SHARES))
    return Summary(
        name, len(values), missing, float(known.mean()), float(known.std()), quantiles, autocorrelation(values)
    )


def autocorrelation(values: Floats) -> float | None:
    """Pearson's correlation of neighbours that are both defined; None if either side does not vary."""
    pairs = ~np.isnan(values[1:]) & ~np.isnan(values[:-1])
    before, after = values[:-1][pairs], values[1:][pairs]
    if len(before) < 2:
        return None
    one, other = before - before.mean(), after - after.mean()
    product = float(np.sqrt((one @ one) * (other @ other)))
    return round(float(one @ other) / product, 12) if product > 0.0 else None


def summaries(shown: Shown) -> list[Summary]:
    """A row a feature; of fitted ones two, since what they were fitted on is not like what comes after."""
    found = []
    for column, feature in enumerate(shown.feature_set.features):
        values = shown.values[:, column]
        if feature.fitted:
            found.append(summary(f"{feature.name}, fitted here", values[: shown.fitted_bars]))
            found.append(summary(f"{feature.name}, after that", values[shown.fitted_bars :]))
        else:
            found.append(summary(feature.name, values))
    return found
