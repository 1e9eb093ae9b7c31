"""Leaks inside features, joins, resampling and the universe."""

from __future__ import annotations

import numpy as np
import pandas as pd

from tests.pipelines.leaks.planted import INTERVAL, Planted, each, feature, labelled, returns


def closes(bars):
    return pd.Series(bars["close"], pd.to_datetime(bars["end"]))


def rolled(center):
    return each(lambda bars: closes(bars).rolling(21, center=center).mean().to_numpy())


def z_score(bars, whole):
    move = pd.Series(returns(bars, 1))
    mean, std = (move.mean(), move.std()) if whole else (move.expanding(30).mean(), move.expanding(30).std())
    return ((move - mean) / std).to_numpy()


def min_max(bars, whole):
    volume = pd.Series(bars["volume"])
    low, high = (volume.min(), volume.max()) if whole else (volume.cummin(), volume.cummax())
    return ((volume - low) / (high - low)).to_numpy()


def regime(bars, whole):
    """Above or below the median absolute move: of everything, or of what was seen."""
    size = pd.Series(np.abs(returns(bars, 1)))
    level = size.median() if whole else size.expanding(30).median()
    return (size > level).to_numpy().astype(float)


def label_inside(bars):
    out = np.full(len(bars), np.nan)
    found = labelled(bars, INTERVAL)
    out[found.row] = found.label
    return out


def label_before(bars):
    """The newest label that is known at each bar."""
    found = labelled(bars, INTERVAL)
    place = np.searchsorted(found.t1, bars["end"], side="right") - 1
    return np.where(place >= 0, found.label[np.maximum(place, 0)], np.nan)


def opening(bars, ahead):
    out = np.full(len(bars), np.nan)
    if ahead:
        out[:-1] = bars["open"][1:] / bars["close"][:-1]
    else:
        out[1:] = bars["open"][1:] / bars["close"][:-1]
    return out


def hourly(bars, edge):
    """The hour's close, joined where its label says: the left edge says it an hour before it is known."""
    hours = closes(bars).resample("1h", closed="right", label=edge).last().ffill()
    return hours.reindex(pd.to_datetime(bars["end"]), method="ffill").to_numpy()


def mean_of_hour(bars, edge):
    """Hours [begin, end) by the bars' start; labelled with the right edge, every hour is complete when it is read."""
    mean = pd.Series(bars["close"], pd.to_datetime(bars["start"])).resample("1h", closed="left", label=edge).mean()
    return mean.ffill().reindex(pd.to_datetime(bars["end"]), method="ffill").to_numpy()


