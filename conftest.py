"""Where the tests find real market data, how they say that it is absent, and how their threads wait."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

# Before any library with OpenMP is loaded, here and in processes that tests start: threads that spin while they wait
# take the processor from the other worker's tests, many times what they compute.
os.environ.setdefault("OMP_WAIT_POLICY", "passive")
REAL_DATA = Path(os.environ.get("BOT4_REAL_DATA", Path(__file__).resolve().parent.parent / "shared" / "data"))


@pytest.fixture(scope="session")
def real_data() -> Path:
    """The folder of real market data; skips the test where it is absent."""
    if not (REAL_DATA / "MANIFEST.csv").is_file():
        pytest.skip(f"no real market data at {REAL_DATA}: set BOT4_REAL_DATA to its folder")
    return REAL_DATA


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Name each test's group in its id, by which pytest-xdist keeps a group on one worker.

    pytest-xdist 3.8 does this itself by an attribute that pytest 9.2 no longer reads: every worker then makes the
    fixtures of every group anew.
    """
    if not getattr(config.option, "loadgroup", False):
        return
    from _pytest.nodeid import coerce_node_id

    for item in items:
        group = "_".join(sorted({str(mark.args[0]) for mark in item.iter_markers("xdist_group")}))
        if group and not item.nodeid.endswith(f"@{group}"):
            item._id = coerce_node_id(f"{item.nodeid}@{group}")  # type: ignore[attr-defined]
