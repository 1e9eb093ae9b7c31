"""The tour runs from its first cell to its last on a real run."""

from __future__ import annotations

from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

TOUR = Path(__file__).resolve().parent.parent.parent / "notebooks" / "tour.ipynb"


@pytest.mark.xdist_group("road")
def test_the_tour_runs(road, monkeypatch):
    monkeypatch.setenv("BOT4_RUN", str(road.run))
    notebook = nbformat.read(TOUR, as_version=4)
    assert not any(cell.get("outputs") for cell in notebook.cells)
    done = NotebookClient(notebook, timeout=300, kernel_name="python3").execute()
    outputs = [output for cell in done.cells for output in cell.get("outputs", [])]
    assert sum("image/png" in output.get("data", {}) for output in outputs) >= 4
    assert any("digest confirmed" in output.get("text", "") for output in outputs)
