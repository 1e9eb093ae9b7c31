"""What every feature promises, as checks that run over a whole feature set; a user's own features pass the same ones.

- **parity**: `update` bar by bar, `replay` in pieces, and a snapshot restored into a fresh engine in between give the
  bytes of one `replay`;
- **warm-up**: NaN on exactly the first ``warmup - 1`` rows, finite ever after;
- **memory**: a bar changes exactly the next ``memory`` rows (its own included), and an engine started late gives the
  same bytes from its ``memory``-th bar on;
- **no look-ahead**: whatever happens later, earlier rows keep their bytes;
- **finite** on flat, silent, dead, jumping and tiny bars;
- **the JIT changes nothing**: a process with ``NUMBA_DISABLE_JIT=1`` gives the same bytes.

Exactness against an independent reference is the business of the tests: only a second implementation can prove it.
"""

from __future__ import annotations

import os
import pickle
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import chain
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from features.engine import FeatureEngine
from features.errors import ConformanceError
from features.feature import Feature, Unit
from features.feature_set import FeatureSet
from features.fitting import fit_features
from market.bars import BAR, FIELDS, PANEL_FIELDS, SIGNED_FIELDS, empty_bars
from market.time import HOUR, MINUTE

Bars = NDArray[np.void]
Rows = NDArray[np.float64]

FUNDING_INTERVAL = 8 * HOUR

INTERPRETER = """
import pickle
import sys
from pathlib import Path
import numba
import numpy as np
assert numba.config.DISABLE_JIT
from features.engine import FeatureEngine
wanted, bars, out = sys.argv[1:]
np.save(out, FeatureEngine(pickle.loads(Path(wanted).read_bytes())).replay(np.load(bars)))
"""


def replayed(engine: FeatureEngine, bars: Bars) -> Rows:
    """The rows of some bars from an empty state."""
    engine.reset()
    return engine.replay(bars)


def demand_equal(names: Sequence[str], what: str, left: Rows, right: Rows, first_row: int = 0) -> None:
    """Refuse any difference in bits, naming the feature and the row."""
    differs = np.ascontiguousarray(left).view(np.int64) != np.ascontiguousarray(right).view(np.int64)
    if differs.any():
        row, column = np.argwhere(differs)[0]
        raise ConformanceError(
            f"{names[column]}: {what}: row {first_row + row} is {left[row, column]!r} and {right[row, column]!r} "
            f"({int(differs.sum())} cells of {differs.size} differ)"
        )


def check_parity(engine: FeatureEngine, bars: Bars, splits: Iterable[int]) -> None:
    """Replay in pieces cut at ``splits``, each by a restored engine, the bars around each cut by `update`."""
    whole = replayed(engine, bars)
    names = engine.feature_set.names
    other = FeatureEngine(engine.feature_set)
    begin = 0
    for split in [*sorted(splits), len(bars)]:
        single = min(begin + 3, split)
        updated = [other.update(bar) for bar in bars[begin:single]]
        rows = np.concatenate([np.reshape(updated, (single - begin, len(names))), other.replay(bars[single:split])])
        demand_equal(names, "update and replay in pieces differ from one replay", rows, whole[begin:split], begin)
        snapshot = other.snapshot()
        other = FeatureEngine(engine.feature_set)
        other.restore(snapshot)
        begin = split


def check_warmup(engine: FeatureEngine, bars: Bars) -> None:
    """NaN before warm-up, finite after; the bars must be longer than every warm-up."""
    rows = replayed(engine, bars)
    for column, feature in enumerate(engine.feature_set.features):
        early, late = rows[: feature.warmup - 1, column], rows[feature.warmup - 1 :, column]
        if not np.isnan(early).all() or not len(late):
            raise ConformanceError(f"{feature.name}: declared warm-up {feature.warmup}, but it has values before")
        demand_finite(feature, late, feature.warmup - 1)


def demand_finite(feature: Feature, values: Rows, first_row: int) -> None:
    """Refuse NaN and infinity after warm-up."""
    bad = ~np.isfinite(values)
    if bad.any():
        row = int(bad.argmax())
        raise ConformanceError(f"{feature.name}: row {first_row + row} is {values[row]} after warm-up")


