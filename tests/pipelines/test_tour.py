"""The tour runs from its first cell to its last on a real run, and what is committed is what such a run showed."""

from __future__ import annotations

import importlib.util
import re
from copy import deepcopy
from pathlib import Path

import nbformat
import pytest

ROOT = Path(__file__).resolve().parent.parent.parent
SPEC = importlib.util.spec_from_file_location("refresh", ROOT / "notebooks" / "refresh.py")
refresh = importlib.util.module_from_spec(SPEC)
SPEC.loader.exec_module(refresh)
COMMITTED = nbformat.read(refresh.TOUR, as_version=4)
STALE = "the tour was changed after it was executed: run `python notebooks/refresh.py`"


def code_cells(notebook):
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def texts(notebook):
    """Everything that outputs say in words."""
    outputs = [output for cell in code_cells(notebook) for output in cell.outputs]
    said = [output.get("text", "") for output in outputs]
    return said + [
        value for output in outputs for kind, value in output.get("data", {}).items() if kind.startswith("text/")
    ]


@pytest.mark.xdist_group("road")
def test_every_cell_of_the_tour_runs(road):
    done = refresh.executed(deepcopy(COMMITTED), road.run)
    assert refresh.code(done) == refresh.code(COMMITTED)
    assert [cell.execution_count for cell in code_cells(done)] == list(range(1, len(code_cells(done)) + 1))
    assert len(refresh.images(done)) == len(refresh.images(COMMITTED))
    assert any("digest confirmed" in text for text in texts(done))
    assert done.metadata == COMMITTED.metadata


def test_the_committed_outputs_are_of_one_whole_execution_of_the_committed_code():
    assert COMMITTED.metadata["bot4"]["code"] == refresh.code_digest(COMMITTED), STALE
    cells = code_cells(COMMITTED)
    assert [cell.execution_count for cell in cells] == list(range(1, len(cells) + 1)), STALE
    assert all(cell.outputs for cell in cells)
    assert not [output for cell in cells for output in cell.outputs if output.output_type == "error"]
    assert len(refresh.images(COMMITTED)) >= 7
    assert any("digest confirmed" in text for text in texts(COMMITTED))


def test_the_committed_outputs_hold_no_path_of_a_machine_and_no_warnings():
    for text in texts(COMMITTED):
        assert re.search(r"(?<![\w.)\]])/(?:[\w.-]+/)+", text.replace("</", "<")) is None, text
    assert not [
        output for cell in code_cells(COMMITTED) for output in cell.outputs if output.get("name", "") == "stderr"
    ]


def test_the_tour_is_small_and_tells_the_whole_story():
    assert refresh.TOUR.stat().st_size < 400_000
    headings = [cell.source.splitlines()[0] for cell in COMMITTED.cells if cell.source.startswith("## ")]
    story = ("Data", "Features", "Labels", "Folds", "Members", "Calibration", "Equity", "Live", "Live, replayed")
    places = [next(n for n, heading in enumerate(headings) if heading[3:].startswith(name)) for name in story[:-1]]
    assert places == sorted(places)
    assert headings[-1] == "## Live, replayed"


def test_an_edited_cell_is_noticed():
    edited = deepcopy(COMMITTED)
    code_cells(edited)[3].source += "  # "
    assert refresh.code_digest(edited) != COMMITTED.metadata["bot4"]["code"]
