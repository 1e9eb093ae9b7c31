"""What holds of every committed notebook: whole outputs of exactly its code, no path of a machine, no warnings."""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
SPEC = importlib.util.spec_from_file_location("refresh", ROOT / "notebooks" / "refresh.py")
refresh = importlib.util.module_from_spec(SPEC)
SPEC.loader.exec_module(refresh)


def code_cells(notebook):
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def outputs(notebook):
    return [output for cell in code_cells(notebook) for output in cell.outputs]


def texts(notebook):
    """Everything that outputs say in words."""
    said = [output.get("text", "") for output in outputs(notebook)]
    return said + [
        value
        for output in outputs(notebook)
        for kind, value in output.get("data", {}).items()
        if kind.startswith("text/")
    ]


def headings(notebook):
    """Every heading of a section, in order."""
    return [line[3:] for cell in notebook.cells for line in cell.source.splitlines() if line.startswith("## ")]


def check_executed_afresh(done, committed):
    """The committed notebook is what a new execution of it gives, but for bytes of figures."""
    assert refresh.code(done) == refresh.code(committed)
    assert [cell.execution_count for cell in code_cells(done)] == list(range(1, len(code_cells(done)) + 1))
    assert len(refresh.images(done)) == len(refresh.images(committed))
    assert done.metadata == committed.metadata


def check_committed(committed, figures):
    """The outputs are of one whole execution of the committed code."""
    stale = "the notebook was changed after it was executed: run `python notebooks/refresh.py`"
    assert committed.metadata["bot4"]["code"] == refresh.code_digest(committed), stale
    cells = code_cells(committed)
    assert [cell.execution_count for cell in cells] == list(range(1, len(cells) + 1)), stale
    assert not [output for output in outputs(committed) if output.output_type == "error"]
    assert len(refresh.images(committed)) >= figures


def check_no_machine(committed):
    """No path of a machine in what was printed, and no warnings."""
    for text in texts(committed):
        assert re.search(r"(?<![\w.)\]])/(?:[\w.-]+/)+", text.replace("</", "<")) is None, text
    assert not [output for output in outputs(committed) if output.get("name", "") == "stderr"]
