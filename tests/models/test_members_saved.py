"""Members in their libraries' own formats: what is read back predicts the same bytes and makes the same graph."""

from __future__ import annotations

from functools import partial

import numpy as np
import pytest

from models.members import MEMBERS
from models.members.conformance import fit, predict
from models.members.lightgbm import LightgbmConfig
from models.members.planted import planted
from models.members.protocol import FitRecord
from models.members.xgboost import XgboostConfig

QUICK = {"lightgbm": LightgbmConfig(rounds=80), "xgboost": XgboostConfig(rounds=80)}


@pytest.fixture(scope="module", params=["linear", "lightgbm", "xgboost"])
def saved(request, tmp_path_factory):
    name, folder = request.param, tmp_path_factory.mktemp(request.param)
    problem = planted(seed=31)
    make = partial(MEMBERS[name], QUICK[name]) if name in QUICK else MEMBERS[name]
    fitted = fit(make, problem)
    fitted.save(folder)
    return problem, fitted, type(fitted).load(folder, fitted.record), folder


def test_a_member_read_back_predicts_the_same_bytes(saved):
    problem, fitted, found, _ = saved
    index = np.arange(len(problem.panel.samples))
    said = predict(fitted, problem, index)
    assert said.std() > 0
    assert predict(found, problem, index).tobytes() == said.tobytes()
    assert (found.name, found.record) == (fitted.name, fitted.record)


def test_a_member_read_back_makes_the_same_graph(saved):
    _, fitted, found, _ = saved
    graphs = [one.part().model.SerializeToString(deterministic=True) for one in (fitted, found)]
    assert graphs[0] == graphs[1]


def test_saving_again_writes_the_same_bytes(saved, tmp_path):
    _, fitted, found, folder = saved
    found.save(tmp_path)
    first, again = ({path.name: path.read_bytes() for path in one.iterdir()} for one in (folder, tmp_path))
    assert first == again
    assert len(first) == 1
    record = FitRecord(notes={"kept": "elsewhere"})
    assert type(fitted).load(tmp_path, record).record is record
