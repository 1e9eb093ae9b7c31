"""What holds of every committed notebook: whole outputs of exactly its code, no path of a machine, no warnings."""

from __future__ import annotations

import importlib.util
import re
from decimal import Decimal
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
NUMBER = re.compile(r"\d[\d,]*(?:\.\d+)?")
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


def check_same_words(done, committed):
    """Both print the same words, and numbers that differ by less than two in the last digit that is shown.

    Another processor rounds the last bit of a logarithm otherwise; nothing else may make a printed number move.
    """
    for said, shown in zip(outputs(done), outputs(committed), strict=True):
        assert said.output_type == shown.output_type
        pairs = [(said.get("text", ""), shown.get("text", ""))]
        assert said.get("data", {}).keys() == shown.get("data", {}).keys()
        kinds = [kind for kind in shown.get("data", {}) if kind.startswith("text/")]
        for new, old in (*pairs, *((said.data[kind], shown.data[kind]) for kind in kinds)):
            assert NUMBER.sub("#", new) == NUMBER.sub("#", old)
            for one, other in zip(NUMBER.findall(new), NUMBER.findall(old), strict=True):
                digits = max(len(text.partition(".")[2]) for text in (one, other))
                apart = abs(Decimal(one.replace(",", "")) - Decimal(other.replace(",", "")))
                assert apart < 2 * Decimal(10) ** -digits, (one, other, old)


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
