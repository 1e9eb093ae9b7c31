"""The importances of a plainly artificial run: the first feature is worth something in every fold, no other is."""

from __future__ import annotations

import numpy as np

from models.importance.clusters import cluster_features
from models.importance.panel import ImportanceSettings, PanelImportances
from models.importance.shap import Contributions
from models.importance.table import Importances
from pipelines.stages.importance import study_of

FOLDS = 7
TREES = ("lightgbm", "xgboost")
UNITS = {"mda": ("permutation (MDA)", "nats lost"), "mdi": ("impurity (MDI)", "share of the gain")} | {
    "shap": ("SHAP", "mean |log odds|"),
    "sfi": ("single feature (SFI)", "nats above the base rate"),
}


def make_importance_study(random, names, members=("lightgbm", "xgboost", "linear")):
    rows = random.standard_normal((200, len(names)))
    rows[:, 2::3] = rows[:, ::3] + 0.3 * random.standard_normal(rows[:, 2::3].shape)
    clusters = cluster_features(rows, names)

    def table(method, titles, prefix=""):
        title, unit = UNITS[method]
        values = 0.002 * random.standard_normal((FOLDS, len(titles)))
        values[:, 0] += 0.05
        return Importances(f"{prefix}{title}", unit, tuple(titles), np.abs(values) if method != "mda" else values)

    tables = {}
    for member in members:
        for method in ("mda", "mdi", "shap") if member in TREES else ("mda",):
            tables[member, method] = table(method, names)
            tables[member, f"clustered_{method}"] = table(method, clusters.titles, "clustered ")
    tables["", "sfi"] = table("sfi", names)
    explained = {member: explain(random, names) for member in members if member in TREES}
    return study_of(PanelImportances(tables, clusters, explained), ImportanceSettings(rows=1000), 0.25)


def explain(random, names, rows=80):
    values = random.standard_normal((rows, len(names))) * np.linspace(1, 0.1, len(names))
    return Contributions(tuple(names), 2 * values, values, np.zeros(rows), values.sum(axis=1), np.ones(rows))
