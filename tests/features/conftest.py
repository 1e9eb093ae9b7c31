"""One compiled engine over the whole catalogue, shared by all tests of the room."""

from __future__ import annotations

import pytest

from features.catalogue import default_features
from features.engine import FeatureEngine
from features.feature_set import FeatureSet
from market.bars import FIELDS
from market.time import MINUTE


@pytest.fixture(scope="session")
def feature_set() -> FeatureSet:
    return FeatureSet(default_features(FIELDS), MINUTE, 3)


@pytest.fixture(scope="session")
def compiled(feature_set: FeatureSet) -> FeatureEngine:
    return FeatureEngine(feature_set).build()


@pytest.fixture
def engine(compiled: FeatureEngine) -> FeatureEngine:
    compiled.reset()
    return compiled