def sparse(bars, back):
    """Every fourth bar's volume, filled from behind or from ahead."""
    values = pd.Series(bars["volume"]).where(bars["start"] // INTERVAL % 4 == 0)
    return (values.bfill() if back else values.ffill()).to_numpy()


def across_gaps(bars, method):
    """A close that is missing every sixth bar: drawn as a line to the next one, or the last one kept."""
    values = closes(bars).where(bars["start"] // INTERVAL % 6 != 0)
    return (values.interpolate("time") if method == "line" else values.ffill()).to_numpy()


def funding(where, by):
    """The newest rate by the time it is of, or by the time it was published."""
    table = where.tables["funding"]
    found = []
    for bars in where.bars:
        place = np.searchsorted(table[by], bars["end"], side="right") - 1
        found.append(np.where(place >= 0, table["rate"][np.maximum(place, 0)] if len(table) else np.nan, np.nan))
    return found


def between_rates(where):
    """A line between the last rate and the next."""
    table = where.tables["funding"]
    return [np.interp(bars["end"], table["known"], table["rate"]) for bars in where.bars]


def universe(where, by):
    """The two instruments that were traded most: over everything, or over what was seen."""
    if by == "end":
        totals = np.array([bars["quote_volume"].sum() for bars in where.bars])
        chosen = totals >= np.sort(totals)[-2]
        return [np.full(len(bars), one) for bars, one in zip(where.bars, chosen, strict=True)]
    table = pd.DataFrame(
        {n: pd.Series(bars["quote_volume"].cumsum(), bars["end"]) for n, bars in enumerate(where.bars)}
    ).sort_index().ffill()  # fmt: skip
    ranks = table.rank(axis=1, ascending=False)
    return [(ranks[n].reindex(bars["end"]) <= 2).to_numpy() for n, bars in enumerate(where.bars)]


def smoothed(bars, both_ways):
    """An exponential mean, forward only, or forward and backward (zero phase)."""
    mean = closes(bars).ewm(span=10).mean()
    if both_ways:
        mean = (mean + closes(bars)[::-1].ewm(span=10).mean()[::-1]) / 2
    return mean.to_numpy()


def rank(bars, whole):
    close = closes(bars)
    return (close.rank(pct=True) if whole else close.expanding().rank(pct=True)).to_numpy()


def rows_named(bars, absolute):
    """A bar's number from the end of the data."""
    number = np.arange(len(bars))
    return (number if absolute else number - len(bars)).astype(float)


def shifted_wrongly(bars, lag):
    return pd.Series(returns(bars, 1)).shift(lag).to_numpy()


def neighbour(where, lead):
    """Another instrument's move, at the same bar or at the next."""
    moves = pd.Series(returns(where.bars[where.symbols.index("AAA")], 1), where.bars[where.symbols.index("AAA")]["end"])
    moves = moves.shift(-1) if lead else moves
    return [moves.reindex(bars["end"]).to_numpy() for bars in where.bars]


def by_position(where, by):
    """A constant of the instrument, by its position in the list or by its name."""
    codes = range(len(where.symbols)) if by == "position" else [ord(name[0]) for name in where.symbols]
    return [np.full(len(bars), float(code)) + bars["close"] for bars, code in zip(where.bars, codes, strict=True)]


def pair(name, column, leaky, sound, stage="features"):
    return Planted(name, feature(column, leaky, stage), feature(column, sound, stage), stage, column)


LEAKS = [
    pair("centred rolling window", "mean_21", rolled(True), rolled(False)),
    pair("global z-score", "z", each(lambda b: z_score(b, True)), each(lambda b: z_score(b, False))),
    pair("min-max over everything", "volume_range", each(lambda b: min_max(b, True)),
         each(lambda b: min_max(b, False))),
    pair("regime fitted on the future", "regime", each(lambda b: regime(b, True)), each(lambda b: regime(b, False))),
    pair("label inside the features", "direction", each(label_inside), each(label_before)),
    pair("next open as a feature", "gap", each(lambda b: opening(b, True)), each(lambda b: opening(b, False))),
    pair("resampled, labelled by the left edge", "hour_close", each(lambda b: hourly(b, "left")),
         each(lambda b: hourly(b, "right"))),
    pair("hourly mean, labelled by the left edge", "hour_mean", each(lambda b: mean_of_hour(b, "left")),
         each(lambda b: mean_of_hour(b, "right"))),
    pair("filled backward", "sparse", each(lambda b: sparse(b, True)), each(lambda b: sparse(b, False))),
    pair("interpolated across gaps", "close", each(lambda b: across_gaps(b, "line")),
         each(lambda b: across_gaps(b, "last"))),
    pair("funding joined before it was published", "rate", lambda w: funding(w, "time"), lambda w: funding(w, "known")),
    pair("line between published rates", "rate", between_rates, lambda w: funding(w, "known")),
    pair("universe chosen by the end", "member", lambda w: universe(w, "end"), lambda w: universe(w, "now"),
         "universe"),
    pair("smoothed both ways", "ewm_10", each(lambda b: smoothed(b, True)), each(lambda b: smoothed(b, False))),
    pair("rank among everything", "rank", each(lambda b: rank(b, True)), each(lambda b: rank(b, False))),
    pair("counted from the end", "number", each(lambda b: rows_named(b, False)), each(lambda b: rows_named(b, True))),
    pair("shifted the wrong way", "return_1", each(lambda b: shifted_wrongly(b, -1)),
         each(lambda b: shifted_wrongly(b, 1))),
    pair("another instrument's next move", "lead", lambda w: neighbour(w, True), lambda w: neighbour(w, False)),
    pair("depends on the instruments' order", "code", lambda w: by_position(w, "position"),
         lambda w: by_position(w, "name")),
]  # fmt: skip
