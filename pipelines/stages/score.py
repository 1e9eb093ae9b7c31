"""The score stage: one fold's graph, composed and run over the fold's test bars one row at a time.

The pool and the calibration of a fold are fitted on the folds before it only, so folds are scored in order.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import msgspec
import numpy as np
from numpy.typing import NDArray

from models.bundle.combination import Conformal
from models.bundle.runner import GraphRunner
from models.dataset import Panel, Samples
from models.ensemble.nested import Combination, FoldScores, combination_for
from models.graph.compose import compose
from models.members.protocol import Progress
from models.scoring import score_rows
from pipelines.config import RunConfig
from pipelines.stages.artefacts import Artefact, Draft, Job, job
from pipelines.stages.fit import Window, load_part
from pipelines.stages.panel import load_panel


def graph_bytes(fits: Mapping[str, Artefact], combination: Combination) -> bytes:
    """The one graph of some fitted members, in their order."""
    parts = [load_part(fit, name) for name, fit in fits.items()]
    graph: bytes = compose(parts, combination.pool, combination.calibration, combination.conformal).SerializeToString(
        deterministic=True
    )
    return graph


def test_rows(panel: Panel, instrument: int, window: Window) -> tuple[int, int]:
    """The rows of one series whose bars end inside the test window: first and stop."""
    ends = panel.series[instrument].bars["end"]
    return int(np.searchsorted(ends, window.test_start)), int(np.searchsorted(ends, window.test_stop))


def score_job(
    config: RunConfig, panel_artefact: Artefact, window: Window, fits: Mapping[str, Artefact], combination: Combination
) -> Job:
    """Every bar of one fold's test window, scored by the fold's graph."""

    def build(draft: Draft, progress: Progress) -> None:
        panel = load_panel(panel_artefact)
        graph = graph_bytes(fits, combination)
        draft.bytes("graph.onnx", graph)
        draft.json("conformal", combination.conformal)
        runner = GraphRunner(graph, config.ensemble.burn_in)
        for number, series in enumerate(panel.series):
            first, stop = test_rows(panel, number, window)
            members, probability = score_rows(runner, series.features, first, stop)
            draft.array(f"members-{number}", members)
            draft.array(f"probability-{number}", probability)
            draft.array(f"rows-{number}", np.array([first, stop]))
            progress(f"scoring {series.symbol}", (number + 1) / len(panel.series))

    inputs = (
        panel_artefact.digest,
        window,
        {name: fit.digest for name, fit in fits.items()},
        combination,
        config.ensemble.burn_in,
    )
    return job("score", f"scores, fold {window.index + 1}", inputs, build, ("numpy", "onnx", "onnxruntime"))


@dataclass(frozen=True, slots=True, eq=False)
class Scored:
    """A fold's scored samples: their positions (n,), what the members said (n, m), and the graph's ensemble (n,)."""

    window: Window
    index: NDArray[np.int64]
    members: NDArray[np.float64]
    probability: NDArray[np.float64]

    def fold_scores(self, samples: Samples) -> FoldScores:
        """What later folds' combinations are fitted on."""
        index = self.index
        return FoldScores(
            self.members, samples.label[index], samples.weight[index], samples.t1[index], self.window.test_start
        )


def load_conformal(score: Artefact) -> Conformal | None:
    """The threshold of a fold's prediction sets, which say where its ensemble decides if they are asked."""
    return msgspec.convert(score.json("conformal"), Conformal | None)


def load_scores(panel: Panel, window: Window, score: Artefact) -> Scored:
    """A fold's samples that the graph scored."""
    samples = panel.samples
    index = np.flatnonzero((samples.t0 >= window.test_start) & (samples.t0 < window.test_stop))
    numbers = range(len(panel.series))
    members_of = [score.array(f"members-{number}") for number in numbers]
    members = np.full((len(index), members_of[0].shape[1]), np.nan)
    probability = np.full(len(index), np.nan)
    for number in numbers:
        mine = samples.instrument[index] == number
        place = samples.row[index[mine]] - int(score.array(f"rows-{number}")[0])
        members[mine] = members_of[number][place]
        probability[mine] = score.array(f"probability-{number}")[place]
    scored = np.isfinite(probability)
    return Scored(window, index[scored], members[scored], probability[scored])


def next_combination(
    config: RunConfig, samples: Samples, scored: Sequence[Scored], combinations: Sequence[Combination], moment: int
) -> Combination:
    """The pool and calibration that may be used from a moment on."""
    earlier = [one.fold_scores(samples) for one in scored]
    return combination_for(earlier, combinations, moment, config.ensemble)
