"""Members on a GPU: the same arithmetic elsewhere, back on the CPU afterwards, refused clearly where there is none.

No GPU is needed: the LSTM is trained on a fake device that refuses to mix with the CPU, XGBoost is watched being told
``cuda``. Where there is a GPU, the conformance suite runs on it too.
"""

from __future__ import annotations

import os
from functools import partial
from types import SimpleNamespace

import msgspec
import numpy as np
import pytest
import torch
import xgboost
from fake_device import NAME, Elsewhere, FakeDevice

from models.members import device, sequence
from models.members import xgboost as xgboost_member
from models.members.conformance import check_member, fit, predict
from models.members.device import training_device
from models.members.errors import MemberError
from models.members.float32 import FLOAT32, Precision
from models.members.lstm import LstmConfig, LstmMember
from models.members.lstm_network import LstmNetwork
from models.members.planted import planted
from models.members.scaling import Scaler
from models.members.sequence_network import SequenceNetwork
from models.members.sequence_training import Trainer, deterministic, repeatable_cuda, seeded
from models.members.streams import training_streams
from models.members.tcn import TcnConfig, TcnMember
from models.members.tcn_network import TcnNetwork
from models.members.xgboost import XgboostConfig, XgboostMember

ON_GPU = {
    "lstm": partial(LstmMember, LstmConfig(device="cuda")),
    "tcn": partial(TcnMember, TcnConfig(device="cuda")),
    "xgboost": partial(XgboostMember, XgboostConfig(device="cuda")),
}
needs_gpu = pytest.mark.skipif(not torch.cuda.is_available(), reason="no NVIDIA GPU, or torch's CPU build")


class AnywhereGenerator(torch.Generator):
    """Draws on the CPU, whatever device it is asked for."""

    def __new__(cls, device="cpu"):
        return super().__new__(cls)


@pytest.fixture
def fake_gpu(monkeypatch):
    """``cuda`` is the fake device, whose dropout draws as the CPU's does."""
    monkeypatch.setattr(torch, "Generator", AnywhereGenerator)
    monkeypatch.setattr(sequence, "training_device", lambda *_: NAME)
    return FakeDevice()


@pytest.mark.parametrize(("member", "config"), [(LstmMember, LstmConfig), (TcnMember, TcnConfig)], ids=["lstm", "tcn"])
def test_training_elsewhere_is_training_here(fake_gpu, monkeypatch, member, config):
    problem = planted(seed=33, rows=120)
    chosen = config(hidden=8, layers=2, epochs=2, learning_rate=0.02)
    with fake_gpu:
        there = fit(lambda: member(chosen), problem)
    assert fake_gpu.operations > 1_000
    monkeypatch.setattr(sequence, "training_device", lambda *_: "cpu")
    here = fit(lambda: member(chosen), problem)
    assert (there.record.notes["device"], here.record.notes["device"]) == (NAME, "cpu")
    for name, losses in here.record.curves.items():
        np.testing.assert_allclose(there.record.curves[name], losses, atol=1e-6)
    said = predict(here, problem, problem.test)
    assert here.record.notes["best_epoch"] == 2
    assert np.std(said) > 0.01
    np.testing.assert_allclose(predict(there, problem, problem.test), said, atol=1e-6)


def test_a_network_trained_elsewhere_comes_back(fake_gpu):
    problem = planted(seed=34, rows=100)
    with fake_gpu:
        fitted = fit(lambda: LstmMember(LstmConfig(hidden=8, layers=1, epochs=1)), problem)
    for value in fitted.network.state_dict().values():
        assert value.device.type == "cpu"
        assert not isinstance(value, Elsewhere)
    assert len(fitted.part().model.SerializeToString()) > 0


def test_the_fake_device_does_not_mix_with_the_cpu():
    with FakeDevice():
        there = torch.ones(3).to(NAME)
        assert there.device.type == NAME
        assert (there + 1.0).cpu().tolist() == [2.0, 2.0, 2.0]
        with pytest.raises(RuntimeError, match="tensors on the CPU and on the fake device"):
            there + torch.ones(3)


def test_every_device_starts_from_the_same_weights(fake_gpu):
    scaler = Scaler(np.zeros(3), np.ones(3), 5.0)
    here = seeded(lambda: LstmNetwork(scaler, 8, 2, 0.1, 0.5), 4)
    with fake_gpu:
        there = seeded(lambda: LstmNetwork(scaler, 8, 2, 0.1, 0.5), 4, NAME)
        assert there.device.type == NAME
        assert all(part.device.type == NAME for part in there.zero_state(2))
    there.cpu()
    for one, other in zip(here.state_dict().values(), there.state_dict().values(), strict=True):
        assert torch.equal(one, other)


