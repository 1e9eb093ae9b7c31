"""What the report says of a run's data and features, as plain rows of text."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from pipelines.feature_study import MOVED, SAME, STILL, FeatureStudy, StudiedBars
from pipelines.figures.features_drift import drift_order
from pipelines.results import Number, RunResult, is_known
from pipelines.verdict import UNKNOWN, day, number, percent

Row = dict[str, Any]
NONE = "none"
LEADING = 5
"""How many of the farthest features are named."""
SPARK = (60, 16)
"""Width and height of a small histogram."""


def features_view(result: RunResult) -> Row | None:
    """The sentences, tables and small histograms; None if nothing was looked at."""
    study = result.feature_study
    if study is None:
        return None
    return {
        "cut": day(study.cut),
        "bars": [_bars_row(one) for one in study.bars],
        "tiles": tiles(study),
        "glance": glance(study),
        "rows": feature_rows(study),
        "described": f"{study.columns.rows:,}",
        "roots": roots_sentence(study),
        "drift": drift_sentence(study),
        "spark": {"width": SPARK[0], "height": SPARK[1]},
    }


def off_rows(disabled: dict[str, str]) -> list[tuple[str, str]]:
    """The features that are off, by reason.

    Examples
    --------
    >>> off_rows({"a": "needs x", "b": "needs y", "c": "needs x"})
    [('needs x', 'a, c'), ('needs y', 'b')]
    """
    found: dict[str, list[str]] = {}
    for name, reason in disabled.items():
        found.setdefault(reason, []).append(name)
    return [(reason, ", ".join(names)) for reason, names in found.items()]


def tiles(study: FeatureStudy) -> list[tuple[str, str, str]]:
    """The counts to see first: label, value, what it is."""
    found = [
        ("Say nothing", study.empty.sum(), f"one value in {percent(STILL, 0)} of bars, or missing in half of them"),
        ("Repeat another", len(study.repeats), f"rank correlation of at least {SAME:g} in size with an earlier one"),
        ("Wander", study.wandering.sum(), "a unit root is not rejected in half of the instruments"),
    ]
    if study.drift is not None:
        text = "in half of the folds the test is farther from the training rows than any stretch of theirs"
        found.append(("Drift beyond their past", study.drifting.sum(), text))
        text = f"stability index of at least {MOVED:g} on average, but mostly no farther than training stretches are"
        found.append(("Shift between stretches", study.shifting.sum(), text))
    return [(label, f"{count} of {len(study.names)}", text) for label, count, text in found]


def glance(study: FeatureStudy) -> list[tuple[str, str]]:
    """The features behind the counts, by name."""
    repeats = [f"{name} ({other}, {number(size, 3)})" for name, (other, size) in study.repeats.items()]
    found = [
        ("Say nothing", study.named(study.empty)),
        ("Repeat another (which, correlation)", tuple(repeats)),
        ("Wander", study.named(study.wandering)),
    ]
    if study.drift is not None:
        mean = study.drift.distance.mean(axis=0)
        far = tuple(f"{study.names[place]} ({number(mean[place], 2)})" for place in drift_order(study.drift)[:LEADING])
        found += [
            ("Drift beyond their past", study.named(study.drifting)),
            ("Shift between stretches", study.named(study.shifting)),
            ("Farthest from training (mean distance)", far),
        ]
    life = np.where(np.isnan(study.half_life), -np.inf, study.half_life)
    slow = [place for place in np.argsort(-life, kind="stable")[:LEADING] if life[place] > 0]
    memory = tuple(f"{study.names[place]} ({bars_text(life[place])})" for place in slow)
    found.append(("Longest memory (half-life, bars)", memory))
    return [(label, ", ".join(names) or NONE) for label, names in found]


def roots_sentence(study: FeatureStudy) -> str:
    """How stationarity was tested, and what many tests do."""
    roots, tests = study.roots, study.roots.tests
    said = (
        f"{tests:,} augmented Dickey–Fuller tests with a constant, one for each feature and instrument, on at most "
        f"{roots.rows:,} evenly spaced values, lags by Newey and West’s rule. At 5 % about {number(0.05 * tests, 0)} "
        "of them would reject a unit root even if every feature had one, so a single rejection says little; named are "
        "those in which it is not rejected. The test sees a level that wanders, not a spread that changes: that is "
        "drift’s."
    )
    if not tests:
        return said
    one, feature = np.unravel_index(int(np.nanargmax(roots.statistic)), roots.statistic.shape)
    return (
        f"{said} Nearest to a unit root is {study.names[feature]} of {study.bars[one].symbol}: t "
        f"{number(roots.statistic[one, feature], 1)}, rejected below {number(roots.critical[one, feature], 2)}."
    )


def drift_sentence(study: FeatureStudy) -> str:
    """How drift was measured, and why no p-value is given; empty without folds."""
    drift = study.drift
    if drift is None:
        return ""
    said = (
        f"At most {drift.rows:,} training rows of each fold, and test rows as dense. Rows depend on each other, so the "
        "tables of these distances, which are for independent rows, would call nearly every feature changed: no "
        "p-value is given. Each distance is held against those of the training rows’ own stretches instead"
    )
    if not is_known(drift.by_chance):
        return f"{said}, but the training windows are too short for two stretches as long as a test: nothing is usual."
    beyond = drift.beyond.mean()
    return (
        f"{said}: {percent(beyond, 0)} of all cells are beyond them, where stretches that are all alike make about "
        f"{percent(drift.by_chance, 0)}."
    )


def feature_rows(study: FeatureStudy) -> list[Row]:
    """One row a feature, in the model's order."""
    columns, drift, repeats = study.columns, study.drift, study.repeats
    words = (
        (study.empty, "says nothing"),
        (study.wandering, "wanders"),
        (study.drifting, "drifts"),
        (study.shifting, "shifts"),
    )
    found = []
    for place, name in enumerate(study.names):
        marks = [word for chosen, word in words if chosen[place]]
        marks += [f"repeats {repeats[name][0]}"] if name in repeats else []
        spread = columns.deviation[place]
        row: Row = {
            "name": name,
            "marks": ", ".join(marks),
            "spark": spark(columns.histogram[place]),
            "low": compact(columns.low[place], spread),
            "median": compact(columns.median[place], spread),
            "high": compact(columns.high[place], spread),
            "mean": compact(columns.mean[place], spread),
            "deviation": compact(spread),
            "skewness": number(columns.skewness[place], 2, signed=True),
            "kurtosis": number(columns.excess_kurtosis[place], 1, signed=True),
            "farthest": number(columns.farthest[place], 1),
            "outlying": percent(columns.outlying[place], 2),
            "warmup": f"{columns.warmup[place]:,}",
            "missing": percent(columns.missing[place], 2),
            "correlation": number(study.autocorrelation[place], 2, signed=True),
            "memory": bars_text(study.half_life[place]),
            "root": _share(study.roots.kept[place], int(np.isfinite(study.roots.statistic[:, place]).sum())),
        }
        if drift is not None:
            row |= {
                "distance": number(drift.distance[:, place].mean(), 2),
                "index": number(drift.stability[:, place].mean(), 2),
                "beyond": f"{int(drift.beyond[:, place].sum())} of {len(drift.beyond)}",
            }
        found.append(row)
    return found


