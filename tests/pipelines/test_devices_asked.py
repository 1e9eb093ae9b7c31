"""A GPU that is asked for and not there is refused before anything begins, and nobody else is asked for one."""

from __future__ import annotations

import pytest

from models.members import device
from pipelines.config import DataConfig, RunConfig
from pipelines.devices import check_devices
from pipelines.errors import ConfigError
from pipelines.tuning.config import load_study
from pipelines.tuning.handout import Handout, see
from tests.pipelines.tuning_factory import EMBEDDED, run_study, write_study


def config(**members):
    return RunConfig("asked", DataConfig(("BTC",), "30m"), members=members)


@pytest.fixture
def blind(monkeypatch):
    """Torch sees a GPU and XGBoost does not; who was asked is kept."""
    asked = []

    def sees(library, found):
        return lambda: asked.append(library) or found

    monkeypatch.setitem(device.SEES, "torch", sees("torch", True))
    monkeypatch.setitem(device.SEES, "xgboost", sees("xgboost", False))
    return asked


def test_a_library_that_is_not_known_is_asked_by_its_member_s_fit_alone(blind):
    device.check_device("cuda", "jax")
    assert blind == []


def test_a_gpu_is_asked_for_by_the_member_that_wants_it_and_its_own_library(blind):
    check_devices(config(lstm={}, xgboost={"device": "auto"}, lightgbm={}, linear={}))
    assert blind == []
    check_devices(config(tcn={"device": "cuda"}))
    assert blind == ["torch"]
    with pytest.raises(ConfigError, match=r'members\.xgboost\.device is "cuda", but xgboost sees no NVIDIA GPU'):
        check_devices(config(lstm={"device": "cuda"}, xgboost={"device": "cuda"}))


@pytest.mark.parametrize(
    ("text", "space"),
    [
        (EMBEDDED + '[members.xgboost]\ndevice = "cuda"\n', {"members.linear.clip": {"low": 2.0, "high": 8.0}}),
        (EMBEDDED + "[members.xgboost]\n", {"members.xgboost.device": {"values": ["cpu", "cuda"]}}),
    ],
)
def test_a_study_on_a_gpu_that_is_not_there_is_refused_before_anything_is_tried(blind, tmp_path, text, space):
    path = write_study(tmp_path, text, space)
    with pytest.raises(ConfigError, match=r"members\.xgboost\.device"):
        run_study(path, tmp_path / "workspace")
    assert not (tmp_path / "workspace").exists()
    with pytest.raises(ConfigError, match=r"members\.xgboost\.device"):
        see(Handout(load_study(path, {}), None, (), None, {}, str(tmp_path)))


def test_a_study_of_one_member_asks_for_no_other_member_s_gpu(blind, tmp_path):
    text = EMBEDDED + '[members.xgboost]\ndevice = "cuda"\n'
    space = {"members.linear.clip": {"low": 2.0, "high": 8.0}}
    load_study(write_study(tmp_path, text, space, predictor="linear"), {}).check_devices()
    assert blind == []