def test_cublas_is_told_to_repeat_itself_unless_it_was_told_already(monkeypatch):
    monkeypatch.delenv("CUBLAS_WORKSPACE_CONFIG", raising=False)
    repeatable_cuda()
    assert os.environ["CUBLAS_WORKSPACE_CONFIG"] == ":16:8"
    monkeypatch.setenv("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    repeatable_cuda()
    assert os.environ["CUBLAS_WORKSPACE_CONFIG"] == ":4096:8"


def test_xgboost_is_told_where_and_predicts_on_the_cpu(monkeypatch):
    problem = planted(seed=35, rows=400)
    here = fit(XgboostMember, problem)
    told, told_after = [], []
    train, set_param = xgboost.train, xgboost.Booster.set_param

    def watched(parameters, *args, **kwargs):
        told.append(parameters["device"])
        return train(parameters, *args, **kwargs)

    def watched_after(booster, parameters, value=None):
        told_after.append(parameters)
        set_param(booster, parameters, value)

    monkeypatch.setattr(xgboost, "train", watched)
    monkeypatch.setattr(xgboost_member, "xgboost_sees_cuda", lambda: True)
    monkeypatch.setattr(xgboost.Booster, "set_param", watched_after)
    there = fit(ON_GPU["xgboost"], problem)
    assert told == ["cuda"]
    # The CPU build forgets what it was told; a CUDA build would go on predicting on the GPU.
    assert told_after[-1]["device"] == "cpu"
    assert (here.record.notes["device"], there.record.notes["device"]) == ("cpu", "cuda")
    assert predict(here, problem, problem.test).tobytes() == predict(there, problem, problem.test).tobytes()


@pytest.mark.parametrize("name", ON_GPU)
def test_a_gpu_that_is_not_there_is_refused(monkeypatch, name):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(MemberError, match=r'device is "cuda", but (torch|xgboost) sees no NVIDIA GPU.*LOCK=train-cuda'):
        fit(ON_GPU[name], planted(seed=36, rows=200))


def test_xgboost_needs_a_cuda_build_and_a_gpu(monkeypatch):
    for build, gpu in ((False, True), (True, False), (True, True)):
        monkeypatch.setattr(xgboost, "build_info", lambda build=build: {"USE_CUDA": build})
        monkeypatch.setattr(torch.cuda, "is_available", lambda gpu=gpu: gpu)
        assert device.xgboost_sees_cuda() == (build and gpu)


def test_the_processor_is_the_default_and_asks_nobody():
    def never():
        raise AssertionError("asked for a GPU")

    assert (LstmConfig().device, XgboostConfig().device) == ("cpu", "cpu")
    assert training_device("cpu", never, "torch") == "cpu"


@pytest.mark.parametrize("config", [LstmConfig, TcnConfig, XgboostConfig])
def test_a_misspelt_device_is_refused(config):
    with pytest.raises(msgspec.ValidationError, match=r"'gpu' - at `\$.device`"):
        msgspec.convert({"device": "gpu"}, config)


def by_the_old_setting():
    torch.set_float32_matmul_precision("high")


def by_place():
    for one in (torch.backends.cuda.matmul, torch.backends.mkldnn.matmul):
        one.fp32_precision = "tf32"


def rounded_on_a_processor():
    torch.backends.mkldnn.fp32_precision = "bf16"


@pytest.mark.parametrize(
    "before",
    [lambda: None, by_the_old_setting, by_place, rounded_on_a_processor],
    ids=["default", "old", "by place", "processor"],
)
def test_a_fit_multiplies_in_full_float32_and_leaves_torch_as_it_was(before):
    kept, exact = Precision.now(), Precision("highest", False, dict.fromkeys(FLOAT32, "ieee"))
    processor = torch.backends.mkldnn.fp32_precision
    try:
        before()
        found = Precision.now()
        assert "tf32" in found.by_place.values(), "by default cuDNN's layers are allowed TF32"
        with deterministic(1):
            assert Precision.now() == exact
            # Torch asks so too, beside a fit as well, and refuses where two of its settings disagree.
            assert not torch.backends.cuda.matmul.allow_tf32
            assert not torch.backends.cudnn.allow_tf32
            with deterministic(1):
                pass
            assert Precision.now() == exact, "as long as another fit is inside"
            with torch.backends.cudnn.flags(enabled=False, allow_tf32=False):
                pass
            assert not torch.backends.cudnn.allow_tf32
        assert Precision.now() == found
    finally:
        torch.backends.mkldnn.fp32_precision = processor
        kept.apply()
    assert Precision.now() == kept


def test_bfloat16_on_a_gpu_is_refused_for_the_lstm_and_for_it_alone():
    with pytest.raises(ValueError, match=r'bf16 is true and device is "cuda".*float16'):
        LstmConfig(bf16=True, device="cuda")
    assert LstmConfig(bf16=True, device="auto").bf16, "a processor may be what it finds"
    assert TcnConfig(bf16=True, device="cuda").bf16


@pytest.mark.parametrize(
    ("network", "member", "device", "said"),
    [
        (LstmNetwork, LstmConfig, "cpu", "bfloat16 autocast"),
        (LstmNetwork, LstmConfig, "cuda", "float32"),
        (TcnNetwork, TcnConfig, "cpu", "bfloat16 autocast"),
        (TcnNetwork, TcnConfig, "cuda", "bfloat16 autocast"),
        (TcnNetwork, TcnConfig, NAME, "float32"),
    ],
)
def test_where_a_network_trains_in_bfloat16(monkeypatch, network, member, device, said):
    monkeypatch.setattr(SequenceNetwork, "device", SimpleNamespace(type=device))
    monkeypatch.setattr(torch.Tensor, "to", lambda self, *_: self)
    kernel = (3,) if network is TcnNetwork else ()
    made = network(Scaler(np.zeros(3), np.ones(3), 5.0), 8, 2, *kernel, 0.1, 0.5)
    problem = planted(seed=38, rows=200)
    streams = training_streams(problem.panel, problem.train, 512, 64)
    trainer = Trainer(made, member(bf16=True), torch.zeros(3, 3), streams, streams, np.random.default_rng(0), print)
    assert trainer.precision == said


@pytest.mark.parametrize(("bf16", "said"), [(True, "bfloat16 autocast"), (False, "float32")])
def test_the_record_says_in_which_numbers_a_network_was_trained(bf16, said):
    problem = planted(seed=38, rows=200)
    fitted = fit(lambda: TcnMember(TcnConfig(hidden=8, layers=1, epochs=1, bf16=bf16)), problem)
    assert (fitted.record.notes["device"], fitted.record.notes["precision"]) == ("cpu", said)


NETWORKS = {"lstm": (LstmMember, LstmConfig), "tcn": (TcnMember, TcnConfig)}
FORWARD, LOSSES = 1e-5, 1e-3
"""How far logits of one network, and validation losses of two fits, may be apart on both devices: float32 adds in
another order (a logit of TF32 would be off by 1e-3), and an epoch's steps amplify it."""


@needs_gpu
@pytest.mark.parametrize("name", NETWORKS)
def test_a_forward_pass_on_a_gpu_is_that_on_the_processor(name):
    member, config = NETWORKS[name]
    random = np.random.default_rng(39)
    made = seeded(lambda: member(config()).network(Scaler(np.zeros(20), np.ones(20), 5.0), 0.5), 4)
    torch.nn.init.normal_(made.head.weight, std=1.0)
    x = torch.from_numpy(random.normal(size=(8, 200, 20)).astype(np.float32))
    made.eval()
    with deterministic(1), torch.inference_mode():
        here = made(x, made.zero_state(8))[0]
        repeatable_cuda()
        made.to("cuda")
        there = made(x.to("cuda"), made.zero_state(8))[0].cpu()
    assert float(here.std()) > 0.1
    torch.testing.assert_close(there, here, atol=FORWARD, rtol=0)


@needs_gpu
@pytest.mark.parametrize("name", NETWORKS)
def test_a_fit_on_a_gpu_has_the_validation_losses_of_one_on_the_processor(name):
    """Without dropout, which each device draws for itself."""
    member, config = NETWORKS[name]
    problem = planted(seed=40, rows=400)
    here, there = (
        fit(lambda: member(config(dropout=0.0, epochs=3, device=device)), problem).record.curves["validation_log_loss"]  # noqa: B023
        for device in ("cpu", "cuda")
    )
    assert here[-1] < here[0]
    np.testing.assert_allclose(there, here, atol=LOSSES)


@needs_gpu
def test_the_tcn_learns_in_bfloat16_on_a_gpu():
    problem = planted(seed=11)
    fitted = fit(lambda: TcnMember(TcnConfig(bf16=True, device="cuda")), problem)
    assert fitted.record.notes["precision"] == "bfloat16 autocast"
    assert problem.gain(predict(fitted, problem, problem.test), problem.test) > 0.5 * problem.best_gain


@needs_gpu
@pytest.mark.parametrize(("name", "share"), [("lstm", 0.6), ("tcn", 0.6), ("xgboost", 0.75)])
def test_conforms_on_a_gpu(name, share):
    check_member(ON_GPU[name], share)


@needs_gpu
def test_auto_takes_the_gpu():
    fitted = fit(lambda: LstmMember(LstmConfig(device="auto", epochs=1, bf16=True)), planted(seed=37, rows=200))
    assert (fitted.record.notes["device"], fitted.record.notes["precision"]) == ("cuda", "float32")
    assert fitted.network.device.type == "cpu"
