"""The versions in a result, by either build of XGBoost: ``xgboost-cpu`` (CPU locks) or ``xgboost`` (CUDA locks)."""

from __future__ import annotations

import re
from importlib.metadata import PackageNotFoundError
from pathlib import Path

import pytest

from pipelines.stages import summary

REQUIREMENTS = Path(__file__).resolve().parents[2] / "requirements"


def installed_by(lock):
    """The distributions and versions of a lock, asked for as `importlib.metadata.version` is."""
    text = (REQUIREMENTS / f"{lock}.txt").read_text()
    found = dict(re.findall(r"^([a-z0-9-]+)(?:\[\w+\])?==(\S+)", text, re.M))

    def version(name):
        if name not in found:
            raise PackageNotFoundError(name)
        return found[name]

    return version


@pytest.mark.parametrize(
    ("lock", "there", "absent"),
    [
        ("train", "xgboost-cpu", "xgboost"),
        ("dev", "xgboost-cpu", "xgboost"),
        ("train-cuda", "xgboost", "xgboost-cpu"),
        ("dev-cuda", "xgboost", "xgboost-cpu"),
    ],
)
def test_every_training_lock_has_what_a_result_names(monkeypatch, lock, there, absent):
    monkeypatch.setattr(summary, "version", installed_by(lock))
    versions = summary.installed_versions()
    assert versions[there] == "3.2.0"
    assert absent not in versions
    assert len(versions) == len(summary.PACKAGES)


def test_a_package_that_is_missing_is_named(monkeypatch):
    monkeypatch.setattr(summary, "version", installed_by("serve"))
    with pytest.raises(PackageNotFoundError, match="torch"):
        summary.installed_versions()


def test_here_too():
    versions = summary.installed_versions()
    assert {"torch", "mlflow", "prefect"} < set(versions)
