"""The audit as a stage of a run: made once for the same artefacts, seed and auditor."""

from __future__ import annotations

import hashlib
from functools import cache
from pathlib import Path

import msgspec

from models.members.protocol import Progress
from pipelines.audit.base import Trained
from pipelines.audit.findings import Audit
from pipelines.audit.pipeline import audit_run
from pipelines.stages.artefacts import Artefact, Draft, Job, job
from pipelines.stages.environment import member_libraries

DOCUMENT = "audit"


@cache
def auditor_digest() -> str:
    """A digest of the auditor's own sources, which no other stage's digest covers."""
    found = hashlib.sha256()
    for path in sorted(Path(__file__).parent.glob("*.py")):
        found.update(path.name.encode() + b"\0" + path.read_bytes() + b"\0")
    return found.hexdigest()


def audit_job(base: Trained, full: bool = False, cuts: int | None = None, seed: int | None = None) -> Job:
    """The audit of a run (`pipelines.audit.pipeline.audit_run`); the seed is the run's by default."""
    chosen = base.config.seed if seed is None else seed

    def build(draft: Draft, progress: Progress) -> None:
        draft.json(DOCUMENT, audit_run(base, full, cuts, chosen, progress, draft.folder))

    inputs = (
        auditor_digest(),
        base.config,
        base.facts,
        base.panel.digest,
        base.windows,
        [one.digest for one in base.panels],
        [{name: fit.digest for name, fit in fits.items()} for fits in base.fits],
        [score.digest for score in base.scores],
        base.backtest.digest if base.backtest is not None else None,
        [one.to_dict() for one in base.instruments],
        full,
        cuts,
        chosen,
    )
    libraries = member_libraries(base.config.members)
    common = ("numba", "llvmlite", "polars", "onnxruntime")
    return job("audit", "leakage audit", inputs, build, sorted({*libraries, *common}))


def load_audit(artefact: Artefact) -> Audit:
    """Read an audit back."""
    return msgspec.convert(artefact.json(DOCUMENT), Audit)
