"""``python -m tests.pipelines.stages_alone CONF WORKSPACE``: a bundle by the bare stages, one after another.

No scheduler, no tracking, no threads: whatever of a run decides its bundle, and nothing else. Prints the content hash.
"""

from __future__ import annotations

import sys
from pathlib import Path

from market.lake import Lake
from models.blas import one_blas_thread
from models.bundle.bundle import Bundle
from pipelines.config import load
from pipelines.stages.artefacts import Artefacts
from pipelines.stages.assemble import BUNDLE, assemble_job
from pipelines.stages.data import describe, ingest_embedded, instruments
from pipelines.stages.evaluate import compared_rows, fold_predictions
from pipelines.stages.fit import fit_job
from pipelines.stages.panel import load_panel, panel_job
from pipelines.stages.refit import refit_job
from pipelines.stages.score import load_scores, next_combination, score_job
from pipelines.stages.scorecard import load_scorecard, scorecard_job
from pipelines.stages.windows import final_window, fold_windows, folds
from pipelines.workspace import Workspace


def bundle_of(path: Path, workspace: Workspace) -> Bundle:
    """The bundle of a configuration without fitted features, made in a workspace."""
    config = load(path)
    lake, make = Lake(workspace.lake), Artefacts(workspace.artefacts).make
    if config.data.source == "embedded":
        ingest_embedded(config.data, lake)
    facts = describe(config.data, lake)
    made = make(panel_job(config, facts, lake))
    panel = load_panel(made)
    found = folds(config, panel)
    windows, last = fold_windows(found), final_window(config, facts)
    scored, scores, combinations = [], [], []
    for window in windows:
        fits = {name: make(fit_job(config, made, window, name)) for name in config.members}
        combinations.append(next_combination(config, panel.samples, scored, combinations, window.test_start))
        scores.append(make(score_job(config, made, window, fits, combinations[-1])))
        scored.append(load_scores(panel, window, scores[-1]))
    compared = compared_rows(config, panel, fold_predictions(config, panel, found, scored, combinations))
    card = make(scorecard_job(config, made, windows, scores, combinations, compared))
    statistics = {one.name: {key: value.value for key, value in one.scores.items()} for one in load_scorecard(card)}
    final = next_combination(config, panel.samples, scored, combinations, facts.cut + 1)
    refit = make(refit_job(config, made, last))
    rules = instruments(config.data, str(path.parent))
    return Bundle.load(make(assemble_job(config, facts, made, refit, last, final, rules, statistics)).path / BUNDLE)


if __name__ == "__main__":
    with one_blas_thread():
        print(bundle_of(Path(sys.argv[1]), Workspace(Path(sys.argv[2]))).digest)
