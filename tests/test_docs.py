"""What README.md repeats of the documentation is what stands there."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
README, REAL = ((ROOT / name).read_text(encoding="utf-8") for name in ("README.md", "docs/real-data.md"))


def rows(text):
    """Every table row of a text, as its cells."""
    return [[cell.strip() for cell in line.strip()[1:-1].split("|")] for line in text.splitlines() if line[:1] == "|"]


@pytest.mark.parametrize("name", ["spot-15m", "perp-1m"])
def test_scores_on_real_data_are_those_of_their_page(name):
    (shown,) = [row for row in rows(README) if row[0] == name]
    section = REAL.split(f"\n## {name}\n")[1].split("\n## ")[0]
    scores = {row[0]: row for row in rows(section) if len(row) == 6 and "(" in row[1]}
    gain, auc = (re.sub(r" \((\S+) to (\S+)\)", r" [\1, \2]", cell) for cell in scores["ensemble"][1:3])
    assert shown[2:4] == [auc, gain]
    best, value = shown[4].split(" ", 1)
    assert value == re.sub(r" \((\S+) to (\S+)\)", r" [\1, \2]", scores[best][2])
    members = [one for one in scores if one not in ("trees only", "stacker", "ensemble")]
    assert best == max(members, key=lambda one: float(scores[one][2].split()[0]))


def test_the_demo_that_is_promoted_is_the_demo_that_was_run():
    gain = re.search(r"its information gain is (\S+ \[\S+ \S+\]) nats", README)[1]
    assert re.search(rf"prediction +passed +information gain {re.escape(gain)} nats", README)
    assert re.search(rf"ensemble +\S+ \[\S+ \S+\]  {re.escape(gain.replace('+', ''))}", README)
    ratio = re.search(r"with an annual Sharpe ratio of (\S+ \[\S+ \S+\])", README)[1]
    assert re.search(rf"profit +FAILED +net annual Sharpe ratio {re.escape(ratio)}", README)
