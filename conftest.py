"""Where the tests find real market data, and how they say that it is absent."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

REAL_DATA = Path(os.environ.get("BOT4_REAL_DATA", Path(__file__).resolve().parent.parent / "shared" / "data"))


@pytest.fixture(scope="session")
def real_data() -> Path:
    """The folder of real market data; skips the test where it is absent."""
    if not (REAL_DATA / "MANIFEST.csv").is_file():
        pytest.skip(f"no real market data at {REAL_DATA}: set BOT4_REAL_DATA to its folder")
    return REAL_DATA
