"""Golden rows: bars with the feature rows and probabilities they gave when the bundle was made.

Another machine may compute other bits (another compiler back end, C library or instruction set). Golden rows decide
whether a machine may serve: it computes them anew, from empty state, and compares every byte.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from features.engine import FeatureEngine
from features.feature_set import FeatureSet
from models.bundle.errors import BundleError, IncompatibleBundle
from models.bundle.files import array_from_bytes, array_to_bytes
from models.bundle.instruments import NO_INDICATORS, Indicators
from models.bundle.machine import this_machine
from models.bundle.runner import GraphRunner
from models.bundle.together import panel_differences

if TYPE_CHECKING:
    from models.bundle.bundle import Bundle

FOLDER = "golden"
ARRAYS = ("bars", "features", "members", "probability")
SYMBOL = f"{FOLDER}/symbol"


@dataclass(frozen=True, slots=True, eq=False)
class Golden:
    """Bars (n,), their feature rows (n, f), members' probabilities (n, m) and the ensemble's (n,).

    ``symbol``: whose bars they are, where the model tells instruments apart; rows then say it.
    """

    bars: NDArray[np.void]
    features: NDArray[np.float64]
    members: NDArray[np.float64]
    probability: NDArray[np.float64]
    symbol: str = ""


class SelfTest(msgspec.Struct, frozen=True):
    """What differed when golden rows were computed anew; rows and differing cells, and the largest difference of each.

    ``features``: by feature, and by panel field where bars are filled from several instruments.

    ``same_machine``: whether the bundle was made on this machine class, so that nothing may differ.
    """

    rows: int
    same_machine: bool
    features: dict[str, int]
    members: dict[str, int]
    probabilities: int
    largest_feature: float
    largest_probability: float

    @property
    def exact(self) -> bool:
        """Whether every byte agreed."""
        return not self.features and not self.members and self.probabilities == 0

    def __str__(self) -> str:
        if self.exact:
            return f"all {self.rows} golden rows agree in every byte"
        return (
            f"of {self.rows} golden rows, features differ in {self.features or 'none'} (by up to "
            f"{self.largest_feature:.3g}), members in {self.members or 'none'}, the probability in "
            f"{self.probabilities} (by up to {self.largest_probability:.3g})"
        )


def record_golden(
    bars: NDArray[np.void],
    feature_set: FeatureSet,
    model: bytes,
    burn_in: int,
    indicators: Indicators = NO_INDICATORS,
    symbol: str = "",
) -> Golden:
    """Golden rows of some bars, from empty state; with ``indicators`` they say that they are of ``symbol``.

    Raises
    ------
    BundleError
        If no bar has a probability: too few for warm-up and burn-in.
    """
    golden = _computed(bars, FeatureEngine(feature_set), GraphRunner(model, burn_in), indicators, symbol)
    if not np.isfinite(golden.probability).any():
        needed = feature_set.warmup + burn_in + 1
        raise BundleError(f"none of {len(bars)} golden bars has a probability; give at least {needed} without a hole")
    return golden


def self_test(bundle: Bundle) -> SelfTest:
    """Compute a bundle's golden rows anew.

    Returns
    -------
    SelfTest
        Exact, or made on another machine class: it is then for the caller to decide on the differences.

    Raises
    ------
    IncompatibleBundle
        If anything differs although the bundle was made on this machine class.
    """
    golden = bundle.golden()
    engine, listed = FeatureEngine(bundle.feature_set()), bundle.manifest.features
    again = _computed(golden.bars, engine, bundle.runner(), listed.indicators, golden.symbol)
    panel = bundle.panel()
    fields, largest = ({}, 0.0) if panel is None else panel_differences(panel, bundle.files)
    names, members = listed.columns, tuple(member.name for member in bundle.manifest.members)
    found = SelfTest(
        rows=len(golden.bars),
        same_machine=bundle.attestation.machine.same_class(this_machine()),
        features=_differences(names, golden.features, again.features) | fields,
        members=_differences(members, golden.members, again.members),
        probabilities=int(_differ(golden.probability, again.probability).sum()),
        largest_feature=max(_largest(golden.features, again.features), largest),
        largest_probability=_largest(golden.probability, again.probability),
    )
    if found.same_machine and not found.exact:
        raise IncompatibleBundle(
            f"self-test of {bundle.manifest.name} failed on the machine class that made it: {found}"
        )
    return found


def to_files(golden: Golden) -> dict[str, bytes]:
    """One ``.npy`` file per array, and the symbol if it is said, by path in the bundle."""
    said = {SYMBOL: golden.symbol.encode()} if golden.symbol else {}
    return {f"{FOLDER}/{name}.npy": array_to_bytes(getattr(golden, name)) for name in ARRAYS} | said


def from_files(files: Mapping[str, bytes]) -> Golden:
    """Read what `to_files` wrote."""
    arrays = {name: array_from_bytes(files[f"{FOLDER}/{name}.npy"]) for name in ARRAYS}
    return Golden(**arrays, symbol=files.get(SYMBOL, b"").decode())


def _computed(
    bars: NDArray[np.void], engine: FeatureEngine, runner: GraphRunner, indicators: Indicators, symbol: str
) -> Golden:
    features = indicators.append(engine.replay(bars), symbol)
    members, probability = runner.run_rows(features)
    return Golden(bars, features, members, probability, symbol if indicators.symbols else "")


def _differ(one: NDArray[np.float64], other: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Where bytes differ, one NaN being as good as another."""
    both_missing = np.isnan(one) & np.isnan(other)
    differ: NDArray[np.bool_] = one.view(np.int64) != np.ascontiguousarray(other).view(np.int64)
    return differ & ~both_missing


def _differences(names: tuple[str, ...], one: NDArray[Any], other: NDArray[Any]) -> dict[str, int]:
    counts = _differ(one, other).sum(axis=0)
    return {name: int(count) for name, count in zip(names, counts, strict=True) if count}


def _largest(one: NDArray[np.float64], other: NDArray[np.float64]) -> float:
    """The largest absolute difference; infinite where only one is missing."""
    differ = _differ(one, other)
    if not differ.any():
        return 0.0
    distance = np.abs(one[differ] - other[differ])
    return float(np.where(np.isnan(distance), np.inf, distance).max())
