"""The tour runs from its first cell to its last on a real run, and what is committed is what such a run showed."""

from __future__ import annotations

from copy import deepcopy

import nbformat
import pytest

from tests.pipelines.notebook_checks import (
    check_committed,
    check_executed_afresh,
    check_no_machine,
    code_cells,
    headings,
    refresh,
    texts,
)

COMMITTED = nbformat.read(refresh.TOUR, as_version=4)


@pytest.mark.xdist_group("road")
def test_every_cell_of_the_tour_runs(road):
    done = refresh.executed(deepcopy(COMMITTED), road.run)
    check_executed_afresh(done, COMMITTED)
    assert any("digest confirmed" in text for text in texts(done))


def test_the_committed_outputs_are_of_one_whole_execution_of_the_committed_code():
    check_committed(COMMITTED, figures=7)
    assert all(cell.outputs for cell in code_cells(COMMITTED))
    assert any("digest confirmed" in text for text in texts(COMMITTED))


def test_the_committed_outputs_hold_no_path_of_a_machine_and_no_warnings():
    check_no_machine(COMMITTED)


def test_the_tour_is_small_and_tells_the_whole_story():
    assert refresh.TOUR.stat().st_size < 400_000
    story = ("Data", "Features", "Labels", "Folds", "Members", "Calibration", "Equity", "Live", "Live, replayed")
    found = headings(COMMITTED)
    places = [next(n for n, heading in enumerate(found) if heading.startswith(name)) for name in story[:-1]]
    assert places == sorted(places)
    assert found[-1] == "Live, replayed"


def test_an_edited_cell_is_noticed():
    edited = deepcopy(COMMITTED)
    code_cells(edited)[3].source += "  # "
    assert refresh.code_digest(edited) != COMMITTED.metadata["bot4"]["code"]


def test_a_notebook_that_does_not_exist_is_refused(monkeypatch, capsys):
    monkeypatch.setattr("sys.argv", ["refresh.py", "tuor"])
    with pytest.raises(SystemExit):
        refresh.main()
    assert "no notebook is called 'tuor'; there are tour, laboratory" in capsys.readouterr().err
