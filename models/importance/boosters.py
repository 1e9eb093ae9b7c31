"""LightGBM and XGBoost behind one view: native boosters, scikit-learn wrappers, and the house's fitted members."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.errors import ModelError

Floats = NDArray[np.float64]


def is_booster(model: Any) -> bool:
    """Whether a model is, or holds, gradient-boosted trees of one of the two libraries."""
    return _library(_native(model)) is not None


def booster_of(model: Any) -> tuple[str, Any]:
    """The library's name and its native booster, cut off after its best round.

    Raises
    ------
    ModelError
        If there is none in the model.
    """
    native = _native(model)
    library = _library(native)
    if library is None:
        raise ModelError(f"{type(model).__name__} holds no LightGBM or XGBoost booster")
    best = getattr(model, "best_iteration", None) if library == "xgboost" and native is not model else None
    return library, native if best is None else native[: best + 1]


def gain_shares(model: Any, features: int) -> Floats:
    """Each feature's share of the loss that the splits on it removed, shape (features,); zeros if nothing split.

    Raises
    ------
    ModelError
        If the model is no booster.
    """
    library, booster = booster_of(model)
    if library == "lightgbm":
        gains = np.asarray(booster.feature_importance(importance_type="gain"), np.float64)
    else:
        gains = np.zeros(features)
        for name, gain in booster.get_score(importance_type="total_gain").items():
            names = booster.feature_names
            gains[names.index(name) if names else int(name[1:])] = gain
    return gains / (gains.sum() or 1.0)


def margins(model: Any, features: Floats) -> Floats:
    """The booster's sum of leaves before the logistic, shape (n,).

    Raises
    ------
    ModelError
        If the model is no booster, or has several outputs.
    """
    library, booster = booster_of(model)
    if library == "lightgbm":
        return _one_output(booster.predict(features, raw_score=True, num_threads=1), 1)
    return _one_output(booster.predict(_matrix(booster, features), output_margin=True), 1)


def tree_shap(model: Any, features: Floats) -> Floats:
    """The library's own TreeSHAP values, the bias last, shape (n, f + 1).

    Raises
    ------
    ModelError
        If the model is no booster, or has several outputs.
    """
    library, booster = booster_of(model)
    if library == "lightgbm":
        found = booster.predict(features, pred_contrib=True, num_threads=1)
    else:
        found = booster.predict(_matrix(booster, features), pred_contribs=True)
    found = _one_output(found, 2)
    if found.shape[1] != features.shape[1] + 1:
        raise ModelError(f"contributions of {found.shape[1]} columns to {features.shape[1]} features: is it binary?")
    return found


def _one_output(found: Any, dimensions: int) -> Floats:
    values = np.asarray(found, np.float64)
    if values.ndim != dimensions:
        raise ModelError(f"the booster's output has shape {values.shape}: contributions are known of one output only")
    return values


def _matrix(booster: Any, features: Floats) -> Any:
    import xgboost

    return xgboost.DMatrix(features, feature_names=booster.feature_names, nthread=1)


def _native(model: Any) -> Any:
    """The native booster inside a model, or the model itself."""
    if hasattr(model, "get_booster"):
        return model.get_booster()
    return getattr(model, "booster_", getattr(model, "booster", model))


def _library(booster: Any) -> str | None:
    name = type(booster).__module__.split(".")[0]
    return name if name in ("lightgbm", "xgboost") and type(booster).__name__ == "Booster" else None
