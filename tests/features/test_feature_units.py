"""Features keep their values in other units of price and quantity, unless they say that they do not."""

from __future__ import annotations

import pytest

from features.blocks import LOG_RETURN, apply
from features.catalogue import CATALOGUE
from features.conformance import check_units, fitted_on_random_bars, plain_bars
from features.engine import FeatureEngine
from features.errors import ConformanceError
from features.feature import Feature
from features.feature_set import FeatureSet
from features.kernels import ratios
from features.nodes import CLOSE, Field
from market.time import MINUTE

pytestmark = pytest.mark.xdist_group("features")  # one worker compiles the catalogue, once

BARS = plain_bars(1_500, 31)


def planted(name, value, *depends_on):
    return Feature(name, value, 1e-3, "1", "planted", "own", depends_on=frozenset(depends_on))


LEVEL = apply(ratios.linear, CLOSE, params=(1.0, 0.0))
SIZE = apply(ratios.linear, Field("volume"), params=(1.0, 0.0))
FREE = apply(ratios.linear, LOG_RETURN, params=(1e3, 0.0))


def check(feature):
    check_units(FeatureEngine(FeatureSet((feature.name,), MINUTE, 3, {feature.name: feature})), BARS)


def test_the_whole_default_catalogue_is_as_declared(engine):
    check_units(engine, BARS)


def test_the_expensive_ones_are_as_declared():
    names = tuple(name for name, feature in CATALOGUE.items() if feature.cost == "expensive" or feature.fitted)
    check_units(FeatureEngine(fitted_on_random_bars(FeatureSet(names, MINUTE, 3))), BARS)
    declared = {name for name, feature in CATALOGUE.items() if feature.depends_on}
    assert declared == {"fractional_log_price_64", "fractional_log_price_256"}


@pytest.mark.parametrize(("value", "unit"), [(LEVEL, "price"), (SIZE, "volume")])
def test_a_dependence_that_is_not_declared_is_found_and_one_that_is_stands(value, unit):
    with pytest.raises(ConformanceError, match=f"level, row 0: its value changes with the unit of {unit}"):
        check(planted("level", value))
    check(planted("level", value, unit))


@pytest.mark.parametrize("unit", ["price", "volume"])
def test_a_dependence_that_is_declared_and_is_not_there_is_found(unit):
    with pytest.raises(ConformanceError, match=f"free declares that it depends on the unit of {unit}, and does not"):
        check(planted("free", FREE, unit))
