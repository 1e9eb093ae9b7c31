"""The laboratory's notebook: its claims hold in a new execution, and it uses the library without defining anything."""

from __future__ import annotations

import ast
import re
from concurrent.futures import ProcessPoolExecutor
from copy import deepcopy
from multiprocessing import get_context

import matplotlib.pyplot as plt
import nbformat
import numpy as np
import pytest

from models.weights import average_uniqueness
from tests.pipelines.notebook_checks import (
    check_committed,
    check_executed_afresh,
    check_no_machine,
    check_same_words,
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
    check_same_words(done, COMMITTED)
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


def test_a_printed_number_that_moved_is_noticed():
    check_same_words(COMMITTED, COMMITTED)
    for cell, old, new in (
        (6, "5,856 labels", "5,859 labels"),
        (11, "shuffled 0.97", "shuffled 0.94"),
        (21, "BTC", "ETH"),
    ):
        moved = deepcopy(COMMITTED)
        text = next(output for output in moved.cells[cell].outputs if old in output.get("text", ""))
        text["text"] = text["text"].replace(old, new)
        with pytest.raises(AssertionError):
            check_same_words(moved, COMMITTED)


def cell_with(mark):
    """The one code cell that holds some text, without magic lines."""
    (found,) = [source for source in refresh.code(COMMITTED) if mark in source]
    return "\n".join(line for line in found.splitlines() if not line.startswith("%"))


def changed(source, old, new):
    assert source.count(old) == 1, old
    return source.replace(old, new)


def run(source, names):
    exec(source, names)  # noqa: S102  (the notebook's own cell)


def null_scores(seed):
    """What the notebook's own cells find on the null market of another seed: each honest splitter's AUC."""
    names, seeds = {}, "HORIZON, SEED = 6_000, 48, "
    run(changed(cell_with("markets = {"), f"{seeds}7", f"{seeds}{seed}"), names)
    plt.close("all")
    names["markets"] = {"null": names["markets"]["null"]}
    run(cell_with("labels = {"), names)
    names["unique"] = {name: average_uniqueness(one.start, one.t1) for name, one in names["labels"].items()}
    shuffled = '"shuffled k-fold": KFold(5, shuffle=True, random_state=SEED),'
    run(changed(cell_with("auc = {}"), shuffled, ""), names)
    return {kind: found for (_, kind), found in names["auc"].items()}


@pytest.mark.long
def test_over_forty_null_markets_the_honest_splits_find_what_the_words_say():
    words = next(cell.source for cell in COMMITTED.cells if "over forty such markets" in cell.source)
    said = re.search(
        r"\(seeds 1 to 40\) the mean AUC was ([\d.]+) ± ([\d.]+) purged and ([\d.]+) ± ([\d.]+) walking forward",
        " ".join(words.split()),
    )
    with ProcessPoolExecutor(2, mp_context=get_context("spawn")) as pool:
        found = list(pool.map(null_scores, range(1, 41)))
    missed = 0
    for kind, value, error in (("purged k-fold", *said.group(1, 2)), ("purged walk-forward", *said.group(3, 4))):
        values = np.array([one[kind].value for one in found])
        missed += sum(not one[kind].low < 0.5 < one[kind].high for one in found)
        mean, spread = values.mean(), values.std(ddof=1) / len(values) ** 0.5
        print(f"{kind}: {mean:.4f} ± {spread:.4f}; {missed} intervals have missed so far")
        assert (float(value), float(error)) == pytest.approx((mean, spread), abs=0.0006)
    assert f"{missed} of the eighty 95 % intervals missed" in " ".join(words.split())
