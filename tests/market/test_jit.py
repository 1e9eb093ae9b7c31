"""The kernel cache, in fresh processes over a small copy of the source tree: never stale, never compiled twice."""

from __future__ import annotations

import shutil
import subprocess
import sys

import pytest

from market import jit

FILES = {
    "market/__init__.py": "",
    "features/__init__.py": "",
    "features/helpers.py": "SCALE = 10.0\n",
    "features/inner.py": """
from market.jit import kernel

@kernel
def inner(x):
    return x + 1.0
""",
    "features/outer.py": """
from features.helpers import SCALE
from features.inner import inner
from market.jit import kernel

@kernel
def outer(x):
    return inner(x) * SCALE

@kernel
def divide(x, y):
    return x / y

@kernel
def multiply_add(x, y, z):
    return x * y + z
""",
}
RUN = """
from features.outer import divide, multiply_add, outer
import numba
print(outer(1.0))
stats = None if numba.config.DISABLE_JIT else outer.stats
print(0 if stats is None else sum(stats.cache_hits.values()), 0 if stats is None else sum(stats.cache_misses.values()))
"""


@pytest.fixture
def house(tmp_path):
    """A copy of the cache's rules beside two kernels in two files, one calling the other."""
    root = tmp_path / "house"
    for name, content in FILES.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(content)
    shutil.copy(jit.__file__, root / "market" / "jit.py")
    return root


def run(house, code=RUN, **environment):
    environment = {
        "BOT4_CACHE_DIR": str(house.parent / "cache"),
        "PYTHONDONTWRITEBYTECODE": "1",
        "PATH": "/usr/bin:/bin",
        **environment,
    }
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=house,
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    return done.stdout.split()


def edit(house, name, before, after):
    path = house / name
    assert before in path.read_text()
    path.write_text(path.read_text().replace(before, after))


def test_a_second_process_loads_what_the_first_compiled(house):
    assert run(house) == ["20.0", "0", "1"]
    assert run(house) == ["20.0", "1", "0"]


def test_an_edited_callee_in_another_file_is_compiled_again(house):
    assert run(house) == ["20.0", "0", "1"]
    edit(house, "features/inner.py", "x + 1.0", "x + 100.0")
    assert run(house) == ["1010.0", "0", "1"]
    edit(house, "features/inner.py", "x + 100.0", "x + 1.0")
    assert run(house) == ["20.0", "1", "0"]


def test_an_edited_constant_of_a_file_without_kernels_is_compiled_again(house):
    """numba freezes globals: a constant imported from a file that compiles nothing is part of the kernel."""
    assert run(house) == ["20.0", "0", "1"]
    edit(house, "features/helpers.py", "10.0", "30.0")
    assert run(house) == ["60.0", "0", "1"]


def test_without_the_jit_the_bits_are_the_same(house):
    code = """
from features.outer import divide, multiply_add
fused = 1.0 + 2.0**-30
print(divide(1.0, 3.0).hex(), multiply_add(0.1, 10.0, -1.0).hex(), multiply_add(fused, fused, -1.0).hex())
"""
    assert run(house, code) == run(house, code, NUMBA_DISABLE_JIT="1")
    assert run(house, NUMBA_DISABLE_JIT="1") == ["20.0", "0", "0"]


def test_a_division_by_zero_is_infinite_or_nan_never_an_exception(house):
    code = "from features.outer import divide; print(divide(1.0, 0.0), divide(-1.0, 0.0), divide(0.0, 0.0))"
    assert run(house, code) == ["inf", "-inf", "nan"]


def test_nothing_is_compiled_by_an_import(house):
    run(house, "import features.outer")
    assert [path for path in (house.parent / "cache").rglob("*") if path.suffix in (".nbi", ".nbc")] == []


def test_the_digest_covers_names_and_contents(tmp_path):
    one, two = tmp_path / "one.py", tmp_path / "two.py"
    one.write_text("x = 1\n")
    two.write_text("x = 1\n")
    digests = {jit.sources_digest(files, tmp_path) for files in ([], [one], [two], [one, two])}
    one.write_text("x = 2\n")
    assert len(digests | {jit.sources_digest([one, two], tmp_path)}) == 5


def test_the_house_s_own_kernels_are_among_the_sources():
    names = {str(path.relative_to(jit.ROOT)) for path in jit.kernel_sources()}
    assert {"market/jit.py", "market/events.py"} <= names


def test_the_cache_folder_is_chosen_by_the_environment(monkeypatch, tmp_path):
    monkeypatch.setenv("BOT4_CACHE_DIR", str(tmp_path))
    assert jit.cache_root() == tmp_path
    monkeypatch.delenv("BOT4_CACHE_DIR")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert jit.cache_root() == tmp_path / ".cache" / "bot4"
