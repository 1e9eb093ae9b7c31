"""The choice of make between the CPU and the CUDA build, with a faked nvidia-smi and a pip that only writes down."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
NO_DRIVER = "echo NVIDIA-SMI has failed because it could not communicate with the NVIDIA driver.; exit 9"
GPU = "echo 'GPU 0: NVIDIA H100 80GB HBM3 (UUID: GPU-0)'"
VENV = """while [ $# -gt 1 ]; do shift; done; mkdir -p $1/bin; touch $1/bin/python
printf '#!/bin/sh\\necho pip "$@" >> pip.log\\n' > $1/bin/pip
printf '#!/bin/sh\\n' | tee $1/bin/bot4 > $1/bin/pytest
chmod +x $1/bin/*"""

pytestmark = pytest.mark.skipif(shutil.which("make") is None, reason="make is not installed")


def script(path, body):
    path.parent.mkdir(exist_ok=True)
    path.write_text(f"#!/bin/sh\n{body}\n")
    path.chmod(0o755)


@pytest.fixture
def checkout(tmp_path):
    """The parts of a checkout that the set-up reads, on a machine without a GPU."""
    shutil.copy(ROOT / "Makefile", tmp_path)
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    shutil.copytree(ROOT / "requirements", tmp_path / "requirements")
    script(tmp_path / "bin" / "python3.11", VENV)
    script(tmp_path / "bin" / "nvidia-smi", NO_DRIVER)
    return tmp_path


def make(checkout, *words, ok=True):
    """What make says, and which locks it installed."""
    log = checkout / "pip.log"
    log.unlink(missing_ok=True)
    # Without MAKEFLAGS: `make test` may be what runs this.
    environment = {name: value for name, value in os.environ.items() if name not in ("LOCK", "MAKEFLAGS", "MAKELEVEL")}
    environment["PATH"] = f"{checkout / 'bin'}:{environment['PATH']}"
    done = subprocess.run(["make", *words], cwd=checkout, env=environment, capture_output=True, text=True)
    assert (done.returncode == 0) == ok, done.stdout + done.stderr
    pip = log.read_text() if log.exists() else ""
    return done.stdout + done.stderr, re.findall(r"requirements/(\S+)\.txt", pip)


def test_without_a_gpu_everything_is_the_cpu_build(checkout):
    said, locks = make(checkout, "demo")
    assert "the cpu build of torch and XGBoost: nvidia-smi lists no GPU" in said
    assert locks == ["train", "demo-data"]
    assert make(checkout, "test")[1] == ["dev"]
    said, locks = make(checkout, "demo")
    assert locks == []
    assert ".venv holds that build" in said


def test_where_a_gpu_answers_demo_and_test_are_the_cuda_build(checkout):
    script(checkout / "bin" / "nvidia-smi", GPU)
    said, locks = make(checkout, "demo")
    assert "the cuda build of torch and XGBoost: nvidia-smi lists a GPU" in said
    assert locks == ["train-cuda", "demo-data"]
    assert make(checkout, "test")[1] == ["dev-cuda"]


def test_the_choice_is_remembered_when_the_gpu_goes_or_comes(checkout):
    make(checkout, "setup", "LOCK=train-cuda")
    assert make(checkout, "test")[1] == ["dev-cuda"]
    make(checkout, "clean")
    make(checkout, "setup")
    script(checkout / "bin" / "nvidia-smi", GPU)
    assert make(checkout, "setup", "test")[1] == ["dev"]


def test_an_install_that_broke_off_is_remembered(checkout):
    (checkout / ".venv" / "bin").mkdir(parents=True)
    (checkout / ".venv" / "bin" / "python").touch()
    script(checkout / ".venv" / "bin" / "pip", "exit 1")
    make(checkout, "setup", "LOCK=train-cuda", ok=False)
    said, _ = make(checkout, "-n", "test")
    assert "requirements/dev-cuda.txt" in said


@pytest.mark.parametrize(("stamp", "lock"), [("train", "dev"), ("dev", "train"), ("train-cuda", "dev-cuda")])
def test_an_environment_from_before_the_choice_keeps_its_build(checkout, stamp, lock):
    script(checkout / "bin" / "nvidia-smi", NO_DRIVER if stamp == "train-cuda" else GPU)
    subprocess.run([checkout / "bin" / "python3.11", "-m", "venv", ".venv"], cwd=checkout, check=True)
    (checkout / ".venv" / f".installed-{stamp}").touch()
    assert make(checkout, "setup" if lock == "train" else "setup-dev")[1] == [lock, "demo-data"]


@pytest.mark.parametrize(("first", "then"), [("train", "train-cuda"), ("train-cuda", "dev"), ("dev", "dev-cuda")])
def test_builds_are_not_mixed(checkout, first, then):
    make(checkout, "setup", f"LOCK={first}")
    said, locks = make(checkout, "setup", f"LOCK={then}", ok=False)
    assert "run 'make clean' first" in said
    assert locks == []
    make(checkout, "clean")
    assert make(checkout, "setup", f"LOCK={then}")[1] == [then, "demo-data"]


@pytest.mark.parametrize("lock", ["train", "train-cuda"])
def test_either_build_takes_the_cluster_on_top_and_the_tools_have_it(checkout, lock):
    assert make(checkout, "setup-cluster", f"LOCK={lock}")[1] == [lock, "demo-data", "cluster"]
    assert make(checkout, "setup-cluster")[1] == []


def test_the_live_process_needs_neither_build(checkout):
    make(checkout, "setup-serve")
    assert not (checkout / ".venv" / ".build").exists()
    script(checkout / "bin" / "nvidia-smi", GPU)
    assert make(checkout, "setup")[1] == ["train-cuda", "demo-data"]


def test_a_misspelt_lock_is_refused(checkout):
    said, _ = make(checkout, "setup", "LOCK=cuda", ok=False)
    assert 'LOCK is "cuda"; it must be one of: train train-cuda dev dev-cuda' in said


def test_help_explains_the_choice(checkout):
    said, locks = make(checkout, "help")
    assert "LOCK=train or LOCK=train-cuda picks by hand" in said
    assert "Here: the cpu build, locks train and dev: nvidia-smi lists no GPU" in said
    assert locks == []


def pinned(lock):
    found = re.findall(r"^([a-z0-9-]+)(?:\[\w+\])?==(\S+)", (ROOT / "requirements" / f"{lock}.txt").read_text(), re.M)
    return dict(found)


def test_both_builds_lock_the_same_versions():
    cpu, cuda, tools = pinned("train"), pinned("train-cuda"), pinned("dev-cuda")
    assert cpu.pop("xgboost-cpu") == cuda["xgboost"]
    assert cpu.items() <= cuda.items() <= tools.items()
    assert pinned("dev").items() - {("xgboost-cpu", cuda["xgboost"])} <= tools.items()


def test_the_cluster_is_an_extra_that_agrees_with_every_other_lock():
    cluster = pinned("cluster")
    for lock in ("dev", "dev-cuda"):
        assert cluster.items() <= pinned(lock).items()
    for lock in ("train", "train-cuda"):
        assert "distributed" not in pinned(lock)
        assert all(version == cluster.get(name, version) for name, version in pinned(lock).items())
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    assert extras["cluster"] == [f"distributed=={cluster['distributed']}"]