def check_late_start(engine: FeatureEngine, bars: Bars, starts: Iterable[int]) -> None:
    """An engine that starts late gives the same bits once it has seen ``memory`` bars."""
    whole = replayed(engine, bars)
    for start in starts:
        late = replayed(engine, bars[start:])
        for column, feature in enumerate(engine.feature_set.features):
            if feature.memory is not None and start + feature.memory <= len(bars):
                row = start + feature.memory - 1
                pair = late[feature.memory - 1 :, column : column + 1], whole[row:, column : column + 1]
                demand_equal([feature.name], f"started late at bar {start}, after {feature.memory} bars", *pair, row)


def check_memory(engine: FeatureEngine, bars: Bars, places: Sequence[int], further: Iterable[int] = ()) -> None:
    """`check_forgotten`, and at one place at least a changed bar changes the last row within the declared memory.

    ``further`` places are tried as long as some feature's last row has not changed at any: entropies and maxima often
    do without their oldest bar, and on some bars always.
    """
    features, whole = engine.feature_set.features, replayed(engine, bars)
    reached = np.array([feature.memory is None or not feature.fields for feature in features])
    for number, place in enumerate(chain(places, further)):
        if number >= len(places) and reached.all():
            break
        reached |= check_forgotten(engine, bars, place, whole)
    for feature, seen in zip(features, reached, strict=True):
        if not seen:
            raise ConformanceError(
                f"{feature.name}: declared memory {feature.memory}, but the oldest bar never matters"
            )


def check_forgotten(engine: FeatureEngine, bars: Bars, place: int, whole: Rows) -> NDArray[np.bool_]:
    """A changed bar changes no row after the declared memory; whether it changes the last row within, shape (f,).

    ``whole``: the rows of the bars as they are.
    """
    changed = replayed(engine, shaken(bars, place, place + 1))
    reached = np.zeros(whole.shape[1], bool)
    for column, feature in enumerate(engine.feature_set.features):
        if feature.memory is None or place + feature.memory >= len(bars):
            continue
        after = place + feature.memory
        pair = changed[after:, column : column + 1], whole[after:, column : column + 1]
        demand_equal([feature.name], f"bar {place} still matters after {feature.memory} bars", *pair, after)
        reached[column] = changed[after - 1, column] != whole[after - 1, column]
    return reached


def check_no_lookahead(engine: FeatureEngine, bars: Bars, cuts: Iterable[int]) -> None:
    """Bars after a cut are changed; the rows up to it must keep their bits."""
    whole = replayed(engine, bars)
    for cut in cuts:
        changed = replayed(engine, shaken(bars, cut, len(bars)))
        demand_equal(engine.feature_set.names, f"bars from {cut} on change the past", changed[:cut], whole[:cut])


def check_finite(engine: FeatureEngine, series: Iterable[Bars]) -> None:
    """Every value after warm-up is finite, whatever admissible bars come."""
    for bars in series:
        rows = replayed(engine, bars)
        for column, feature in enumerate(engine.feature_set.features):
            demand_finite(feature, rows[feature.warmup - 1 :, column], feature.warmup - 1)


def check_interpreted(engine: FeatureEngine, bars: Bars) -> None:
    """A process without the JIT gives the same bits; kernels must be importable there."""
    compiled = replayed(engine, bars)
    rows = interpreted_replay(engine.feature_set, bars)
    demand_equal(engine.feature_set.names, "compiled and interpreted code differ", rows, compiled)


def interpreted_replay(feature_set: FeatureSet, bars: Bars) -> Rows:
    """The rows of some bars from another process with ``NUMBA_DISABLE_JIT=1``."""
    with tempfile.TemporaryDirectory() as folder:
        wanted, source, target = (Path(folder) / name for name in ("wanted", "bars.npy", "rows.npy"))
        wanted.write_bytes(pickle.dumps(feature_set))
        np.save(source, bars)
        arguments = [str(wanted), str(source), str(target)]
        environment = {**os.environ, "NUMBA_DISABLE_JIT": "1"}
        root = Path(__file__).resolve().parent.parent
        subprocess.run([sys.executable, "-c", INTERPRETER, *arguments], check=True, env=environment, cwd=root)
        rows: Rows = np.load(target)
        return rows


