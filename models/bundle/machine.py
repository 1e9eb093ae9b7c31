"""What about a machine decides the bits that it computes, and the attestation that records it beside a bundle."""

from __future__ import annotations

import platform
from importlib.metadata import version
from pathlib import Path
from typing import Any

import msgspec

LIBRARIES = ("numpy", "numba", "onnxruntime")


class Machine(msgspec.Struct, frozen=True):
    """A machine class: compiled features and the graph give the same bits on two machines that are equal here.

    ``processor`` is for people and not compared: what it can do is in ``cpu_features``.
    """

    architecture: str
    cpu_features: tuple[str, ...]
    c_library: str
    versions: dict[str, str]
    processor: str = ""

    def same_class(self, other: Machine) -> bool:
        """Whether the same bits are to be expected of both."""
        return msgspec.structs.replace(self, processor="") == msgspec.structs.replace(other, processor="")


class Attestation(msgspec.Struct, frozen=True, kw_only=True):
    """Measurements beside a bundle, not part of its content hash.

    ``created``: nanoseconds UTC. ``runs``: ids such as MLflow's. ``measurements``: latency, durations and the like.
    """

    machine: Machine
    created: int = 0
    runs: dict[str, str] = {}
    measurements: dict[str, Any] = {}


def this_machine() -> Machine:
    """The machine that runs this."""
    fields = _cpu_fields()
    flags = fields.get("flags", fields.get("Features", ""))
    return Machine(
        architecture=platform.machine(),
        cpu_features=tuple(sorted(flags.split())),
        c_library="-".join(platform.libc_ver()),
        versions={name: version(name) for name in LIBRARIES},
        processor=fields.get("model name", platform.processor()),
    )


def _cpu_fields() -> dict[str, str]:
    """The first processor's fields in Linux's ``/proc/cpuinfo``; nothing elsewhere."""
    path = Path("/proc/cpuinfo")
    if not path.exists():
        return {}
    lines = path.read_text().split("\n\n", 1)[0].splitlines()
    pairs = (line.partition(":") for line in lines)
    return {key.strip(): value.strip() for key, _, value in pairs}
