"""An audit of a plainly artificial run."""

from __future__ import annotations

from market.time import DAY
from pipelines.audit.findings import Audit, Finding

CLEAN = (
    Finding("features", "rsi_14", 16_000, moved=900),
    Finding("features", "hour_sine", 16_000),
    Finding("labels", "label", 15_000, moved=800),
    Finding("predictions", "ensemble", 4_000, moved=300),
)
CAUGHT = Finding(
    "features", "centred_mean_21", 16_000, 40, 900, first=1_000 * DAY, place="FAKE1USDT", perturbation="scaled",
    cut=1_001 * DAY, size=12.345678, detail="changed",
)  # fmt: skip


def make_audit(*leaks):
    return Audit("sampled", 7, (1_001 * DAY,), ("scaled", "holed"), (*CLEAN, *leaks))
