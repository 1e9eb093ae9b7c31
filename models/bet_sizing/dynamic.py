"""Dynamic sizes and limit prices (López de Prado 2018, section 10.6).

The size is a function of the divergence between a forecast price and the market's: as the price approaches the forecast
the position shrinks, and the profit is taken on the way. The function is invertible, so that each position has a price
at which it would be held, and an order that changes the position has a limit at which it breaks even with holding.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol, Self

import numpy as np
from numpy.typing import NDArray

from models.errors import ModelError

Numbers = float | NDArray[np.float64]


class SizeForm(Protocol):
    """An odd, increasing function from a divergence to a size in [-1, 1], and its inverse."""

    def size(self, divergence: Numbers) -> Numbers:
        """The size held at a divergence (forecast less price)."""

    def divergence(self, size: Numbers) -> Numbers:
        """The divergence at which a size is held."""


@dataclass(frozen=True, slots=True)
class Sigmoid:
    """``x / sqrt(width + x²)`` for any divergence x, in the price's unit.

    Examples
    --------
    The book's: a divergence of 10 is to give a size of 0.95.

    >>> form = Sigmoid.calibrated(divergence=10, size=0.95)
    >>> round(form.width, 4), round(float(form.size(10)), 4), round(float(form.divergence(0.95)), 4)
    (10.8033, 0.95, 10.0)
    """

    width: float

    def __post_init__(self) -> None:
        if not 0 < self.width < float("inf"):
            raise ModelError(f"width is {self.width}; it must be positive and finite")

    @classmethod
    def calibrated(cls, divergence: float, size: float) -> Self:
        """The form that holds a size, in (0, 1), at a divergence above 0: a width of x² (m⁻² - 1)."""
        _check_calibration(divergence, size)
        return cls(divergence**2 * (size**-2 - 1))

    def size(self, divergence: Numbers) -> Numbers:
        """The size held at a divergence."""
        x = np.asarray(divergence, np.float64)
        found: Numbers = x / np.sqrt(self.width + x * x)
        return found

    def divergence(self, size: Numbers) -> Numbers:
        """The divergence at which a size in (-1, 1) is held; infinite at the ends."""
        m = _check_size(size)
        with np.errstate(divide="ignore"):
            found: Numbers = m * np.sqrt(self.width / (1 - m * m))
        return found


@dataclass(frozen=True, slots=True)
class Power:
    """``sign(x) |x|^width`` for a divergence x in [-1, 1]; beyond, all is held.

    Divergences are shares of the largest one that matters: divide by it before. Width 1 is linear, above 1 holds little
    until the divergence is large.

    Examples
    --------
    >>> form = Power.calibrated(divergence=0.5, size=0.25)
    >>> form.width, float(form.size(-0.5)), float(form.divergence(0.25))
    (2.0, -0.25, 0.5)
    """

    width: float

    def __post_init__(self) -> None:
        if not 0 < self.width < float("inf"):
            raise ModelError(f"width is {self.width}; it must be positive and finite")

    @classmethod
    def calibrated(cls, divergence: float, size: float) -> Self:
        """The form that holds a size, in (0, 1), at a divergence in (0, 1): a width of log m / log x."""
        _check_calibration(divergence, size)
        if divergence >= 1:
            raise ModelError(f"divergence is {divergence}; a power holds everything from 1 on, so it must be below")
        return cls(float(np.log(size) / np.log(divergence)))

    def size(self, divergence: Numbers) -> Numbers:
        """The size held at a divergence."""
        x = np.clip(np.asarray(divergence, np.float64), -1.0, 1.0)
        found: Numbers = np.sign(x) * np.abs(x) ** self.width
        return found

    def divergence(self, size: Numbers) -> Numbers:
        """The divergence at which a size in [-1, 1] is held."""
        m = _check_size(size)
        found: Numbers = np.sign(m) * np.abs(m) ** (1 / self.width)
        return found


def inverse_price(form: SizeForm, forecast: float, size: Numbers) -> Numbers:
    """The price at which a size would be held: the forecast less the size's divergence.

    References
    ----------
    López de Prado (2018), *Advances in Financial Machine Learning*, section 10.6, snippet 10.4.
    """
    return forecast - form.divergence(size)


def target_position(form: SizeForm, forecast: float, price: float, most: int) -> int:
    """The position to hold at a price, in units, towards zero from the exact size.

    Parameters
    ----------
    form
        `Sigmoid`, `Power` or another invertible form.
    forecast, price
        What the price is thought to become, and the market's, in the form's unit.
    most
        The largest absolute position, in units.

    Raises
    ------
    ModelError
        If ``most`` is not positive.

    Examples
    --------
    >>> target_position(Sigmoid.calibrated(10, 0.95), forecast=115, price=100, most=100)
    97
    """
    if most < 1:
        raise ModelError(f"the largest position is {most}; it must be at least 1")
    return int(float(form.size(forecast - price)) * most)


def limit_price(form: SizeForm, forecast: float, position: int, target: int, most: int) -> float:
    """The limit of an order from one position to another: the mean price at which its units would be held.

    Parameters
    ----------
    form, forecast, most
        As in `target_position`.
    position, target
        Units held now, and to be held.

    Returns
    -------
    float
        The mean of the inverse prices of the positions after each unit traded. Infinite if one of them is held at no
        finite price, as all of a sigmoid's is.

    Raises
    ------
    ModelError
        If there is nothing to trade, or a position exceeds the largest.

    Notes
    -----
    The book's snippet counts absolute positions, which is right for buying up from zero only; here positions have their
    sign, and both agree there.

    References
    ----------
    López de Prado (2018), *Advances in Financial Machine Learning*, section 10.6, snippet 10.4.

    Examples
    --------
    >>> round(limit_price(Sigmoid.calibrated(10, 0.95), forecast=115, position=0, target=97, most=100), 4)
    112.3657
    """
    if max(abs(position), abs(target)) > most:
        raise ModelError(f"positions are {position} and {target}, but the largest is {most}")
    if position == target:
        raise ModelError(f"the position is {position} and is to stay; there is no order and no limit")
    step = 1 if target > position else -1
    held = np.arange(position + step, target + step, step) / most
    return float(np.mean(inverse_price(form, forecast, held)))


def _check_calibration(divergence: float, size: float) -> None:
    if not (0 < divergence < float("inf") and 0 < size < 1):
        raise ModelError(f"divergence is {divergence} and size {size}; give a positive divergence and a size in (0, 1)")


def _check_size(size: Numbers) -> NDArray[Any]:
    m = np.asarray(size, np.float64)
    if not (np.abs(m) <= 1).all():
        raise ModelError(f"sizes reach {np.abs(m).max()} in absolute value; they must be between -1 and 1")
    return m
