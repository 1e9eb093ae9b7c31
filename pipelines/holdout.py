"""The second stage on the untouched stretch: what the bundle's graph says there, and what happened."""

from __future__ import annotations

import msgspec
import numpy as np

from models.bundle.bundle import Bundle
from models.statistics.bootstrap import time_blocks
from pipelines.behind import labelled, scored_stream
from pipelines.config import RunConfig
from pipelines.meta import MetaStudy
from pipelines.stages.evaluate import BLOCK_HORIZONS
from pipelines.stages.meta import meta_scores
from pipelines.workspace import Workspace
from serving.config import ServeConfig


def with_holdout(
    study: MetaStudy, bundle: Bundle, live: ServeConfig, config: RunConfig, workspace: Workspace
) -> MetaStudy:
    """A study with what the second stage of the bundle was worth on the stretch behind all it has seen."""
    meta = bundle.manifest.meta
    if meta is msgspec.UNSET:
        return msgspec.structs.replace(study, holdout_note="the bundle has no second stage")
    scored = scored_stream(bundle, live, workspace)
    found = labelled(bundle, scored)
    cells = len(np.unique(found.t0 // found.horizon)) if len(found) else 0
    if cells < 2 * BLOCK_HORIZONS:
        note = f"it spans {cells} label horizons, and {2 * BLOCK_HORIZONS} are needed to resample"
        return msgspec.structs.replace(study, holdout_note=note)
    blocks = time_blocks(found.t0, found.horizon, BLOCK_HORIZONS, config.validation.draws, config.seed)
    base = np.full(len(found), meta.base)
    scores = meta_scores(found.ensemble, found.right, found.label, base, found.weight, blocks)
    return msgspec.structs.replace(study, holdout=scores)
