"""Features of one's own, from outside the repository: a Python file, or an installed package's entry points.

A file defines ``FEATURES``, a sequence of `features.feature.Feature`, with kernels of its own compiled by
`market.jit.kernel`:

    from features.blocks import LOG_RETURN, apply
    from features.feature import Feature
    from market.jit import kernel

    @kernel
    def cube(x: float) -> float:
        return x * x * x

    FEATURES = (Feature("cubed_return", apply(cube, LOG_RETURN), 1e-9, "1", "log return cubed", "own"),)

An entry point of the group ``bot4.features`` names such a sequence. Both get what the house's features get: one kernel
for research and live, conformance (`features.conformance.check_feature`), and a digest over the sources of their
kernels. A file runs from a copy under a name that contains its digest, so that editing it makes other features, and a
pickled `features.feature_set.FeatureSet` brings the file along to other processes and machines.
"""

from __future__ import annotations

import hashlib
import re
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from importlib.metadata import entry_points
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numba

from features.catalogue import CATALOGUE
from features.errors import FeatureError
from features.feature import Feature
from features.modules import load_module
from features.nodes import Fitted, Node, walk

GROUP = "bot4.features"
PREFIX = "bot4_plugin_"
NAME = re.compile(r"[a-z][a-z0-9_]*")
SOURCES: dict[str, str] = {}
"""The text of each file loaded in this process, by the name of its module."""


@dataclass(frozen=True, slots=True)
class PluginSource:
    """A file of features as it was when loaded; unpickling it makes its module importable by name."""

    module: str
    source: str

    def __reduce__(self) -> tuple[Any, ...]:
        return installed_source, (self.module, self.source)


def installed_source(module: str, source: str) -> PluginSource:
    """Make a file's module importable in this process."""
    load_module(module, source)
    SOURCES[module] = source
    return PluginSource(module, source)


def install_sources(sources: Mapping[str, str]) -> None:
    """Make files' modules importable in this process, unless they are; ``sources`` as in `SOURCES`."""
    for module, source in sources.items():
        if module not in SOURCES:
            installed_source(module, source)


def load_file(path: str | Path) -> tuple[Feature, ...]:
    """The features of a Python file.

    Parameters
    ----------
    path
        A file that defines ``FEATURES``. It may import installed packages, not files beside it.

    Raises
    ------
    FeatureError
        If it cannot be read or run, defines no features, or one of them could not be compiled and served.
    """
    return features_of(install_file(path), str(path))


def install_file(path: str | Path) -> str:
    """Run a file of features, and the name of the module it became: its own name and a digest of its content.

    Raises
    ------
    FeatureError
        If it cannot be read or run.
    """
    file = Path(path)
    try:
        source = file.read_text()
    except (OSError, UnicodeDecodeError) as error:
        raise FeatureError(f"the file of features {file} cannot be read: {error}") from error
    stem = re.sub(r"\W", "_", file.stem)
    name = f"{PREFIX}{stem}_{hashlib.sha256(source.encode()).hexdigest()[:16]}"
    try:
        installed_source(name, source)
    except Exception as error:
        raise FeatureError(f"the file of features {file} cannot be run: {type(error).__name__}: {error}") from error
    return name


def features_of(module: str, where: str) -> tuple[Feature, ...]:
    """The features of an installed file.

    Raises
    ------
    FeatureError
        If it defines none, or one of them could not be compiled and served.
    """
    found = sys.modules[module]
    if not hasattr(found, "FEATURES"):
        raise FeatureError(f"{where} defines no FEATURES; assign it a sequence of features.feature.Feature")
    return checked(found.FEATURES, where)


def load_installed() -> dict[str, tuple[Feature, ...]]:
    """The features of installed packages, by entry point.

    Raises
    ------
    FeatureError
        If an entry point cannot be loaded or names no features.
    """
    found = {}
    for point in sorted(entry_points(group=GROUP), key=lambda one: one.name):
        where = f"entry point {point.name} ({point.value})"
        try:
            features = point.load()
        except Exception as error:
            raise FeatureError(f"{where} cannot be loaded: {type(error).__name__}: {error}") from error
        found[where] = checked(features, where)
    return found


