"""The score stage: one fold's graph, composed and run over the fold's test bars one row at a time.

The pool, the calibration and the second stage of a fold are fitted on the folds before it only, so folds are scored in
order. A second stage that sizes the bet stakes nothing on the fold before there is one.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import msgspec
import numpy as np
from numpy.typing import NDArray

from models.bundle.combination import Conformal
from models.bundle.runner import GraphRunner
from models.dataset import Panel, Samples
from models.ensemble.nested import Combination, FoldScores, combination_for
from models.graph.compose import compose
from models.members.protocol import Progress
from models.meta.nested import MetaFold, MetaPlan, meta_for
from models.scoring import score_stages
from pipelines.config import RunConfig
from pipelines.errors import StageError
from pipelines.stages.artefacts import Artefact, Draft, Job, job
from pipelines.stages.fit import Window, load_part
from pipelines.stages.panel import load_panel

SAID = ("members", "ensemble", "right", "seen")
"""Arrays of a fold's score, a row for each bar: what `Scored` has of its samples."""


def graph_bytes(fits: Mapping[str, Artefact], combination: Combination) -> bytes:
    """The one graph of some fitted members, in their order."""
    parts = [load_part(fit, name) for name, fit in fits.items()]
    made = compose(parts, combination.pool, combination.calibration, combination.conformal, combination.meta)
    graph: bytes = made.SerializeToString(deterministic=True)
    return graph


def seen_columns(config: RunConfig, names: Sequence[str]) -> tuple[int, ...]:
    """Where the features that the second stage sees stand in a row, by the row's names.

    Raises
    ------
    StageError
        If there is none of a name.
    """
    wanted = () if config.meta is None else config.meta.features
    missing = [name for name in wanted if name not in names]
    if missing:
        raise StageError(
            f"meta.features has {missing[0]!r}, which these bars do not give: take it out, or choose one of "
            f"{', '.join(names)}"
        )
    return tuple(names.index(name) for name in wanted)


def staked(config: RunConfig, combination: Combination, probability: NDArray[np.float64]) -> NDArray[np.float64]:
    """What the bet follows, of the graph's probability, shape (n,): one half where a second stage is still to come."""
    early = config.meta is not None and config.meta.sizing and combination.meta is None
    return np.where(np.isnan(probability), np.nan, 0.5) if early else probability


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
        columns = seen_columns(config, panel.feature_names)
        draft.array("columns", np.array(columns, np.int64))
        for number, series in enumerate(panel.series):
            first, stop = test_rows(panel, number, window)
            said = score_stages(runner, series.features, first, stop)
            draft.array(f"members-{number}", said.members)
            draft.array(f"ensemble-{number}", said.ensemble)
            draft.array(f"right-{number}", said.right)
            draft.array(f"probability-{number}", staked(config, combination, said.probability))
            draft.array(f"seen-{number}", series.features[first:stop][:, list(columns)])
            draft.array(f"rows-{number}", np.array([first, stop]))
            progress(f"scoring {series.symbol}", (number + 1) / len(panel.series))

    inputs = (
        panel_artefact.digest,
        window,
        {name: fit.digest for name, fit in fits.items()},
        combination,
        config.ensemble.burn_in,
        config.meta,
    )
    return job("score", f"scores, fold {window.index + 1}", inputs, build, ("numpy", "onnx", "onnxruntime"))


@dataclass(frozen=True, slots=True, eq=False)
class Scored:
    """A fold's scored samples: their positions (n,), what the members said (n, m), and the graph's ensemble (n,).

    ``right``: what the graph's second stage said, (n,), NaN without one; ``seen``: the features that it sees, (n, f),
    ``columns`` of the row.
    """

    window: Window
    index: NDArray[np.int64]
    members: NDArray[np.float64]
    probability: NDArray[np.float64]
    right: NDArray[np.float64]
    seen: NDArray[np.float64]
    columns: tuple[int, ...]

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
    parts = {name: [score.array(f"{name}-{number}") for number in numbers] for name in SAID}
    found = {name: np.full((len(index), *one[0].shape[1:]), np.nan) for name, one in parts.items()}
    for number in numbers:
        mine = samples.instrument[index] == number
        place = samples.row[index[mine]] - int(score.array(f"rows-{number}")[0])
        for name, values in found.items():
            values[mine] = parts[name][number][place]
    scored = np.isfinite(found["ensemble"])
    members, probability, right, seen = (found[name][scored] for name in SAID)
    columns = tuple(score.array("columns").tolist())
    return Scored(window, index[scored], members, probability, right, seen, columns)


def meta_plan(config: RunConfig, columns: tuple[int, ...]) -> MetaPlan | None:
    """How the second stage of a run is made; None if it has none."""
    return None if config.meta is None else MetaPlan(config.meta, tuple(config.members), columns, config.ensemble.clip)


def meta_folds(samples: Samples, scored: Sequence[Scored], combinations: Sequence[Combination]) -> list[MetaFold]:
    """The folds as a second stage sees them."""
    return [MetaFold(one.fold_scores(samples), made, one.seen) for one, made in zip(scored, combinations, strict=False)]


def next_combination(
    config: RunConfig, samples: Samples, scored: Sequence[Scored], combinations: Sequence[Combination], moment: int
) -> Combination:
    """The pool, the calibration and the second stage that may be used from a moment on."""
    earlier = [one.fold_scores(samples) for one in scored]
    made = combination_for(earlier, combinations, moment, config.ensemble)
    plan = meta_plan(config, scored[0].columns) if scored else None
    if plan is None:
        return made
    return replace(made, meta=meta_for(meta_folds(samples, scored, combinations), moment, plan))
