"""Write the hash-locked requirement files: ``python scripts/lock.py [--upgrade]`` (``make lock``).

``uv`` resolves. What a lock pins already stays as it is unless an ``.in`` file asks for something else; ``--upgrade``
takes the newest of everything. The CPU locks resolve torch's CPU wheel from the folder pip is configured with
(``pip config get global.find-links``) and require ``torch==2.13.0`` with that wheel's hash alone. The registry's
hash must not stand beside it: pip prefers a candidate whose hash it knows beforehand, so it would take the
registry's CUDA build, whose NVIDIA libraries the CPU locks leave out. For that build there are ``train-cuda`` and,
with the tools of tests and checks, ``dev-cuda``. The lock ``cluster`` is what studies over machines need beside either
build: it is resolved last and agrees with both.
"""

from __future__ import annotations

import re
import subprocess
import sys
import tempfile
from pathlib import Path

REQUIREMENTS = Path(__file__).resolve().parent.parent / "requirements"
CPU_LOCKS = ("train", "dev")
PLAIN_LOCKS = ("serve", "train-cuda", "dev-cuda")


def find_links() -> list[str]:
    """The folder of local wheels pip is configured with, as uv arguments; empty if there is none."""
    for key in ("global.find-links", ":env:.find-links"):
        shown = subprocess.run(
            [sys.executable, "-m", "pip", "config", "get", key], check=False, capture_output=True, text=True
        )
        if shown.returncode == 0 and shown.stdout.strip():
            return ["--find-links", shown.stdout.strip()]
    return []


def compile_lock(source: str, *extra: str) -> str:
    """Resolve one ``.in`` file to the text of its lock."""
    command = ["uv", "pip", "compile", f"{source}.in", "--python-version", "3.11"]
    command += ["--generate-hashes", "--custom-compile-command", "make lock", "--quiet", *extra]
    with tempfile.TemporaryDirectory() as folder:
        lock = Path(folder) / f"{source}.txt"
        if "--upgrade" not in sys.argv and (REQUIREMENTS / lock.name).exists():
            known = (REQUIREMENTS / lock.name).read_text()
            lock.write_text(with_local_version(known) if source in CPU_LOCKS else known)
        subprocess.run([*command, "--output-file", str(lock)], cwd=REQUIREMENTS, check=True, capture_output=True)
        return lock.read_text()


def without_local_version(lock: str) -> str:
    """Require ``torch==2.13.0`` instead of ``2.13.0+cpu``: the hash already says which build."""
    return lock.replace("+cpu ", " ")


def with_local_version(lock: str) -> str:
    """What `without_local_version` took away: the resolver must go on preferring the CPU wheel."""
    return re.sub(r"^(torch==\S+) ", r"\1+cpu ", lock, flags=re.MULTILINE)


def main() -> None:
    """Write every lock."""
    locks = {name: compile_lock(name) for name in PLAIN_LOCKS}
    for name in CPU_LOCKS:
        locks[name] = without_local_version(compile_lock(name, *find_links()))
    locks["demo-data"] = compile_lock("demo-data", "--no-deps")
    write(locks)
    write({"cluster": compile_lock("cluster", "--constraint", "train.txt", "--constraint", "train-cuda.txt")})


def write(locks: dict[str, str]) -> None:
    """Write locks by name, and say how many packages each has."""
    for name, text in locks.items():
        (REQUIREMENTS / f"{name}.txt").write_text(text)
        print(f"requirements/{name}.txt: {len(re.findall('^[a-z]', text, re.M))} packages")


if __name__ == "__main__":
    main()
