"""Hyperparameters outside of their domain are refused when a configuration is read, with the value and the limit."""

from __future__ import annotations

import pytest

from models.members import MEMBERS
from pipelines.errors import ConfigError
from pipelines.members import member_config


@pytest.mark.parametrize(
    ("member", "table", "said"),
    [
        ("lightgbm", {"rounds": 0}, "rounds is 0; it must lie between 1"),
        ("lightgbm", {"row_share": 1.01}, "row_share is 1.01; it must be above 0 and at most 1"),
        ("xgboost", {"depth": 0}, "depth is 0"),
        ("xgboost", {"bins": 1}, "bins is 1"),
        ("xgboost", {"learning_rate": 0.0}, "learning_rate is 0.0"),
        ("linear", {"inverse_strengths": []}, "list numbers above 0"),
        ("linear", {"inverse_strengths": [0.1, -1.0]}, "list numbers above 0"),
        ("linear", {"l1_ratio": 1.5}, "l1_ratio is 1.5"),
        ("lstm", {"dropout": 1.0}, "dropout is 1.0"),
        ("lstm", {"epochs": 0}, "epochs is 0"),
        ("tcn", {"hidden": 0}, "hidden is 0"),
        ("tcn", {"kernel": 1}, "kernel is 1"),
    ],
)
def test_a_value_outside_is_refused(member, table, said):
    with pytest.raises(ConfigError, match=member) as caught:
        member_config(member, table)
    assert said in str(caught.value)


@pytest.mark.parametrize("member", MEMBERS)
def test_what_a_thin_fit_changes_is_inside(member):
    thin = MEMBERS.facts(member).thin
    found = member_config(member, dict(thin))
    for key, value in thin.items():
        kept = getattr(found, key)
        assert (list(kept) if isinstance(kept, tuple) else kept) == value