def shaken(bars: Bars, start: int, stop: int) -> Bars:
    """A copy in which the bars from ``start`` to ``stop`` are drastically different, and still admissible."""
    out = bars.copy()
    part = out[start:stop]
    part["high"] = 2.0 * np.maximum(part["high"], part["open"])
    part["low"] *= 0.5
    part["open"] *= 1.25
    part["close"] = 1.5 * part["close"]
    part["volume"] = 3.0 * part["volume"] + 1.0
    part["taker_buy_volume"] = 0.25 * part["volume"]
    for name in FIELDS[FIELDS.index("quote_volume") :]:
        if name != "taker_buy_volume":
            part[name] = 5.0 * part[name] + 7.0
    return out


def plain_bars(count: int, seed: int, price: float = 100.0, interval: int = MINUTE, start: int = 0) -> Bars:
    """Random bars with every field, heavy-tailed returns around a level that reverts to ``price``."""
    generator = np.random.default_rng(seed)
    steps = 1e-3 * generator.standard_t(4, count)
    level = np.empty(count)
    place = 0.0
    for row, step in enumerate(steps):
        place = 0.9995 * place + step
        level[row] = place
    close = price * np.exp(level)
    bars = empty_bars(count)
    bars["start"] = start + interval * np.arange(count)
    bars["end"] = bars["start"] + interval
    bars["close"] = close
    bars["open"] = np.concatenate([[price], close[:-1]]) * np.exp(2e-4 * generator.standard_normal(count))
    top, bottom = np.maximum(bars["open"], close), np.minimum(bars["open"], close)
    bars["high"] = top * np.exp(np.abs(5e-4 * generator.standard_normal(count)))
    bars["low"] = bottom * np.exp(-np.abs(5e-4 * generator.standard_normal(count)))
    bars["volume"] = generator.lognormal(2.0, 1.0, count)
    bars["quote_volume"] = bars["volume"] * close
    bars["trade_count"] = generator.poisson(60, count) + 1.0
    bars["taker_buy_volume"] = bars["volume"] * generator.beta(3.0, 3.0, count)
    bars["vwap"] = (bars["high"] + bars["low"] + close) / 3.0
    add_book(bars, np.random.default_rng((seed, 1)))
    add_market(bars, np.random.default_rng((seed, 2)))
    return bars


def add_book(bars: Bars, generator: np.random.Generator) -> None:
    """Random book aggregates around the close, and funding every eight hours."""
    count, close = len(bars), bars["close"]
    tick = 2.0 ** np.floor(np.log2(close) - 13.0)
    bars["spread"] = tick * (1.0 + generator.geometric(0.7, count))
    for side in ("bid", "ask"):
        bars[f"{side}_size"] = generator.lognormal(0.0, 1.0, count)
        bars[f"{side}_depth"] = bars[f"{side}_size"] + generator.lognormal(2.0, 0.5, count)
        bars[f"{side}_slope"] = bars[f"{side}_depth"] * close / (tick * generator.lognormal(2.0, 0.3, count))
    bid, ask = bars["bid_size"], bars["ask_size"]
    mid = close + 0.5 * bars["spread"] * generator.choice([-1.0, 1.0], count)
    bars["microprice"] = mid + 0.5 * bars["spread"] * (bid - ask) / (bid + ask)
    bars["order_flow_imbalance"] = 3.0 * generator.standard_t(4, count)
    bars["multilevel_order_flow_imbalance"] = bars["order_flow_imbalance"] + 5.0 * generator.standard_t(4, count)
    published = bars["end"] // FUNDING_INTERVAL
    bars["funding_rate"] = 1e-4 * np.sin(published.astype(np.float64))
    bars["funding_in"] = (FUNDING_INTERVAL - bars["end"] % FUNDING_INTERVAL) / 1e9
    bars["mark_price"] = close * np.exp(1e-4 * generator.standard_normal(count))


def add_market(bars: Bars, generator: np.random.Generator) -> None:
    """Random panel fields: a market that this instrument follows in part."""
    count = len(bars)
    own = np.diff(np.log(bars["close"]), prepend=np.log(bars["open"][:1]))
    bars["market_return"] = 0.5 * own + 5e-4 * generator.standard_t(4, count)
    bars["market_breadth"] = generator.integers(-4, 5, count) / 4.0
    bars["market_dispersion"] = 5e-4 * generator.lognormal(0.0, 0.5, count)
    for name in PANEL_FIELDS[3:]:
        bars[name] = generator.integers(0, 9, count) / 8.0 - 0.5


