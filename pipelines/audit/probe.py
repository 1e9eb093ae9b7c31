"""Another world through the run's own stages: the jobs that made the run make it again over other bars."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import msgspec
import numpy as np
from numpy.typing import NDArray

from features.errors import FeatureError
from models.dataset import Panel
from models.ensemble.nested import Combination
from models.members.protocol import Progress
from pipelines.audit.base import HeldLake, Trained, facts_of
from pipelines.audit.column import Column
from pipelines.audit.columns import (
    combination_columns,
    fitted_columns,
    fitted_feature_columns,
    journal_columns,
    panel_columns,
    score_columns,
    split_columns,
)
from pipelines.audit.world import World
from pipelines.stages.artefacts import Artefact, Artefacts, Draft, job, silent
from pipelines.stages.backtest import backtest_job
from pipelines.stages.fit import Window, fit_job
from pipelines.stages.fitted import window_job
from pipelines.stages.panel import load_panel, panel_facts, panel_job
from pipelines.stages.score import load_scores, next_combination, score_job


def panel_of(base: Trained, world: World, scratch: Artefacts) -> Artefact:
    """The panel stage over other bars, or over the same in another order of instruments.

    A world's bars are joined through all names of an instrument already, so there are no listings.
    """
    data = msgspec.structs.replace(base.config.data, symbols=world.symbols, listings=())
    config = msgspec.structs.replace(base.config, data=data)
    lake = HeldLake(config, world)
    return scratch.make(panel_job(config, facts_of(base, config, lake), lake))


def panels_of(base: Trained, made: Artefact, cut: int, scratch: Artefacts) -> list[Artefact | None]:
    """The panel of every fold in another world; None where a window behind the cut has too little to fit features on.

    Raises
    ------
    FeatureError
        If a window before the cut has: there the worlds do not differ.
    """
    if not panel_facts(made).fitted:
        return [made] * len(base.windows)
    found: list[Artefact | None] = []
    for window in base.windows:
        try:
            found.append(scratch.make(window_job(made, window)))
        except FeatureError:
            if window.train_stop <= cut:
                raise
            found.append(None)
    return found


def early_columns(base: Trained, made: Artefact, panels: Sequence[Artefact | None]) -> list[Column]:
    """Features, labels, weights, the training rows of every fold, and what its features are fitted to."""
    panel, about = load_panel(made), panel_facts(made)
    fitted = fitted_feature_columns(panel, about, base.windows, panels) if about.fitted else []
    return [*panel_columns(base.config, panel), *split_columns(base.config, panel, base.windows), *fitted]


def probe(
    base: Trained,
    found: Sequence[Artefact | None],
    last: int,
    scratch: Artefacts,
    refit: bool,
    progress: Progress = silent,
) -> list[Column]:
    """What is fitted, predicted and traded over the windows' panels, up to and with the fold ``last``.

    With ``refit`` every member of every fold until then is fitted and scored again. Else the run's own fits predict,
    and only the combination, the fold's scores and the trades are made again: that what they were fitted on has not
    changed, and that a fit reads nothing else, is shown by `early_columns` and by `pipelines.audit.outside`.
    """
    panels = [one for one in found[: last + 1] if one is not None]
    config, panel, windows = base.config, load_panel(panels[last]), base.windows[: last + 1]
    fits, scores = list(base.fits[: last + 1]), list(base.scores[: last + 1])
    combinations: list[Combination] = []
    for window in windows:
        progress(f"fold {window.index + 1}", (window.index + 0.5) / (len(windows) + 1))
        scored = [load_scores(panel, *pair) for pair in zip(windows, scores[: window.index], strict=False)]
        combinations.append(next_combination(config, panel.samples, scored, combinations, window.test_start))
        made = panels[window.index]
        if refit:
            fits[window.index] = {name: scratch.make(fit_job(config, made, window, name)) for name in config.members}
        if refit or window.index == last:
            job = score_job(config, made, window, fits[window.index], combinations[-1])
            scores[window.index] = scratch.make(job)
    following_panel = found[last + 1] if last + 1 < len(found) else None
    if refit and last + 1 < len(base.fits) and following_panel is not None:
        behind, made = base.windows[last + 1], following_panel
        fits.append({name: scratch.make(fit_job(config, made, behind, name)) for name in config.members})
    progress("trading", len(windows) / (len(windows) + 1))
    journal = traded(base, panels, scores, scratch)
    return late_columns(base, panel, last, fits, scores, combinations, journal, refit)


def late_columns(
    base: Trained,
    panel: Panel,
    last: int,
    fits: Sequence[Mapping[str, Artefact]],
    scores: Sequence[Artefact],
    combinations: Sequence[Combination],
    journal: NDArray[np.void],
    refit: bool,
) -> list[Column]:
    """Fits (with ``refit``), combinations, predictions and trades up to and with a fold.

    The fit and the combination of the fold behind it are among them: a cut inside the fold should move these.
    """
    config, windows = base.config, base.windows[: last + 1]
    first = 0 if refit else last
    columns = score_columns(config, panel, windows[first:], scores[first : last + 1])
    if refit:
        fitted = base.windows[: min(last + 2, len(fits))]
        columns += fitted_columns(config, panel, fitted, fits[: len(fitted)])
    scored = [load_scores(panel, *pair) for pair in zip(windows, scores, strict=False)]
    behind = following(base, last)
    known = [*combinations[: last + 1]]
    known.append(next_combination(config, panel.samples, scored, known, behind.test_start))
    columns += combination_columns(config, panel, [*windows, behind], known)
    return columns + journal_columns(config, panel, windows, journal)


def following(base: Trained, last: int) -> Window:
    """The window behind a fold; behind the last one that of the final refit."""
    if last + 1 < len(base.windows):
        return base.windows[last + 1]
    moment = base.facts.cut + 1
    return msgspec.structs.replace(base.windows[last], index=last + 1, test_start=moment, test_stop=moment)


def base_columns(base: Trained, last: int, scratch: Artefacts, refit: bool) -> list[Column]:
    """The same of the run as it is."""
    journal = base_journal(base, last, scratch)
    panel = load_panel(base.panel)
    return late_columns(base, panel, last, base.fits, base.scores, base.combinations, journal, refit)


def base_journal(base: Trained, last: int, scratch: Artefacts) -> NDArray[np.void]:
    """The run's own backtest, or that of its first folds."""
    if base.backtest is not None:
        return base.backtest.array("journal")
    return traded(base, base.panels, base.scores[: last + 1], scratch)


def traded(
    base: Trained, panels: Sequence[Artefact], scores: Sequence[Artefact], scratch: Artefacts
) -> NDArray[np.void]:
    """The journal of the backtest stage over the folds that are scored; in the later ones nothing is signalled."""
    rest = range(len(scores), len(base.windows))
    panels = [*panels[: len(scores)], *(panels[0] for _ in rest)]
    silence = scratch.make(job("silence", "no signals", (panels[0].digest,), _no_signals(len(base.instruments)), ()))
    model = base.windows[len(scores) - 1]
    windows = [
        msgspec.structs.replace(model, test_stop=one.test_stop) if one.index in rest else one for one in base.windows
    ]
    every = [*scores, *(silence for _ in rest)]
    order = backtest_job(base.config, panels, windows, base.folds, every, base.instruments)
    return scratch.make(order).array("journal")


def _no_signals(count: int) -> Callable[[Draft, Progress], None]:
    def build(draft: Draft, progress: Progress) -> None:
        draft.json("conformal", None)
        for number in range(count):
            draft.array(f"rows-{number}", np.zeros(2, np.int64))
            for name in ("probability", "ensemble"):
                draft.array(f"{name}-{number}", np.empty(0))

    return build
