"""A number with its confidence interval, either of which may be undefined."""

from __future__ import annotations

import math
from typing import TypeAlias

import msgspec

Number: TypeAlias = float | None
"""None where it is undefined."""


def is_known(value: Number) -> bool:
    """Whether a number is defined.

    Examples
    --------
    >>> is_known(0.0), is_known(None), is_known(float("nan"))
    (True, False, False)
    """
    return value is not None and math.isfinite(value)


class Estimate(msgspec.Struct, frozen=True):
    """A value with its confidence interval; the interval's level is the result's ``confidence``."""

    value: Number
    low: Number = None
    high: Number = None

    @property
    def bounds(self) -> tuple[float, float] | None:
        """The interval; None unless the value and both bounds are defined."""
        if self.low is None or self.high is None or not all(map(is_known, (self.value, self.low, self.high))):
            return None
        return self.low, self.high

    @property
    def above_zero(self) -> bool:
        """Whether the whole interval is above zero (an unknown one is not)."""
        return self.bounds is not None and self.bounds[0] > 0

    @property
    def below_zero(self) -> bool:
        """Whether the whole interval is below zero (an unknown one is not)."""
        return self.bounds is not None and self.bounds[1] < 0


class WithTotalReturn(msgspec.Struct, frozen=True, kw_only=True):
    """What has a total return.

    The interval says what the same days in other orders could have made (`pipelines.stages.redrawn`); it is None where
    there is too little to tell, and in results of before it was kept.
    """

    total_return: Number
    total_return_interval: tuple[float, float] | None = None

    @property
    def total_return_estimate(self) -> Estimate:
        """The total return with its interval, if that is known."""
        return Estimate(self.total_return, *(self.total_return_interval or ()))
