"""The refit stage: every member on the last training window, with the evidence for the certificate."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import onnx
from numpy.typing import NDArray

from models.evidence import Evidence, gather, gather_at_once, hard_rows, hard_stretches, native_probability
from models.graph.compose import compose
from models.members.protocol import Progress, WithoutState
from pipelines.config import RunConfig
from pipelines.stages.artefacts import Artefact, Draft, Job, job
from pipelines.stages.environment import member_libraries
from pipelines.stages.evidence import last_rows
from pipelines.stages.fit import Live, Window, along_of, fit_inputs, fit_member, save_fitted
from pipelines.stages.panel import load_panel

HARD, STRETCH = "hard", "stretch"
"""What members without and with state said of hard rows."""


def refit_job(config: RunConfig, panel_artefact: Artefact, window: Window, live: Live | None = None) -> Job:
    """All members fitted on the last window, and what their libraries answer on real and on hard rows."""
    names = tuple(config.members)

    def build(draft: Draft, progress: Progress) -> None:
        panel = load_panel(panel_artefact)
        fitted = {}
        for number, name in enumerate(names):
            progress(f"refit of {name}", number / (len(names) + 1))
            part, along = _part_of(progress, number, len(names) + 1), along_of(draft, window, name, live)
            fitted[name], facts = fit_member(config, panel, window, name, part, along)
            save_fitted(draft, fitted[name], facts)
        progress("evidence for the certificate", len(names) / (len(names) + 1))
        natives = {name: native_probability(one, panel.feature_names, panel.interval) for name, one in fitted.items()}
        graph, rows = compose([one.part() for one in fitted.values()]), last_rows(panel)
        save_evidence(draft, gather(graph, natives, rows, config.seed))
        without_state = {name: one.probability for name, one in fitted.items() if isinstance(one, WithoutState)}
        with_state = {name: native for name, native in natives.items() if name not in without_state}
        hard = hard_rows(graph, rows, config.seed)
        save_hard_answers(draft, HARD, gather_at_once(hard, without_state))
        stretches = hard_stretches(hard, rows, config.seed) if with_state else {}
        save_hard_answers(draft, STRETCH, gather_at_once(stretches, with_state))

    libraries = member_libraries(names)
    return job("refit", "final refit", fit_inputs(config, panel_artefact, window, names), build, libraries)


def _part_of(progress: Progress, number: int, parts: int) -> Progress:
    return lambda what, fraction: progress(what, (number + fraction) / parts)


def save_evidence(draft: Draft, evidence: Sequence[Evidence]) -> None:
    """Write evidence."""
    draft.json("evidence", [{"kind": piece.kind, "members": list(piece.native)} for piece in evidence])
    for number, piece in enumerate(evidence):
        draft.array(f"evidence-{number}", piece.rows)
        for name, answers in piece.native.items():
            draft.array(f"evidence-{number}-{name}", answers)


def save_hard_answers(draft: Draft, which: str, evidence: Sequence[Evidence]) -> None:
    """Write what members alone said of hard rows; the rows are many and drawn anew when they are compared."""
    draft.json(which, {piece.kind: list(piece.native) for piece in evidence})
    for piece in evidence:
        for name, answers in piece.native.items():
            draft.array(f"{which}-{piece.kind}-{name}", answers)


def load_hard_evidence(
    config: RunConfig, artefact: Artefact, graph: onnx.ModelProto, rows: Sequence[NDArray[np.float64]]
) -> list[Evidence]:
    """Read the answers back, to the same rows: made from real ones and the members' graph."""
    hard = hard_rows(graph, rows, config.seed)
    return [
        *_answered(artefact, HARD, hard),
        *_answered(artefact, STRETCH, hard_stretches(hard, rows, config.seed)),
    ]


def _answered(artefact: Artefact, which: str, rows: Mapping[str, NDArray[np.float64]]) -> list[Evidence]:
    return [
        Evidence(kind, rows[kind], {name: artefact.array(f"{which}-{kind}-{name}") for name in names}, at_once=True)
        for kind, names in artefact.json(which).items()
    ]


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
