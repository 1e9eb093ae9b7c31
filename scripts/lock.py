"""Write the hash-locked requirement files: ``python scripts/lock.py`` (``make lock``).

``uv`` resolves. The CPU locks resolve torch's CPU wheel from the folder pip is configured with
(``pip config get global.find-links``); torch's requirement line is then written without the
``+cpu`` suffix and with both hashes, the CPU wheel's and the registry's, so that either file
satisfies the lock.
"""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

REQUIREMENTS = Path(__file__).resolve().parent.parent / "requirements"
CPU_LOCKS = ("train", "dev")
PLAIN_LOCKS = ("serve", "train-cuda")
HASH = re.compile(r"--hash=sha256:[0-9a-f]{64}")


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
    return subprocess.run(command, cwd=REQUIREMENTS, check=True, capture_output=True, text=True).stdout


def torch_block(lock: str) -> str:
    """The lines of a lock that require torch, hashes included."""
    match = re.search(r"^torch==.*?(?=^\S)", lock, flags=re.MULTILINE | re.DOTALL)
    if match is None:
        raise SystemExit("the lock has no line for torch")
    return match.group(0)


def with_both_hashes(cpu_lock: str, registry_lock: str) -> str:
    """Replace torch's block by one that the CPU wheel and the registry's wheels both satisfy."""
    cpu = torch_block(cpu_lock)
    hashes = sorted({*HASH.findall(cpu), *HASH.findall(torch_block(registry_lock))})
    tail = cpu[cpu.rindex(HASH.findall(cpu)[-1]) + len(HASH.findall(cpu)[-1]) :]
    version = cpu.split("==")[1].split()[0].split("+")[0]
    joined = " \\\n    ".join([f"torch=={version}", *hashes])
    return cpu_lock.replace(cpu, joined + tail)


def main() -> None:
    """Write every lock."""
    locks = {name: compile_lock(name) for name in PLAIN_LOCKS}
    for name in CPU_LOCKS:
        cpu = compile_lock(name, *find_links())
        locks[name] = with_both_hashes(cpu, locks["train-cuda"]) if "+cpu" in cpu else cpu
    locks["demo-data"] = compile_lock("demo-data", "--no-deps")
    for name, text in locks.items():
        (REQUIREMENTS / f"{name}.txt").write_text(text)
        print(f"requirements/{name}.txt: {len(re.findall('^[a-z]', text, re.M))} packages")


if __name__ == "__main__":
    main()
