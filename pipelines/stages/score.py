"""The score stage: one fold's graph, composed and run over the fold's test bars one row at a time.

The stacker and the calibration of a fold are fitted on the folds before it only, so folds are scored in order.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
import numpy as np
from models.bundle.runner import GraphRunner
from models.ensemble import Platt, Stacker
from models.graph.compose import compose
from numpy.typing import NDArray

from models.dataset import Panel
from models.members.protocol import Progress
from models.scoring import score_rows
from pipelines.config import RunConfig
from pipelines.stages.artefacts import Artefact, Draft, Job, job
from pipelines.stages.fit import Window, load_part
from pipelines.stages.panel import load_panel


class Combination(msgspec.Struct, frozen=True):
    """What is known before a fold is scored: a stacker from the second fold on, a calibration from the third."""

    stacker: Stacker | None = None
    platt: Platt | None = None


def graph_bytes(fits: Sequence[Artefact], combination: Combination) -> bytes:
    """The one graph of some fitted members."""
    parts = [load_part(fit) for fit in fits]
    return compose(parts, combination.stacker, combination.platt).SerializeToString(deterministic=True)


def test_rows(panel: Panel, instrument: int, window: Window) -> tuple[int, int]:
    """The rows of one series whose bars end inside the test window: first and stop."""
    ends = panel.series[instrument].bars["end"]
    return int(np.searchsorted(ends, window.test_start)), int(np.searchsorted(ends, window.test_stop))


def score_job(
    config: RunConfig, panel_artefact: Artefact, window: Window, fits: Sequence[Artefact], combination: Combination
) -> Job:
    """Every bar of one fold's test window, scored by the fold's graph."""

    def build(draft: Draft, progress: Progress) -> None:
        panel = load_panel(panel_artefact)
        graph = graph_bytes(fits, combination)
        draft.bytes("graph.onnx", graph)
        runner = GraphRunner(graph, config.ensemble.burn_in)
        for number, series in enumerate(panel.series):
            first, stop = test_rows(panel, number, window)
            members, probability = score_rows(runner, series.features, first, stop)
            draft.array(f"members-{number}", members)
            draft.array(f"probability-{number}", probability)
            draft.array(f"rows-{number}", np.array([first, stop]))
            progress(f"scoring {series.symbol}", (number + 1) / len(panel.series))

    inputs = (panel_artefact.digest, window, [fit.digest for fit in fits], combination, config.ensemble.burn_in)
    return job("score", f"scores, fold {window.index + 1}", inputs, build)


def sample_scores(
    panel: Panel, window: Window, score: Artefact
) -> tuple[NDArray[np.int64], NDArray[np.float64], NDArray[np.float64]]:
    """A fold's samples that were scored: positions (n,), members (n, m), ensemble probability (n,)."""
    samples = panel.samples
    index = np.flatnonzero((samples.t0 >= window.test_start) & (samples.t0 < window.test_stop))
    members_of = [score.array(f"members-{number}") for number in range(len(panel.series))]
    ensemble_of = [score.array(f"probability-{number}") for number in range(len(panel.series))]
    first_of = [int(score.array(f"rows-{number}")[0]) for number in range(len(panel.series))]
    members = np.full((len(index), members_of[0].shape[1]), np.nan)
    probability = np.full(len(index), np.nan)
    for number in range(len(panel.series)):
        mine = samples.instrument[index] == number
        place = samples.row[index[mine]] - first_of[number]
        members[mine] = members_of[number][place]
        probability[mine] = ensemble_of[number][place]
    scored = np.isfinite(probability)
    return index[scored], members[scored], probability[scored]
