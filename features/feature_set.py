"""An ordered list of features on one grid of bars: what an engine computes, and what its state and digest belong to."""

from __future__ import annotations

import hashlib
import inspect
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches
from functools import cached_property
from math import isfinite
from types import FunctionType, MappingProxyType
from typing import Any

import numpy as np

from features import door
from features.catalogue import CATALOGUE
from features.errors import FeatureError
from features.feature import Feature
from features.nodes import Fitted
from features.plan import Plan, make_plan
from features.plugins import PluginSource, plugin_sources
from features.source import generate
from market.bars import PRICE_FIELDS


@dataclass(frozen=True)
class FeatureSet:
    """Features in a fixed order, for bars of one interval.

    Parameters
    ----------
    names
        Features by name; their order is the order of the columns.
    interval
        The bars' interval in nanoseconds, or 0 for bars that are no time grid (tick, volume, dollar bars); those have
        no missing bars, and number themselves from the first one.
    max_gap
        How many missing bars in a row are bridged; after more of them the state starts anew.
    catalogue
        Where names are looked up; a user's own features are added to a copy of the default one.
    fitted
        The values that some features need and that were fitted on training bars, by name: what
        `features.fitting.fit_features` gives, or what was read back from JSON.

    Raises
    ------
    FeatureError
        If a name is unknown or twice in the list, the list is empty, a number is negative, or fitted values belong to
        no feature of the list, are too few, too many or not finite.

    Examples
    --------
    >>> some = FeatureSet(("rsi_14", "scaled_return_4"), interval=60_000_000_000, max_gap=3)
    >>> some.warmup, some.memory, sorted(some.fields)
    (97, None, ['close', 'high', 'low', 'open', 'volume'])
    """

    names: tuple[str, ...]
    interval: int
    max_gap: int
    catalogue: Mapping[str, Feature] = field(default_factory=lambda: CATALOGUE, repr=False, compare=False)
    fitted: Mapping[str, tuple[float, ...]] = field(default_factory=dict, hash=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "names", tuple(self.names))
        if not self.names:
            raise FeatureError("a feature set needs at least one feature")
        for name in self.names:
            if name not in self.catalogue:
                raise FeatureError(f"no feature is called {name!r}{suggestion(name, self.catalogue)}")
            if self.names.count(name) > 1:
                raise FeatureError(f"feature {name!r} is twice in the feature set; list each once")
        if self.interval < 0 or self.max_gap < 0:
            raise FeatureError(f"interval {self.interval} and max_gap {self.max_gap} must not be negative")
        object.__setattr__(self, "fitted", MappingProxyType(self._checked_values()))

    def __reduce__(self) -> tuple[Any, ...]:
        own = None if self.catalogue is CATALOGUE else {feature.name: feature for feature in self.features}
        files = plugin_sources(self.features)
        return restored, (files, self.names, self.interval, self.max_gap, dict(self.fitted), own)

    def _checked_values(self) -> dict[str, tuple[float, ...]]:
        """The fitted values in the order in which features need them; refuses those that nothing can use."""
        found: dict[str, tuple[float, ...]] = {}
        for name, one in self.needed.items():
            if name not in self.fitted:
                continue
            found[name] = tuple(float(value) for value in self.fitted[name])
            if len(found[name]) != one.size or not all(isfinite(value) for value in found[name]):
                raise FeatureError(f"the fitted values of {name!r} must be {one.size} finite numbers: {found[name]}")
        for name in self.fitted:
            if name not in found:
                raise FeatureError(f"no feature of the set needs the fitted values {name!r}; leave them out")
        return found

    @cached_property
    def needed(self) -> Mapping[str, Fitted]:
        """What the features need to have fitted, by name."""
        found: dict[str, Fitted] = {}
        for feature in self.features:
            for one in feature.fitted:
                if found.setdefault(one.name, one) != one:
                    raise FeatureError(f"{feature.name}: the fitted values {one.name!r} mean two things in one set")
        return found

    @property
    def unfitted(self) -> dict[str, tuple[str, ...]]:
        """The features that lack fitted values, each with the names of these."""
        lacks = {
            feature.name: tuple(one.name for one in feature.fitted if one.name not in self.fitted)
            for feature in self.features
        }
        return {name: values for name, values in lacks.items() if values}

    def with_fitted(self, values: Mapping[str, Sequence[float]]) -> FeatureSet:
        """The same features with other fitted values; nothing is compiled anew.

        Raises
        ------
        FeatureError
            If the values do not fit the features.
        """
        fitted = {name: tuple(one) for name, one in values.items()}
        return FeatureSet(self.names, self.interval, self.max_gap, self.catalogue, fitted)

    @cached_property
    def features(self) -> tuple[Feature, ...]:
        """The features in order."""
        return tuple(self.catalogue[name] for name in self.names)

    @cached_property
    def plan(self) -> Plan:
        """Which steps run, in which order, on which state."""
        return make_plan(self.features)

    @cached_property
    def source(self) -> str:
        """The text of the module it compiles to."""
        return generate(self.plan)

    @cached_property
    def digest(self) -> str:
        """SHA-256 of names, order, interval, gap rule, fitted values and `code_digest`."""
        values = [f"{name} {' '.join(one.hex() for one in numbers)}" for name, numbers in self.fitted.items()]
        text = "\n".join([self.code_digest, str(self.interval), str(self.max_gap), *self.names, *values])
        return hashlib.sha256(text.encode()).hexdigest()

    @cached_property
    def code_digest(self) -> str:
        """SHA-256 of what is compiled: the generated module, with all parameters, and the source of every kernel."""
        digest = hashlib.sha256(self.source.encode())
        seen: dict[str, str] = {}
        for kernel in (*door.DOOR, *(node.kernel for node in self.plan.nodes)):
            collect_sources(kernel, seen)
        for name in sorted(seen):
            digest.update(f"\0{name}\0{seen[name]}".encode())
        return digest.hexdigest()

    @property
    def warmup(self) -> int:
        """Bars needed until every feature is defined."""
        return max(feature.warmup for feature in self.features)

    @property
    def memory(self) -> int | None:
        """Bars that decide the bits of a row, or None if all of history does."""
        memories = [feature.memory for feature in self.features]
        finite = [one for one in memories if one is not None]
        return max(finite) if len(finite) == len(memories) else None

    @property
    def fields(self) -> frozenset[str]:
        """The bar fields it reads or checks."""
        return frozenset(PRICE_FIELDS).union(*(feature.fields for feature in self.features))

    @property
    def readers(self) -> dict[str, str]:
        """For each bar field, the first feature that reads it."""
        return {name: feature.name for feature in reversed(self.features) for name in feature.fields}

    def require(self, fields: Iterable[str]) -> None:
        """Refuse bars that lack a field some feature reads.

        Raises
        ------
        FeatureError
            Naming every such feature and the fields it needs.
        """
        present = frozenset(fields)
        lacking = [feature for feature in self.features if not feature.fields <= present]
        if lacking:
            needs = "; ".join(f"{one.name} needs {', '.join(sorted(one.fields - present))}" for one in lacking)
            raise FeatureError(f"the bars lack fields: {needs}. Leave these features out or use bars that have them")


