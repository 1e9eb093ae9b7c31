"""Bars as MLflow's dataset inputs: named, fingerprinted, with where in the lake they lie. The bars stay there."""

from __future__ import annotations

import json
from typing import Any

from pipelines.results import SeriesData

LONGEST_DIGEST = 36
"""MLflow's limit; the whole fingerprint stands in the profile."""


def dataset(series: SeriesData) -> Any:
    """One instrument's bars as an ``mlflow.entities.Dataset``."""
    from mlflow.data.meta_dataset import MetaDataset
    from mlflow.data.sources import LocalArtifactDatasetSource
    from mlflow.entities import Dataset

    place = f"venue={series.venue}/instrument={series.symbol}/kind=bars/interval={series.interval}"
    digest = series.fingerprint[:LONGEST_DIGEST]
    described = MetaDataset(LocalArtifactDatasetSource(place), name=series.symbol, digest=digest).to_dict()
    profile = {name: getattr(series, name) for name in ("fingerprint", "rows", "start", "end", "gaps", "missing_bars")}
    return Dataset(
        name=described["name"],
        digest=described["digest"],
        source_type=described["source_type"],
        source=described["source"],
        profile=json.dumps(profile),
    )
