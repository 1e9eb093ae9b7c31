"""A study: Optuna's, with what it is about written beside it, so that nothing else is ever added to it."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec

from pipelines.ledger.trial import Trial
from pipelines.toml import digest
from pipelines.tuning.config import StudyConfig
from pipelines.tuning.dimensions import stored
from pipelines.tuning.errors import TuningError
from pipelines.tuning.storage import BASE
from pipelines.workspace import Workspace

ABOUT = "bot4.about"
"""The study's attribute that says what it is about."""


def study_folder(workspace: Workspace, name: str) -> Path:
    """Where a study's files are: its losses, figures, winner and summary."""
    return workspace.root / "studies" / name


def about(config: StudyConfig, base: Trial) -> dict[str, str]:
    """What must not change while a study goes on, each part as a digest; ``base`` is the training's own trial."""
    tuning = config.tuning
    judged = [tuning.objectives, tuning.predictor, tuning.prunes, tuning.level]
    return {
        "the training": base.configuration,
        "the space": digest([msgspec.to_builtins(one) for one in config.space]),
        "what trials are judged by": digest(judged),
        "the sampler": digest([tuning.sampler, tuning.seed]),
        "the data": digest(base.data),
        "the code": base.code,
    }


def base_values(config: StudyConfig) -> dict[str, Any] | None:
    """The training's own values of the searched keys, as Optuna stores them; None if the space does not hold them."""
    found = {one.key: config.own(one.key) for one in config.space}
    if not all(one.holds(found[one.key]) for one in config.space):
        return None
    return {key: stored(value) for key, value in found.items()}


def open_study(config: StudyConfig, storage: Any, base: Trial) -> Any:
    """The study of this name in a storage, made if there is none; the training's own configuration is its first trial.

    Raises
    ------
    TuningError
        If there is one about something else.
    """
    import optuna

    from pipelines.tuning.sampling import PlacedSampler

    tuning = config.tuning
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        pruner = (
            optuna.pruners.WilcoxonPruner(p_threshold=tuning.level) if tuning.prunes else optuna.pruners.NopPruner()
        )
        study = optuna.create_study(
            storage=storage,
            study_name=config.name,
            sampler=PlacedSampler(tuning.sampler, tuning.seed),
            pruner=pruner,
            directions=["minimize"] * len(tuning.objectives),
            load_if_exists=True,
        )
        begin(study, config, base)
    return study


def begin(study: Any, config: StudyConfig, base: Trial) -> None:
    """Write into a new study what it is about, and queue the training's own configuration; check an old one.

    Raises
    ------
    TuningError
        If it is about something else.
    """
    wanted, known = about(config, base), study.user_attrs.get(ABOUT)
    if known is not None:
        check_same(config.name, known, wanted)
        return
    values = base_values(config)
    if values is not None:
        study.enqueue_trial(values, user_attrs={BASE: True}, skip_if_exists=True)
    study.set_metric_names(list(config.tuning.objectives))
    study.set_user_attr(ABOUT, wanted)


def check_same(name: str, known: Mapping[str, str], wanted: Mapping[str, str]) -> None:
    """Refuse to go on with a study that is about something else.

    Raises
    ------
    TuningError
        Naming what differs.
    """
    differing = [part for part in wanted if known.get(part) != wanted[part]]
    if differing:
        raise TuningError(
            f"study {name!r} was begun with other values of {', '.join(differing)}, so that its trials cannot be "
            "compared with new ones: give this one another name"
        )
