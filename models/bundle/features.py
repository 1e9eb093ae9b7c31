"""The features of a bundle: what the manifest says of them, and the files that features of one's own come from.

Loading a bundle runs those files, after they were found to be what the manifest's digests say: a bundle is code, and is
to be trusted like a program.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from features.feature_set import FeatureSet
from features.panel.engine import PanelEngine
from features.plugins import catalogue_with, installed_source, plugin_sources
from market.bars import PANEL_FIELDS
from models.bundle.errors import IncompatibleBundle
from models.bundle.manifest import FeatureList

FOLDER = "plugins"


def listed_features(
    wanted: FeatureSet, bars: str = "", events: str = "", instruments: tuple[str, ...] = ()
) -> FeatureList:
    """A feature set as the manifest writes it; ``bars``, ``events`` and ``instruments`` as there."""
    modules, fitted = tuple(one.module for one in plugin_sources(wanted.features)), dict(wanted.fitted)
    about = (wanted.names, wanted.interval, wanted.max_gap, wanted.digest)
    return FeatureList(*about, fitted, modules, bars, events, instruments)


def at_event(values: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Where the feature at whose bars decisions are made has one: neither zero nor undefined.

    Examples
    --------
    >>> at_event(np.array([np.nan, 0.0, -1.0])).tolist()
    [False, False, True]
    """
    found: NDArray[np.bool_] = np.isfinite(values) & (values != 0.0)
    return found


def plugin_files(wanted: FeatureSet) -> dict[str, bytes]:
    """The files of features of one's own, by their paths in the bundle."""
    return {plugin_path(one.module): one.source.encode() for one in plugin_sources(wanted.features)}


def plugin_path(module: str) -> str:
    """Where a file of features lies in a bundle."""
    return f"{FOLDER}/{module}.py"


def checked_features(listed: FeatureList, files: Mapping[str, bytes], where: str) -> FeatureSet:
    """The features of a manifest, if this installation computes them as the bundle's maker did.

    Raises
    ------
    IncompatibleBundle
        If it does not know them, or computes something else under their names.
    """
    try:
        for module in listed.plugins:
            installed_source(module, files[plugin_path(module)].decode())
        found = FeatureSet(listed.names, listed.interval, listed.max_gap, catalogue_with(listed.plugins), listed.fitted)
    except (ValueError, KeyError, ImportError, SyntaxError) as error:
        raise IncompatibleBundle(f"{where}: this installation cannot compute its features: {error}") from error
    if found.digest != listed.digest:
        raise IncompatibleBundle(
            f"{where}: feature set {listed.digest[:16]}… is computed as {found.digest[:16]}… by this installation; "
            "install the version that made the bundle, or train again"
        )
    return found


def reads_panel(wanted: FeatureSet) -> bool:
    """Whether any feature reads what the instruments say of each other."""
    return not wanted.fields.isdisjoint(PANEL_FIELDS)


def panel_engine(wanted: FeatureSet, symbols: tuple[str, ...]) -> PanelEngine | None:
    """The engine that fills those fields, with empty state; None where no feature reads them."""
    return PanelEngine(symbols, wanted.interval, wanted.max_gap) if reads_panel(wanted) else None
