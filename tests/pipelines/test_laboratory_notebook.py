"""The laboratory's notebook: its claims hold in a new execution, and it uses the library without defining anything."""

from __future__ import annotations

import ast
from copy import deepcopy

import nbformat

from tests.pipelines.notebook_checks import (
    check_committed,
    check_executed_afresh,
    check_no_machine,
    code_cells,
    headings,
    refresh,
    texts,
)

COMMITTED = nbformat.read(refresh.LABORATORY, as_version=4)
STORY = (
    "Labels",
    "Overlap",
    "The sequential bootstrap",
    "How an unpurged split lies",
    "What each split trains on",
    "Combinatorial paths",
    "Many were tried",
    "Importance, by clusters",
    "The verdict",
)


def syntax(notebook):
    lines = "\n".join(refresh.code(notebook)).splitlines()
    return ast.parse("\n".join(line for line in lines if not line.startswith("%")))


def verdicts(notebook):
    """The last words about each market."""
    words = [output.data["text/markdown"] for output in code_cells(notebook)[-1].outputs if "data" in output]
    return {text.removeprefix("**").partition(":")[0]: text for text in words}


def test_every_cell_runs_and_every_claim_holds():
    done = refresh.executed(deepcopy(COMMITTED))
    check_executed_afresh(done, COMMITTED)
    found = verdicts(done)
    assert list(found) == ["null", "planted", "BTC"]
    assert "no evidence of an edge" in found["null"]
    assert found["planted"].startswith("**planted: an edge.**")


def test_the_committed_outputs_are_of_one_whole_execution_of_the_committed_code():
    check_committed(COMMITTED, figures=10)
    assert verdicts(COMMITTED).keys() == {"null", "planted", "BTC"}


def test_the_committed_outputs_hold_no_path_of_a_machine_and_no_warnings():
    check_no_machine(COMMITTED)


def test_it_is_small_and_tells_the_whole_story():
    assert refresh.LABORATORY.stat().st_size < 400_000
    assert headings(COMMITTED) == list(STORY)


def test_the_claims_are_asserted_in_the_cells():
    claims = [ast.unparse(node.test) for node in ast.walk(syntax(COMMITTED)) if isinstance(node, ast.Assert)]
    for claim in ("lie.low > 0.5", "truth.low < 0.5 < truth.high", "verdicts['planted'] and (not verdicts['null'])"):
        assert any(claim in one for one in claims), claim
    assert len(claims) >= 12


def test_it_defines_nothing_of_its_own():
    own = (ast.FunctionDef, ast.ClassDef, ast.Lambda)
    assert not [node for node in ast.walk(syntax(COMMITTED)) if isinstance(node, own)]


def test_the_numbers_in_the_words_are_those_of_the_tables():
    lie = next(text for text in texts(COMMITTED) if text.startswith("null market: shuffled"))
    assert f"AUC of {lie.split()[3]}" in verdicts(COMMITTED)["null"]
