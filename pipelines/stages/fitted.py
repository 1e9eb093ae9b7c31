"""The fitted stage: features that are fitted, computed anew for a training window with what they are fitted to there.

A run without such features has one panel for everything, and nothing is made here.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import msgspec
import numpy as np

from features.engine import FeatureEngine
from features.feature_set import FeatureSet
from features.fitting import fit_over
from models.members.protocol import Progress
from pipelines.errors import StageError
from pipelines.stages.artefacts import Artefact, Draft, Job, job
from pipelines.stages.fit import FINAL, Window
from pipelines.stages.panel import load_panel, panel_facts

Span = tuple[int, int]


def window_panels(
    panel_artefact: Artefact, windows: Sequence[Window], make: Callable[[Job], Artefact]
) -> list[Artefact]:
    """The panel of every window: with its features fitted there, or the run's own if none is fitted."""
    if not panel_facts(panel_artefact).fitted:
        return [panel_artefact] * len(windows)
    return [make(window_job(panel_artefact, window)) for window in windows]


def window_job(panel_artefact: Artefact, window: Window) -> Job:
    """The panel of one window."""
    name = "final window" if window.index == FINAL else f"fold {window.index + 1}"
    return window_panel_job(panel_artefact, window_spans(window), f"fitted features, {name}")


def window_spans(window: Window) -> tuple[Span, ...]:
    """What a training window's features are fitted on: its own bars."""
    return ((window.train_start, window.train_stop),)


def window_panel_job(panel_artefact: Artefact, spans: Sequence[Span], title: str) -> Job:
    """A panel whose fitted features know the bars of some spans of time (ns UTC) and no others.

    Raises
    ------
    FeatureError
        If the spans have too few bars for what is fitted.
    StageError
        If a feature is defined on other rows than in the run's panel, of which the samples are.
    """

    def build(draft: Draft, progress: Progress) -> None:
        about, base = panel_facts(panel_artefact), load_panel(panel_artefact)
        whole = about.feature_set()
        names = tuple(feature.name for feature in whole.features if feature.fitted)
        wanted = FeatureSet(names, whole.interval, whole.max_gap, whole.catalogue)
        wanted = fit_over(wanted, {one.symbol: one.bars for one in base.series}, spans)
        engine, places = FeatureEngine(wanted), [whole.names.index(name) for name in names]
        for number, series in enumerate(base.series):
            engine.reset()
            rows = engine.replay(series.bars)
            moved = (np.isnan(rows) != np.isnan(series.features[:, places])).any(axis=0)
            if moved.any():
                raise StageError(
                    f"{names[int(np.argmax(moved))]} is defined on other rows of {series.symbol} when it is fitted "
                    "elsewhere: whether a feature is defined may not depend on what it is fitted to"
                )
            draft.array(f"fitted-{number}", rows)
            progress(f"{title}: {series.symbol}", (number + 1) / len(base.series))
        done = whole.with_fitted(wanted.fitted)
        facts = msgspec.structs.replace(
            about, feature_digest=done.digest, fitted=dict(done.fitted), base=panel_artefact.digest
        )
        draft.json("panel", facts)

    return job("fitted", title, (panel_artefact.digest, tuple(spans)), build, ("numpy", "numba", "llvmlite"))
