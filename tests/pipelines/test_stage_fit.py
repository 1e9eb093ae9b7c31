"""Members are fitted in threads, their libraries imported one at a time; a fit that was killed goes on."""

from __future__ import annotations

import importlib.util
import sys
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace

import pytest

from models.members import MEMBERS
from models.members.planted import planted
from pipelines.stages import fit
from pipelines.stages.artefacts import Artefact, Artefacts
from tests.pipelines.conftest import contents

SLOW = """
import sys, time
sys.half_read.append("{name}")
time.sleep(0.2)
sys.most_at_once = max(sys.most_at_once, len(sys.half_read))
sys.half_read.remove("{name}")
"""


def test_two_members_never_import_their_libraries_at_once(tmp_path, monkeypatch):
    names = ("slow_library_1", "slow_library_2")
    for name in names:
        (tmp_path / f"{name}.py").write_text(SLOW.format(name=name))
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(sys, "half_read", [], raising=False)
    monkeypatch.setattr(sys, "most_at_once", 0, raising=False)
    libraries = dict(zip(("one", "two"), names, strict=True))
    monkeypatch.setattr(MEMBERS, "facts", lambda name: SimpleNamespace(library=libraries[name]))
    with ThreadPoolExecutor(2) as threads:
        list(threads.map(fit.import_library, ("one", "two")))
    assert sys.most_at_once == 1
    assert set(names) <= set(sys.modules)


def test_every_member_states_what_it_imports():
    for name in MEMBERS:
        assert importlib.util.find_spec(MEMBERS.facts(name).library) is not None


def test_a_broken_off_fit_goes_on_makes_the_same_artefact_and_leaves_nothing(tmp_path, monkeypatch):
    problem = planted(seed=42, rows=400)
    monkeypatch.setattr(fit, "load_panel", lambda artefact: problem.panel)
    end = int(problem.panel.samples.t0[problem.test].min())
    window = fit.Window(index=2, train_start=0, train_stop=end, test_start=end, test_stop=end + 1)
    config = SimpleNamespace(
        members={"lstm": {"hidden": 4, "layers": 2, "epochs": 4, "patience": 4}},
        seed=7,
        validation=SimpleNamespace(tail=0.2),
    )
    told, seen = [], []
    job = fit.fit_job(
        config,
        Artefact("panel", "0", ""),
        window,
        "lstm",
        lambda *values: told.append((values[0], values[1], values[3])),
    )

    def kill(what, fraction):
        if fraction > 0.6:
            raise KeyboardInterrupt

    broken, whole = Artefacts(tmp_path / "broken"), Artefacts(tmp_path / "whole")
    with pytest.raises(KeyboardInterrupt):
        broken.make(job, kill)
    assert told == [(2, "lstm", step) for step in range(3)]
    (kept,) = (tmp_path / "broken" / "fit").iterdir()
    assert [path.name for path in kept.iterdir()] == ["lstm"]
    made = broken.make(job, lambda what, fraction: seen.append(what))
    assert set(seen[:-1]) == {"lstm: epoch 3 of 4", "lstm: epoch 4 of 4"}
    assert contents(made.path) == contents(whole.make(job).path)
    assert [path.name for path in (tmp_path / "broken" / "fit").iterdir()] == [job.digest]