def restored(
    files: tuple[PluginSource, ...],
    names: tuple[str, ...],
    interval: int,
    max_gap: int,
    fitted: Mapping[str, tuple[float, ...]],
    own: Mapping[str, Feature] | None,
) -> FeatureSet:
    """A feature set that was pickled; only features that are not the house's travel, by the names of their kernels.

    ``files`` come first, because unpickling them makes those kernels importable.
    """
    return FeatureSet(names, interval, max_gap, CATALOGUE if own is None else own, fitted)


def suggestion(name: str, catalogue: Mapping[str, Feature]) -> str:
    """A hint at names that look alike."""
    near = get_close_matches(name, catalogue, n=3)
    return f"; did you mean {', '.join(near)}?" if near else "; see features.catalogue.CATALOGUE for all names"


def collect_sources(kernel: Any, seen: dict[str, str]) -> None:
    """Add the source of a kernel, the numbers and tables it reads, and, through its globals, every kernel it calls."""
    function: FunctionType = getattr(kernel, "py_func", kernel)
    name = f"{function.__module__}.{function.__qualname__}"
    if name in seen:
        return
    seen[name] = inspect.getsource(function)
    for used in function.__code__.co_names:
        value = function.__globals__.get(used)
        if isinstance(value, int | float):
            seen[f"{function.__module__}:{used}"] = repr(value)
        elif isinstance(value, np.ndarray):
            seen[f"{function.__module__}:{used}"] = f"{value.dtype} {value.shape} {value.tobytes().hex()}"
        elif isinstance(getattr(value, "py_func", value), FunctionType):
            collect_sources(value, seen)
