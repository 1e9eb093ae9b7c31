"""Splitters of scikit-learn's protocol over labels that take time: purge, embargo and gap keep the future out."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from models.splitters.check import check_splitter as check_splitter
    from models.splitters.combinatorial import CombinatorialPurgedCV as CombinatorialPurgedCV
    from models.splitters.intervals import purged as purged
    from models.splitters.kfold import PurgedKFold as PurgedKFold
    from models.splitters.scoring import cross_val_predict as cross_val_predict
    from models.splitters.scoring import cross_val_score as cross_val_score
    from models.splitters.walk_forward import Fold as Fold
    from models.splitters.walk_forward import PurgedWalkForward as PurgedWalkForward
    from models.splitters.walk_forward import purged_tail as purged_tail

_PLACES = {
    "check_splitter": "check",
    "CombinatorialPurgedCV": "combinatorial",
    "purged": "intervals",
    "PurgedKFold": "kfold",
    "cross_val_predict": "scoring",
    "cross_val_score": "scoring",
    "Fold": "walk_forward",
    "PurgedWalkForward": "walk_forward",
    "purged_tail": "walk_forward",
}


def __getattr__(name: str) -> Any:
    if name not in _PLACES:
        raise AttributeError(f"module {__name__} has no attribute {name}")
    return getattr(import_module(f"{__name__}.{_PLACES[name]}"), name)
