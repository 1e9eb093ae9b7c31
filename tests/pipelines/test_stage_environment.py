"""A stage's digest: every source and every library that decides its bits, and nothing about where it runs."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from models.members import MEMBERS
from pipelines.stages import environment
from pipelines.stages.artefacts import Artefacts, job

ROOT = environment.ROOT


def of_pipelines(path):
    """The modules of pipelines that a source imports, as files, `TYPE_CHECKING` ones included."""
    for node in ast.walk(ast.parse(path.read_text())):
        names = []
        if isinstance(node, ast.Import):
            names = [one.name for one in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module:
            names = [node.module, *(f"{node.module}.{one.name}" for one in node.names)]
        for name in names:
            file = ROOT / Path(*name.split(".")).with_suffix(".py")
            if name.startswith("pipelines.") and file.is_file():
                yield file


def reached(paths):
    """Sources and everything of pipelines that they import, directly or not."""
    found, left = set(), list(paths)
    while left:
        path = left.pop()
        if path not in found:
            found.add(path)
            left.extend(of_pipelines(path))
    return found


def test_every_source_that_a_stage_imports_is_in_the_code_digest():
    stages = (ROOT / "pipelines" / "stages").glob("*.py")
    assert reached(stages) <= set(environment.source_files())


def test_every_room_of_research_is_in_the_code_digest():
    files = set(environment.source_files())
    for room in ("market", "features", "models", "trading"):
        assert set((ROOT / room).rglob("*.py")) <= files
    assert all(path.is_file() for path in files)


def digest(libraries=("numpy",)):
    return job("fit", "a job", ("inputs",), lambda draft, progress: None, libraries).digest


@pytest.mark.parametrize(
    ("name", "changed"),
    [
        ("code_digest", lambda: "other"),
        ("machine_class", lambda: ("other",)),
        ("_installed", lambda names: f"{names[0]} 0.0.1"),
    ],
)
def test_code_machine_and_versions_change_the_digest(monkeypatch, name, changed):
    before = digest()
    monkeypatch.setattr(environment, name, changed)
    assert digest() != before


def test_python_changes_the_digest(monkeypatch):
    before = digest()
    monkeypatch.setattr(environment.platform, "python_version", lambda: "3.11.0")
    assert digest() != before


def test_a_library_that_a_stage_does_not_use_does_not_change_it(monkeypatch):
    real, before = environment._installed, digest()
    monkeypatch.setattr(environment, "_installed", lambda names: "0" if "torch" in names else real(names))
    assert digest() == before
    assert digest(("numpy", "torch")) != digest()


def test_every_member_states_its_libraries_and_they_are_installed():
    for name in MEMBERS:
        libraries = environment.member_libraries([name])
        assert {"numpy", "onnx"} < set(libraries)
        assert "absent" not in environment.library_versions(libraries).values()
    assert environment.member_libraries(["lstm", "tcn"]) == environment.member_libraries(["tcn"])


def test_an_artefact_is_found_wherever_its_root_lies(tmp_path):
    made = job("fit", "a job", ("inputs",), lambda draft, progress: draft.json("said", [1]), ("numpy",))
    first = Artefacts(tmp_path / "first").make(made)
    (tmp_path / "first").rename(tmp_path / "second")
    moved = Artefacts(tmp_path / "second")
    assert moved.find(made) == moved.at(first.stage, first.digest)
    assert moved.at(first.stage, first.digest).json("said") == [1]
