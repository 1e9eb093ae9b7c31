"""Sampling that can be broken off and gone on with: a trial depends on the seed, its place and what ended before.

A sampler of Optuna has one stream of random numbers for the life of a process; after a kill the stream would begin
anew, and the first trials would be suggested a second time. Here every trial has a generator of its own.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from optuna.distributions import BaseDistribution
from optuna.samplers import BaseSampler, RandomSampler, TPESampler

from pipelines.tuning.storage import RETRY_OF

MAKERS: Mapping[str, Callable[[int], BaseSampler]] = {
    "tpe": lambda seed: TPESampler(seed=seed),
    "random": lambda seed: RandomSampler(seed=seed),
}


class PlacedSampler(BaseSampler):  # type: ignore[misc]
    """A sampler that is made anew for every trial, seeded by the trial's place in the study.

    Parameters
    ----------
    name
        One of `MAKERS`.
    seed
        The study's.
    """

    def __init__(self, name: str, seed: int) -> None:
        self._name = name
        self._seed = seed
        self._inner = MAKERS[name](seed)

    def before_trial(self, study: Any, trial: Any) -> None:
        """A new generator for this trial."""
        number = place(trial, study.get_trials(deepcopy=False))
        seed = int(np.random.SeedSequence([self._seed, number]).generate_state(1)[0])
        self._inner = MAKERS[self._name](seed)
        self._inner.before_trial(study, trial)

    def infer_relative_search_space(self, study: Any, trial: Any) -> dict[str, BaseDistribution]:
        """As the sampler's own."""
        found: dict[str, BaseDistribution] = self._inner.infer_relative_search_space(study, trial)
        return found

    def sample_relative(self, study: Any, trial: Any, search_space: dict[str, BaseDistribution]) -> dict[str, Any]:
        """As the sampler's own."""
        found: dict[str, Any] = self._inner.sample_relative(study, trial, search_space)
        return found

    def sample_independent(self, study: Any, trial: Any, param_name: str, param_distribution: BaseDistribution) -> Any:
        """As the sampler's own."""
        return self._inner.sample_independent(study, trial, param_name, param_distribution)

    def after_trial(self, study: Any, trial: Any, state: Any, values: Any) -> None:
        """As the sampler's own."""
        self._inner.after_trial(study, trial, state, values)


def place(trial: Any, trials: list[Any]) -> int:
    """A trial's place in the study: its number had nothing been broken off and tried again."""
    original = trial
    by_number = {one.number: one for one in trials}
    while RETRY_OF in original.user_attrs:
        original = by_number[original.user_attrs[RETRY_OF]]
    earlier = sum(one.number < original.number and RETRY_OF in one.user_attrs for one in trials)
    return int(original.number - earlier)
