"""What a killed process was filling is removed by the next one, and nothing else."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from pipelines.stages.artefacts import Artefacts, job
from pipelines.stages.scratch import scratch_folder

ROOT = Path(__file__).resolve().parent.parent.parent
FILLS = """
import sys, time
from pathlib import Path
from pipelines.stages.scratch import scratch_folder
with scratch_folder(Path(sys.argv[1]), "dead") as folder:
    (folder / "half.npy").write_bytes(b"half")
    print(folder.name, flush=True)
    time.sleep(600)
"""


def names(folder):
    return sorted(path.name for path in folder.iterdir())


@pytest.fixture
def filling(tmp_path):
    """A process that fills a folder, and the folder's name."""
    process = subprocess.Popen(
        [sys.executable, "-c", FILLS, str(tmp_path)], stdout=subprocess.PIPE, text=True, cwd=ROOT
    )
    yield process, process.stdout.readline().strip()
    process.kill()
    process.communicate()


def test_a_living_process_keeps_its_folder_and_a_killed_one_does_not(tmp_path, filling):
    process, name = filling
    with scratch_folder(tmp_path, "mine") as mine:
        assert names(tmp_path) == sorted([mine.name, name])
    assert names(tmp_path) == [name], "mine is gone, the other is being filled"
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    assert names(tmp_path) == [name], "it was killed in the middle"
    with scratch_folder(tmp_path, "mine") as mine:
        assert names(tmp_path) == [mine.name]


def test_the_artefact_that_is_made_next_finds_the_stage_swept(tmp_path):
    made = Artefacts(tmp_path)

    def build(draft, progress):
        draft.json("said", 1)

    first = made.make(job("stage", "first", (1,), build, ()))
    (tmp_path / "stage" / ".0123-abc").mkdir()
    (tmp_path / "stage" / ".0123-abc" / "half.npy").write_bytes(b"half")
    second = made.make(job("stage", "second", (2,), build, ()))
    assert names(tmp_path / "stage") == sorted([first.digest, second.digest])
    assert second.json("said") == 1


def test_what_fails_leaves_nothing(tmp_path):
    def build(draft, progress):
        draft.json("said", 1)
        raise ValueError("on purpose")

    with pytest.raises(ValueError, match="on purpose"):
        Artefacts(tmp_path).make(job("stage", "fails", (), build, ()))
    assert names(tmp_path / "stage") == []
