"""Expensive features: what each costs a bar, beside the function a researcher would call on every window.

``python -m benchmarks.features_expensive`` measures the table of `features.catalogue.costs` and writes it there:
nanoseconds a bar, of a set that has only this feature, with the checks and steps that it needs and would share with
others.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from benchmarks.features import replayed
from benchmarks.harness import Result, compare
from features.catalogue import CATALOGUE, default_features
from features.catalogue import costs as costs_module
from features.catalogue.breaks import shortest_regression
from features.conformance import fitted_on_random_bars, plain_bars
from features.engine import FeatureEngine
from features.feature_set import FeatureSet
from features.kernels.fractional import fractional_weights
from market.bars import FIELDS
from market.time import MINUTE
from models.statistics.entropy import kontoyiannis_entropy, lempel_ziv_complexity, plug_in_entropy
from models.statistics.fractional import fractional_difference
from models.statistics.stationarity import sadf

Floats = NDArray[np.float64]

COUNT, WINDOWS = 20_000, 200
EXPENSIVE = tuple(name for name, feature in CATALOGUE.items() if feature.cost == "expensive")
TEN = default_features(FIELDS)[:10]
BARS = plain_bars(COUNT, 2)


def engine_of(*names: str) -> FeatureEngine:
    """A compiled engine; what must be fitted is fitted on random bars."""
    wanted = FeatureSet(names, MINUTE, 3)
    return FeatureEngine(fitted_on_random_bars(wanted) if wanted.unfitted else wanted).build()


def windows(series: NDArray[np.generic], length: int, function: Callable[[NDArray[np.generic]], object]) -> None:
    """A function of each of some windows."""
    for end in range(length, length + WINDOWS):
        function(series[end - length : end])


def plain_csw(path: Floats) -> tuple[float, float]:
    """Chu, Stinchcombe and White's statistics of one window in NumPy."""
    moves = path[-1] - path[-2::-1]
    found = moves / np.sqrt((np.diff(path) ** 2).mean() * np.arange(1, len(path)))
    return float(found.max()), float(-found.min())


def plain_filter(series: Floats, values: Floats) -> Floats:
    """Hamilton's filter of two states in NumPy, a loop over rows."""
    transitions, mean, inverse = values[:4].reshape(2, 2), values[4:6], values[6:8]
    belief, out = np.array([0.5, 0.5]), np.empty((len(series), 2))
    for row, x in enumerate(series):
        weight = (belief @ transitions) * inverse * np.exp(-0.5 * ((x - mean) * inverse) ** 2)
        belief = weight / weight.sum()
        out[row] = belief
    return out


def run() -> list[Result]:
    """Each kind of expensive feature beside its peer; then what a set pays for features that it does not ask for."""
    logs = np.log(BARS["close"])
    returns = np.diff(logs)
    signs = np.sign(returns).astype(np.int64)
    variance = pd.Series(returns**2).ewm(span=24).mean()
    regime = engine_of("regime_turbulent_2")
    model = np.array(regime.feature_set.fitted["hidden_markov_2"])
    peers: list[tuple[str, str, Callable[[], object], int]] = [
        (
            "fractional_log_price_256",
            "SciPy, FFT over all rows",
            lambda: fractional_difference(logs, fractional_weights(0.4, 256)),
            COUNT,
        ),
        (
            "sign_word_entropy_3_96",
            "NumPy, each window",
            lambda: windows(signs, 96, lambda m: plug_in_entropy(m, 3)),
            0,
        ),
        ("sign_lempel_ziv_96", "Python, each window", lambda: windows(signs, 96, lempel_ziv_complexity), 0),
        (
            "sign_kontoyiannis_32_64",
            "compiled, each window",
            lambda: windows(signs, 127, lambda m: kontoyiannis_entropy(m, 32)),
            0,
        ),
        ("csw_rise_96", "NumPy, each window", lambda: windows(logs, 96, plain_csw), 0),
        (
            "sup_adf_96",
            "compiled, all rows of each window",
            lambda: windows(logs, 96, lambda path: sadf(path, shortest_regression(96))),
            0,
        ),
        ("regime_turbulent_2", "NumPy, each row", lambda: plain_filter(returns[:WINDOWS], model), 0),
        ("volatility_rank_24_384", "pandas rolling rank", lambda: variance.rolling(384).rank(pct=True), COUNT),
    ]
    rows = []
    for name, peer_name, peer, work in peers:
        engine = regime if name == "regime_turbulent_2" else engine_of(name)
        rows.append(
            compare(name, "bar", lambda one=engine: replayed(one, BARS), peer_name, peer, COUNT, 7, work or WINDOWS)
        )
    ten, whole, all_ = engine_of(*TEN), engine_of(*default_features(FIELDS)), engine_of(*TEN, *EXPENSIVE)
    for other, what in (
        (whole, f"all {len(default_features(FIELDS))} cheap"),
        (all_, f"10 and {len(EXPENSIVE)} expensive"),
    ):
        rows.append(
            compare(
                "10 features asked for",
                "bar",
                lambda: replayed(ten, BARS),
                f"a set of {what}",
                lambda one=other: replayed(one, BARS),
                COUNT,
            )
        )
    return rows


def seconds(engine: FeatureEngine) -> float:
    """How long one replay of the bars takes."""
    begin = time.perf_counter()
    replayed(engine, BARS)
    return time.perf_counter() - begin


def costs() -> dict[str, float]:
    """Nanoseconds a bar of each expensive feature, to two digits, the fastest of 25 replays: noise only adds."""
    found = {}
    for name in EXPENSIVE:
        engine = engine_of(name)
        nanoseconds = min(seconds(engine) for _ in range(25)) / COUNT * 1e9
        found[name] = float(f"{nanoseconds:.2g}")
    return found


def written(source: str, found: Mapping[str, float]) -> str:
    """The source of `features.catalogue.costs` with the numbers of its table renewed."""
    before, rest = source.split("    {\n", 1)
    _, after = rest.split("    }\n", 1)
    lines = "".join(f'        "{name}": {cost:.0f},\n' for name, cost in found.items())
    return f"{before}    {{\n{lines}    }}\n{after}"


if __name__ == "__main__":
    path = Path(costs_module.__file__)
    path.write_text(written(path.read_text(), costs()))
    print(path.read_text())