def fitted_on_random_bars(feature_set: FeatureSet, count: int = 4_000) -> FeatureSet:
    """A feature set whose fitted values come from random bars, for checks that hold whatever the values."""
    interval = feature_set.interval or MINUTE
    return fit_features(feature_set, {"random": plain_bars(count, 5, interval=interval)}, 0, count * interval)


def without(bars: Bars, rows: Sequence[int]) -> Bars:
    """The bars with some left out."""
    keep = np.ones(len(bars), bool)
    keep[list(rows)] = False
    return bars[keep]


def flattened(bars: Bars, start: int, stop: int, silent: bool) -> Bars:
    """A copy in which open, high, low and close stand still from ``start`` to ``stop``, without trades if silent."""
    out = bars.copy()
    for name in ("open", "high", "low", "close"):
        out[name][start:stop] = out["close"][start - 1]
    if silent:
        for name in ("volume", "quote_volume", "trade_count", "taker_buy_volume"):
            out[name][start:stop] = 0.0
    return out


def degenerate_series(count: int, seed: int, interval: int = MINUTE) -> Iterator[Bars]:
    """Admissible bars that break careless formulas."""
    bars = plain_bars(count, seed, interval=interval)
    yield flattened(bars, 1, count, silent=True)
    yield flattened(bars, 1, count, silent=False)
    yield flattened(bars, count // 4, count, silent=True)
    for spoil in (no_range, steady_growth, jumps, tick_bounce, whole_body, lone_volume, hollow_book):
        out = bars.copy()
        spoil(out)
        yield out


def one_price(bars: Bars, close: NDArray[np.floating]) -> None:
    """Every price of each bar is its close."""
    for name in ("open", "high", "low", "close"):
        bars[name] = close


def no_range(bars: Bars) -> None:
    """Bars whose high is their low, at changing levels."""
    one_price(bars, bars["close"].copy())


def steady_growth(bars: Bars) -> None:
    """The same return every bar: no dispersion but rounding."""
    one_price(bars, 1.001 ** np.arange(len(bars)) % 1e12 + 1e-6)


def jumps(bars: Bars) -> None:
    """Prices that leap between the smallest and the largest admissible, volumes likewise."""
    one_price(bars, np.where(np.arange(len(bars)) % 37 < 18, 1e-18, 1e18))
    bars["volume"] = np.where(np.arange(len(bars)) % 29 < 14, 1e-18, 1e18)
    bars["taker_buy_volume"] = bars["volume"]
    for place, name in enumerate(FIELDS[FIELDS.index("spread") :]):
        # No log return is above 83, the leap from the smallest to the largest price.
        bars[name] = np.where((np.arange(len(bars)) + place) % 23 < 11, 1e-18, 83.0 if name in PANEL_FIELDS else 1e18)
        if name in SIGNED_FIELDS:
            bars[name] *= np.where(np.arange(len(bars)) % 2 == 0, 1.0, -1.0)


def tick_bounce(bars: Bars) -> None:
    """Two prices in turn."""
    one_price(bars, np.where(np.arange(len(bars)) % 2 == 0, 0.1, 0.3))


def whole_body(bars: Bars) -> None:
    """Every bar opens at its low and closes at its high."""
    bars["low"] = bars["open"] = 100.0
    bars["high"] = bars["close"] = 100.0 + 1e-9


def lone_volume(bars: Bars) -> None:
    """Volume without trades, trades without volume, all of it bought or none."""
    place = np.arange(len(bars)) % 4
    bars["volume"] = np.where(place < 2, 0.0, 1e-18)
    bars["trade_count"] = np.where(place % 2 == 0, 0.0, 5.0)
    bars["taker_buy_volume"] = np.where(place == 3, bars["volume"], 0.0)


def hollow_book(bars: Bars) -> None:
    """A book that is empty on one side, on both, or has its sides at one price; funding and mark price of zero."""
    place = np.arange(len(bars)) % 5
    for name in ("bid_size", "bid_depth", "bid_slope"):
        bars[name] *= np.where(place < 2, 0.0, 1.0)
    for name in ("ask_size", "ask_depth", "ask_slope"):
        bars[name] *= np.where(place % 2 == 0, 0.0, 1.0)
    for name in ("spread", "microprice", "funding_rate", "funding_in", "mark_price"):
        bars[name] *= np.where(place == 3, 0.0, 1.0)


TOLERANCE = 1e-9
PRICED = ("open", "high", "low", "close", "vwap", "spread", "microprice", "mark_price")
SIDES = tuple(f"{side}_{what}" for side in ("bid", "ask") for what in ("size", "depth", "slope"))
SIZED = ("volume", "taker_buy_volume", "order_flow_imbalance", "multilevel_order_flow_imbalance", *SIDES)
UNITS: dict[Unit, tuple[tuple[str, ...], float]] = {"price": (PRICED, 2.0**9), "volume": (SIZED, 2.0**-5)}
"""The bar fields measured in each unit (quote volume is in both), and a factor that scales them without rounding."""


def check_units(engine: FeatureEngine, bars: Bars) -> None:
    """In other units of price or quantity every feature stays what it is, unless it declares that it depends on them.

    Raises
    ------
    ConformanceError
        Naming a feature that depends on a unit it does not declare, or declares one it does not depend on.
    """
    engine.reset()
    rows = engine.replay(bars)
    for unit, (fields, factor) in UNITS.items():
        other = bars.copy()
        for name in (*fields, "quote_volume"):
            other[name] *= factor
        engine.reset()
        moved = np.abs(engine.replay(other) - rows)
        for column, feature in enumerate(engine.feature_set.features):
            allowed = TOLERANCE * np.maximum(np.abs(rows[:, column]), feature.scale)
            beyond = moved[:, column] > allowed
            if beyond.any() and unit not in feature.depends_on:
                raise ConformanceError(
                    f"{feature.name}, row {int(np.argmax(beyond))}: its value changes with the unit of {unit}, which "
                    f"it does not declare: make it free of it, or give it depends_on={{{unit!r}}}"
                )
            if not beyond.any() and unit in feature.depends_on:
                raise ConformanceError(f"{feature.name} declares that it depends on the unit of {unit}, and does not")


def check_features(
    feature_set: FeatureSet, bars: Bars | None = None, tell: Callable[[str], None] = lambda what: None
) -> None:
    """Every check of this module on a feature set.

    Parameters
    ----------
    feature_set
        What to check, with its own catalogue; what it has to have fitted and has not is fitted on random bars.
    bars
        On the set's grid, longer than its warm-up by a few hundred; random bars by default.
    tell
        Called with the name of each check before it runs.

    Raises
    ------
    ConformanceError
        Naming the feature, the row, and what is broken.
    """
    if feature_set.unfitted:
        feature_set = fitted_on_random_bars(feature_set)
    engine = FeatureEngine(feature_set).build()
    count = 3 * feature_set.warmup + 300
    grid = feature_set.interval or MINUTE
    series = plain_bars(count, 7, interval=grid) if bars is None else bars
    if series.dtype != BAR or len(series) < 2 * feature_set.warmup:
        raise ConformanceError(f"the checks need at least {2 * feature_set.warmup} bars, not {len(series)}")
    cuts = [len(series) * place // 7 for place in range(1, 7)]
    tell("parity")
    check_parity(engine, series, cuts)
    tell("warm-up")
    check_warmup(engine, series)
    tell("memory")
    check_memory(engine, series, [*range(5, 60), *cuts[:3]], range(60, len(series) - feature_set.warmup))
    if feature_set.interval:
        check_late_start(engine, series, [1, 17, *cuts])
    tell("no look-ahead")
    check_no_lookahead(engine, series, cuts)
    tell("units")
    check_units(engine, series)
    tell("finite")
    check_finite(engine, [series, *degenerate_series(2 * feature_set.warmup + 300, 11, grid)])


def check_feature(feature: Feature, interval: int = MINUTE) -> None:
    """Every check of this module on one feature, which need not be in the catalogue."""
    check_features(FeatureSet((feature.name,), interval, 3, {feature.name: feature}))
