"""What ``features.names`` of a configuration stands for."""

from __future__ import annotations

import msgspec
import pytest

from features.catalogue import CATALOGUE, default_features
from features.catalogue.core import CORE
from market.bars import FIELDS, PRICE_FIELDS
from pipelines.config import FeaturesConfig
from pipelines.stages.features import resolve_features


def test_the_default_is_the_selection_whose_fields_are_there():
    assert resolve_features(FeaturesConfig(), frozenset(FIELDS)) == CORE
    found = resolve_features(FeaturesConfig(), frozenset(PRICE_FIELDS))
    assert found == tuple(name for name in CORE if CATALOGUE[name].fields <= set(PRICE_FIELDS))
    assert len(found) < len(CORE)


def test_all_are_the_cheap_ones_of_the_whole_catalogue():
    found = resolve_features(FeaturesConfig(names="all"), frozenset(FIELDS))
    assert found == default_features(FIELDS)
    assert set(CORE) < set(found)
    assert all(CATALOGUE[name].cost == "cheap" for name in found)


def test_the_selection_is_named_once_and_cheap():
    assert len(set(CORE)) == len(CORE)
    assert set(CORE) <= set(default_features(FIELDS))


def test_a_list_and_exclusions_are_kept_in_order_and_volatility_is_added():
    wanted = FeaturesConfig(names=("rsi_14", "scaled_return_4", "rsi_6"), exclude=("rsi_6",))
    assert resolve_features(wanted, frozenset(FIELDS)) == ("rsi_14", "scaled_return_4", "ewma_volatility_96")


def test_another_word_is_refused():
    with pytest.raises(msgspec.ValidationError, match="everything"):
        msgspec.convert({"names": "everything"}, FeaturesConfig)
