"""Where a configuration does not decode, the error says what the key or the value may be."""

from __future__ import annotations

import pytest

from pipelines.config import RunConfig
from pipelines.errors import ConfigError
from pipelines.members import member_config
from pipelines.toml import decode
from pipelines.tuning.config import StudyFile, load_study
from tests.pipelines.tuning_factory import write_study

RUN = {"name": "a", "data": {"symbols": ["A"], "interval": "1h"}}
STUDY = {"name": "a", "training": "t.toml", "space": {"seed": 1}}


@pytest.mark.parametrize(
    ("raw", "kind", "said"),
    [
        (RUN | {"ensemble": {"method": "men"}}, RunConfig, '; did you mean "mean"? It may be "stack", "mean", "we'),
        (
            RUN | {"ensemble": {"calibration": "x"}},
            RunConfig,
            '; it may be "platt", "temperature", "isotonic", "none" ',
        ),
        (RUN | {"features": {"names": "al"}}, RunConfig, '; did you mean "all"? It may be "default", "all" or a list'),
        (STUDY | {"tuning": {"objectives": ["loss", "turnovr"]}}, StudyFile, '; did you mean "turnover"? It may be "l'),
        (STUDY | {"tuning": {"pruner": "wilcoxn"}}, StudyFile, '; did you mean "wilcoxon"? It may be "wilcoxon" or "n'),
        (RUN | {"meta": {"ridg": 1.0}}, RunConfig, "; did you mean `ridge`?"),
        (RUN | {"meta": {"zzz": 1.0}}, RunConfig, "; known keys are ridge, features, sizing"),
        (RUN | {"seeed": 1}, RunConfig, "; did you mean `seed`?"),
    ],
)
def test_the_nearest_and_all_are_named(raw, kind, said):
    with pytest.raises(ConfigError) as told:
        decode(raw, kind, "file.toml")
    assert said in str(told.value)


@pytest.mark.parametrize("raw", [RUN | {"seed": "x"}, {"name": "a"}, RUN | {"members": {"lstm": 3}}])
def test_an_error_that_is_neither_stays_as_it_is(raw):
    with pytest.raises(ConfigError) as told:
        decode(raw, RunConfig, "file.toml")
    assert "may be" not in str(told.value)
    assert "did you mean" not in str(told.value)


def test_a_member_s_and_a_space_s_values_are_named_too(tmp_path):
    with pytest.raises(
        ConfigError, match=r'\[members.xgboost\]: .*\$.device`; did you mean "cpu"\? It may be "cpu", "cud'
    ):
        member_config("xgboost", {"device": "gpu"})
    space = {"ensemble.method": {"values": ["stack", "wheighted"]}}
    with pytest.raises(ConfigError, match=r'space.ensemble.method has "wheighted".* did you mean "weighted"\?'):
        load_study(write_study(tmp_path, space=space), {})
