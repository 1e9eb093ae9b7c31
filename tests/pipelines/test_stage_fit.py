"""Members are fitted in threads: their libraries are imported one at a time."""

from __future__ import annotations

import importlib.util
import sys
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace

from models.members import MEMBERS
from pipelines.stages import fit

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