def compact(value: Number, spread: float = 0.0) -> str:
    """Three significant digits, whatever the size; what is rounding beside the spread is zero.

    Examples
    --------
    >>> [compact(value) for value in (0.0, 1234.6, -0.01234, 1.5e-7, 2.5e9, None)], compact(6e-17, 0.7)
    (['0', '1,235', '−0.0123', '1.50e−7', '2.50e+9', '–'], '0')
    """
    if value is None or not is_known(value):
        return UNKNOWN
    if abs(value) <= 1e-12 * spread or value == 0:
        return "0"
    size = math.floor(math.log10(abs(value)))
    if -4 < size < 6:
        return number(value, max(2 - size, 0))
    mantissa, exponent = f"{value:.2e}".split("e")
    return f"{mantissa}e{int(exponent):+d}".replace("-", "−")


def bars_text(bars: float) -> str:
    """A half-life for reading.

    Examples
    --------
    >>> bars_text(0.4), bars_text(12.34), bars_text(float("inf")), bars_text(float("nan"))
    ('< 1', '12', 'longer', '–')
    """
    if math.isnan(bars):
        return UNKNOWN
    if math.isinf(bars):
        return "longer"
    return "< 1" if bars < 1 else number(bars, 0)


def spark(counts: np.ndarray[Any, np.dtype[np.int64]]) -> str:
    """A histogram as the outline of an SVG path of `SPARK`'s size.

    Examples
    --------
    >>> spark(np.array([1, 2]))
    'M0 16V8H30V0H60V16Z'
    """
    width, height = SPARK
    step, top = width / len(counts), max(int(counts.max()), 1)
    steps = [f"V{height * (1 - count / top):.3g}H{step * (place + 1):.4g}" for place, count in enumerate(counts)]
    return f"M0 {height}{''.join(steps)}V{height}Z"


def _bars_row(one: StudiedBars) -> Row:
    partial = [f"{name} ({percent(share, 1)} missing)" for name, share in one.partial.items()]
    return {
        "symbol": one.symbol,
        "rows": f"{one.rows:,}",
        "start": day(one.start),
        "end": day(one.end),
        "gaps": f"{one.gaps:,}",
        "missing": f"{one.missing:,} ({percent(one.missing / (one.rows + one.missing), 2)})",
        "longest": f"{one.longest:,}",
        "idle": UNKNOWN if one.idle is None else f"{one.idle:,}",
        "flat": f"{one.flat:,}",
        "fields": ", ".join([*one.fields, *partial]),
    }


def _share(kept: float, instruments: int) -> str:
    return UNKNOWN if math.isnan(kept) else f"{round(kept * instruments)} of {instruments}"
