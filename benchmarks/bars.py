"""Bars from trades: 2 million of them in one call beside polars and NumPy, 100,000 beside mlfinpy and plain Python.

Time bars have a form in polars that gives the same bars. Dollar bars start anew after each bar: NumPy finds each end in
the cumulative sum, one search a bar; polars can only divide the cumulative sum, which gives other bars. Adaptive
imbalance bars have no vector form: plain Python does them trade by trade.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl
from numpy.typing import NDArray

from benchmarks.harness import Result, compare
from benchmarks.peer import SCRIPTS, Found, Peer, Task, beside
from market.bar_builders.builder import BarBuilder, build_bars
from market.bar_builders.spec import Adaptive, BarSpec, Measure
from market.cusum import CusumSpec, cusum_events
from market.time import MINUTE
from market.trades.schema import empty_trades

COUNT, FEW, LIVE = 2_000_000, 100_000, 20_000
WHOLE = COUNT / 20e6
"""The bar to hold, printed under the rows: 20 million trades a second."""
DOLLARS = 5e6
ADAPTIVE = Adaptive(expected_ticks=1_000, bar_span=20.0, trade_span=10_000.0, least_ticks=100, most_ticks=10_000)
MINUTES = BarSpec("time", interval=MINUTE)
DOLLAR = BarSpec("dollar", threshold=DOLLARS)
IMBALANCE = BarSpec("dollar_imbalance", adaptive=ADAPTIVE)
RUN = BarSpec("volume_run", adaptive=ADAPTIVE)
COMPARED = ("open", "high", "low", "close", "volume", "quote_volume", "trade_count", "taker_buy_volume")


def market(count: int, seed: int = 0) -> NDArray[np.void]:
    """Trades of a random walk near 50,000, a hundred a second, with flow that leans to one side for a while."""
    rng = np.random.default_rng(seed)
    trades = empty_trades(count)
    trades["time"] = 1_700_000_000_000_000_000 + np.cumsum(rng.integers(0, 20_000_000, count))
    trades["price"] = np.round(50_000 * np.exp(np.cumsum(rng.normal(0, 1e-5, count))), 2)
    trades["quantity"] = np.round(rng.exponential(0.1, count), 5) + 1e-5
    lean = np.repeat(rng.uniform(0.3, 0.7, count // 5_000 + 1), 5_000)[:count]
    trades["side"] = np.where(rng.random(count) < lean, 1, -1)
    trades["id"] = np.arange(count)
    return trades


AGGREGATES = (
    pl.col("price").first().alias("open"),
    pl.col("price").max().alias("high"),
    pl.col("price").min().alias("low"),
    pl.col("price").last().alias("close"),
    pl.col("quantity").sum().alias("volume"),
    (pl.col("price") * pl.col("quantity")).sum().alias("quote_volume"),
    pl.col("count").sum().alias("trade_count"),
    pl.col("quantity").filter(pl.col("side") == 1).sum().alias("taker_buy_volume"),
)


def polars_minutes(table: pl.DataFrame) -> pl.DataFrame:
    """The bars of every minute, the unfinished one too."""
    return table.group_by(pl.col("time") // MINUTE, maintain_order=True).agg(*AGGREGATES)


def polars_dollars(table: pl.DataFrame) -> pl.DataFrame:
    """Equal steps of the cumulative dollars: other bars, whose excess is carried over."""
    dollars = (pl.col("price") * pl.col("quantity")).cum_sum()
    return table.group_by((dollars // DOLLARS).cast(pl.Int64), maintain_order=True).agg(*AGGREGATES)


def numpy_dollars(trades: NDArray[np.void]) -> dict[str, NDArray[np.float64]]:
    """The same bars: ends by one search a bar, values by reduction between them."""
    price, quantity = np.ascontiguousarray(trades["price"]), np.ascontiguousarray(trades["quantity"])
    dollars = price * quantity
    total = np.cumsum(dollars)
    starts, start, before = [], 0, 0.0
    while True:
        end = int(np.searchsorted(total, before + DOLLARS))
        if end >= len(total):
            break
        starts.append(start)
        start, before = end + 1, float(total[end])
    first, stop = np.array(starts), start
    return {
        "open": price[first],
        "high": np.maximum.reduceat(price[:stop], first),
        "low": np.minimum.reduceat(price[:stop], first),
        "close": price[np.append(first[1:], stop) - 1],
        "volume": np.add.reduceat(quantity[:stop], first),
        "quote_volume": np.add.reduceat(dollars[:stop], first),
        "trade_count": np.diff(np.append(first, stop)).astype(float),
        "taker_buy_volume": np.add.reduceat(np.where(trades["side"][:stop] == 1, quantity[:stop], 0.0), first),
    }


def python_imbalance(trades: NDArray[np.void]) -> int:
    """Adaptive dollar imbalance bars trade by trade, without their values: how many there are."""
    keep, weight = 1 - 2 / (ADAPTIVE.trade_span + 1), 2 / (ADAPTIVE.bar_span + 1)
    expected, threshold = float(ADAPTIVE.expected_ticks), 0.0
    net = decayed = decayed_ticks = 0.0
    ticks = bars = 0
    for price, quantity, side in zip(*(trades[name].tolist() for name in ("price", "quantity", "side")), strict=True):
        signed = side * price * quantity
        net += signed
        ticks += 1
        decayed = keep * decayed + signed
        decayed_ticks = keep * decayed_ticks + 1
        over = ticks >= expected if not bars else abs(net) >= threshold
        if ticks >= ADAPTIVE.most_ticks or (over and ticks >= ADAPTIVE.least_ticks):
            expected += weight * (ticks - expected)
            threshold = expected * abs(decayed) / decayed_ticks
            net, ticks, bars = 0.0, 0, bars + 1
    return bars


def live(trades: NDArray[np.void], spec: BarSpec) -> Found:
    """One call a trade: how many bars came."""
    builder = BarBuilder(spec)
    return {"count": np.array([sum(len(builder.update(trades[row : row + 1])) for row in range(len(trades)))])}


@dataclass(frozen=True, slots=True)
class BarsPeer(Peer):
    """A peer whose script is about bars."""

    @property
    def script(self) -> Path:
        """What its interpreter runs."""
        return SCRIPTS / f"run_{self.name}_bars.py"


def agrees(ours: Found, theirs: Found) -> None:
    """The same bars: prices and counts equal, sums up to rounding.

    A missing taker volume is not compared: the peer counts trades before the first price change as no buys, here their
    side is unknown.

    Raises
    ------
    AssertionError
        Naming the first field that is not.
    """
    for name, values in ours.items():
        known, rtol = ~np.isnan(values), 1e-11 if "volume" in name else 0.0
        assert known.mean() > 0.9
        np.testing.assert_allclose(values[known], theirs[name][known], rtol=rtol, err_msg=name)


def counted(ours: Found, theirs: Found) -> str:
    """Adaptive thresholds are estimated otherwise, and the peer bounds the expectation of trades, not the bars."""
    return f"other estimates and bounds of the threshold; {ours['count'][0]:,} bars to its {theirs['count'][0]:,}"


def mlfinpy(trades: NDArray[np.void]) -> BarsPeer:
    """Its bars and its CUSUM filter on the same trades; sides by the tick rule, since it knows no other."""
    thresholds = {
        "tick": 1_000.0,
        "volume": float(trades["quantity"].sum()) / 100.25,
        "dollar": float((trades["price"] * trades["quantity"]).sum()) / 100.25,
    }
    kinds: tuple[Measure, ...] = ("tick", "volume", "dollar")
    specs = [BarSpec("time", interval=MINUTE, sides="tick_rule")]
    specs += [BarSpec(kind, threshold=thresholds[kind], sides="tick_rule") for kind in kinds]
    adaptive = BarSpec("dollar_imbalance", adaptive=ADAPTIVE, sides="tick_rule")
    filter_spec = CusumSpec(threshold=0.0005)
    count = len(trades)

    def bars(spec: BarSpec) -> Task:
        def build() -> Found:
            found = build_bars(trades, spec)
            return {name: found[name] for name in COMPARED}

        return Task(f"{spec.kind} bars", "trade", count, build, agrees)

    def imbalance() -> Found:
        return {"count": np.array([len(build_bars(trades, adaptive))])}

    def events() -> Found:
        return {"events": cusum_events(trades["price"], filter_spec)}

    tasks = {spec.kind: bars(spec) for spec in specs} | {
        "live": Task("dollar bars, one trade a call", "trade", LIVE, lambda: live(trades[:LIVE], specs[-1]), agrees),
        "imbalance": Task("dollar imbalance bars, adaptive", "trade", count, imbalance, counted),
        "cusum": Task("CUSUM filter", "price", count, events, agrees),
    }
    data = {"price": trades["price"], "quantity": trades["quantity"], "time": trades["time"].astype("datetime64[ns]")}
    return BarsPeer("mlfinpy", data | thresholds | {"cusum": filter_spec.threshold, "live": LIVE}, tasks)


def run() -> list[Result]:
    """All comparisons, after a check that twins make the same bars."""
    trades = market(COUNT)
    table = pl.DataFrame({name: trades[name] for name in trades.dtype.names or ()})
    few = trades[:FEW]
    minutes = polars_minutes(table)[:-1]
    for spec, twin in (
        (DOLLAR, numpy_dollars(trades)),
        (MINUTES, {name: minutes[name].to_numpy() for name in COMPARED}),
    ):
        bars = build_bars(trades, spec)
        agrees({name: bars[name] for name in COMPARED}, twin)
    assert len(build_bars(few, IMBALANCE)) == python_imbalance(few)

    def against(spec: BarSpec, name: str, peer_name: str, peer: Callable[[], object], peer_work: int = COUNT) -> Result:
        ours = lambda: build_bars(trades, spec)  # noqa: E731
        return compare(f"{name}, 2M trades", "trade", ours, peer_name, peer, COUNT, peer_work=peer_work, bar=WHOLE)

    rows = [
        against(MINUTES, "time bars of a minute", "polars group_by", lambda: polars_minutes(table)),
        against(DOLLAR, "dollar bars", "NumPy, one search a bar", lambda: numpy_dollars(trades)),
        against(DOLLAR, "dollar bars", "polars, other bars", lambda: polars_dollars(table)),
        against(IMBALANCE, "dollar imbalance bars, adaptive", "plain Python", lambda: python_imbalance(few), FEW),
        against(RUN, "volume run bars, adaptive", "plain Python, imbalance", lambda: python_imbalance(few), FEW),
    ]
    beside_mlfinpy, notes = beside(mlfinpy(few), build=False)
    print("\n".join(f"  note: {one}" for one in notes))
    return rows + beside_mlfinpy