def extended_catalogue(files: Iterable[str | Path] = (), installed: bool = True) -> Mapping[str, Feature]:
    """The house's catalogue and features of one's own, for `features.feature_set.FeatureSet`.

    Parameters
    ----------
    files
        Files of features.
    installed
        Whether the entry points of installed packages are added.

    Raises
    ------
    FeatureError
        If a feature's name is taken, naming both places, or one cannot be loaded.
    """
    return joined_catalogue({str(file): load_file(file) for file in files}, installed)


def catalogue_with(modules: tuple[str, ...] = (), installed: bool = True) -> Mapping[str, Feature]:
    """As `extended_catalogue`, of files that were installed before, by the names of their modules."""
    return joined_catalogue({name: features_of(name, f"the file of module {name}") for name in modules}, installed)


def joined_catalogue(sources: dict[str, tuple[Feature, ...]], installed: bool) -> Mapping[str, Feature]:
    """The house's catalogue itself, or a copy of it with features of one's own, which are named by where they are."""
    if installed:
        sources |= load_installed()
    if not sources:
        return CATALOGUE
    catalogue = dict(CATALOGUE)
    places = dict.fromkeys(CATALOGUE, "the catalogue")
    for place, features in sources.items():
        for feature in features:
            if feature.name in catalogue:
                taken = places[feature.name]
                raise FeatureError(f"{place}: feature {feature.name!r} is also in {taken}; give it another name")
            catalogue[feature.name] = feature
            places[feature.name] = place
    return MappingProxyType(catalogue)


def plugin_sources(features: Iterable[Feature]) -> tuple[PluginSource, ...]:
    """The files that features' kernels and fits come from, for pickling; none for those of installed packages."""
    modules = {name for feature in features for name in modules_of(feature)}
    return tuple(PluginSource(name, SOURCES[name]) for name in sorted(modules & SOURCES.keys()))


def modules_of(feature: Feature) -> Iterable[str]:
    """The modules of its kernels and fits."""
    for one in walk((feature.value,)):
        if isinstance(one, Node):
            yield one.kernel.__module__
        elif isinstance(one, Fitted):
            yield getattr(one.fit, "__module__", "")


def checked(features: Any, where: str) -> tuple[Feature, ...]:
    """Features that can be compiled, found again in another process, and named in a configuration."""
    if not isinstance(features, Iterable) or isinstance(features, str | Mapping):
        raise FeatureError(f"{where}: FEATURES is {type(features).__name__}, not a sequence of features")
    found = tuple(features)
    if not found:
        raise FeatureError(f"{where}: FEATURES is empty")
    names = set()
    for feature in found:
        if not isinstance(feature, Feature):
            raise FeatureError(f"{where}: FEATURES has {feature!r}, which is not a features.feature.Feature")
        if not NAME.fullmatch(feature.name):
            raise FeatureError(
                f"{where}: feature name {feature.name!r} is not of small letters, digits and underscores"
            )
        if feature.name in names:
            raise FeatureError(f"{where}: feature {feature.name!r} is defined twice")
        names.add(feature.name)
        for node in walk((feature.value,)):
            if isinstance(node, Node):
                check_kernel(node.kernel, f"{where}: kernel {node.kernel.__name__} of feature {feature.name!r}")
    return found


def check_kernel(kernel: Any, what: str) -> None:
    """Refuse a kernel that the generated loop cannot import, or that is not compiled by the house's rules."""
    if getattr(sys.modules.get(kernel.__module__), kernel.__name__, None) is not kernel:
        raise FeatureError(f"{what} is not at the top level of its module; define it there, under its own name")
    if numba.config.DISABLE_JIT:
        return
    options = getattr(kernel, "targetoptions", None)
    if options is None:
        raise FeatureError(f"{what} is not compiled; decorate it with market.jit.kernel")
    if options.get("fastmath") or options.get("error_model") != "numpy":
        raise FeatureError(f"{what} is compiled by other rules than ours; decorate it with market.jit.kernel")
