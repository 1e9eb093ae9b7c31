"""The refit stage: every member on the last training window, with the evidence for the certificate."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from models.dataset import Panel
from models.evidence import Evidence, gather, native_probability
from models.graph.compose import compose
from models.members.protocol import Progress
from pipelines.config import RunConfig
from pipelines.stages.artefacts import Artefact, Draft, Job, job
from pipelines.stages.fit import Window, fit_inputs, fit_member, save_fitted
from pipelines.stages.panel import load_panel

SEQUENCE, TOGETHER = 4096, 12_000
"""Rows of each series' end that the graph is compared on with the native libraries: at least these, and together."""


def refit_job(config: RunConfig, panel_artefact: Artefact, window: Window) -> Job:
    """All members fitted on the last window, and what their libraries answer on real and on hard rows."""
    names = tuple(config.members)

    def build(draft: Draft, progress: Progress) -> None:
        panel = load_panel(panel_artefact)
        fitted = {}
        for number, name in enumerate(names):
            progress(f"refit of {name}", number / (len(names) + 1))
            fitted[name], facts = fit_member(config, panel, window, name, _part_of(progress, number, len(names) + 1))
            save_fitted(draft, fitted[name], facts)
        progress("evidence for the certificate", len(names) / (len(names) + 1))
        natives = {name: native_probability(one, panel.feature_names, panel.interval) for name, one in fitted.items()}
        graph = compose([one.part() for one in fitted.values()])
        save_evidence(draft, gather(graph, natives, last_rows(panel), config.seed))

    return job("refit", "final refit", fit_inputs(config, panel_artefact, window, names), build)


def _part_of(progress: Progress, number: int, parts: int) -> Progress:
    return lambda what, fraction: progress(what, (number + fraction) / parts)


def last_rows(panel: Panel) -> list[NDArray[np.float64]]:
    """The end of each series' feature rows, from a finite row on."""
    length = max(SEQUENCE, -(-TOGETHER // len(panel.series)))
    ends = [series.features[-length:] for series in panel.series]
    finite = [np.flatnonzero(np.isfinite(rows).all(axis=1)) for rows in ends]
    return [np.ascontiguousarray(rows[first[0] :]) for rows, first in zip(ends, finite, strict=True) if len(first)]


def save_evidence(draft: Draft, evidence: Sequence[Evidence]) -> None:
    """Write evidence."""
    draft.json("evidence", [{"kind": piece.kind, "members": list(piece.native)} for piece in evidence])
    for number, piece in enumerate(evidence):
        draft.array(f"evidence-{number}", piece.rows)
        for name, answers in piece.native.items():
            draft.array(f"evidence-{number}-{name}", answers)


def load_evidence(artefact: Artefact) -> list[Evidence]:
    """Read evidence back."""
    return [
        Evidence(
            about["kind"],
            artefact.array(f"evidence-{number}"),
            {name: artefact.array(f"evidence-{number}-{name}") for name in about["members"]},
        )
        for number, about in enumerate(artefact.json("evidence"))
    ]
