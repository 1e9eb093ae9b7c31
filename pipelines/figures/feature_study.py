"""The pictures of a run's features, each with a caption that says what it shows and what it does not."""

from __future__ import annotations

from collections.abc import Iterator

from models.importance.clusters import Clusters
from pipelines.feature_study import FeatureStudy
from pipelines.figures.features_clusters import cluster_tree
from pipelines.figures.features_distributions import distributions
from pipelines.figures.features_drift import drift_map
from pipelines.figures.picture import Picture


def feature_pictures(study: FeatureStudy | None) -> list[Picture]:
    """Every picture that this study has; none without one."""
    return list(_pictures(study)) if study is not None else []


def _pictures(study: FeatureStudy) -> Iterator[Picture]:
    text = (
        f"Distributions of the features most worth a look, over {study.columns.rows:,} bars of all instruments: with "
        "a fault in orange, else the most unusual, each with its reason. Red: the median; dashed: the quantiles at 1 "
        "and 99\u00a0%. Half a percent on each side lies outside the picture."
    )
    yield Picture("feature_distributions", text, distributions(study))
    if study.drift is not None:
        drift = study.drift
        text = (
            "How far the rows that a fold was tested on are from those it learned from: 0 the same distribution, 1 "
            "no overlap. A triangle marks a test that is farther from its training rows than any stretch of them, "
            "about as long, is from the rest: news, not the usual. Bad: a row of triangles (the feature has left its "
            "past), or a column of them (the market has)."
        )
        yield Picture("feature_drift", text, drift_map(study, drift))
    if study.clusters is not None:
        found = study.clusters
        text = (
            f"Features that say the same, by rank correlation of {study.clustered:,} decisions: a branch stands where "
            "the two farthest features below it are. Branches that close right of the red line hold features that "
            "repeat each other. Frames are the clusters, blue their branches."
        )
        clusters = Clusters(found.names, found.label, found.silhouette, found.distance)
        yield Picture("feature_tree", text, cluster_tree(clusters))
