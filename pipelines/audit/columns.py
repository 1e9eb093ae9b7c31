"""The stages of a run as columns: what each row is decided by, and from when.

Two things are known later than one would think, and are stated here. A label *exists* only if its bars up to the
vertical barrier do (and if its move is not exactly zero), and its weight counts the labels beside it: weights, and with
them whatever is fitted, are decided when the last label that begins before their own end is settled. For a fold that is
at most one label's length after its test begins; of the training labels themselves none is used that ended after it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from market.events import Kind
from models.bundle.combination import Platt
from models.dataset import Panel
from models.ensemble.nested import Combination
from pipelines.audit.column import Column, Ints, Rows, distinct, sample_times
from pipelines.audit.findings import Finding
from pipelines.audit.pieces import FILL, filled_too_early, label_columns, reach
from pipelines.config import RunConfig
from pipelines.results import ENSEMBLE
from pipelines.stages.artefacts import Artefact, canonical
from pipelines.stages.features import PanelFacts
from pipelines.stages.fit import Window, training_samples
from pipelines.stages.panel import panel_facts
from pipelines.stages.strategies import UNSIZED

SECOND_STAGE = "second stage"
SUBMITTED = {"side": "p1", "type": "p2", "price": "p3", "quantity": "p4"}
FILLED = {"price": "p1", "quantity": "p2", "fee": "p3"}


def label_span(config: RunConfig) -> int:
    """Rows from a decision to its label's vertical barrier."""
    return config.labels.delay + config.labels.horizon


def window_reach(config: RunConfig, panel: Panel, moments: Iterable[int]) -> Ints:
    """When everything that is fitted before some moments is decided (ns UTC): see the module."""
    bars = [one.bars for one in panel.series]
    return reach(bars, np.fromiter(moments, np.int64), label_span(config))


def panel_columns(config: RunConfig, panel: Panel) -> list[Column]:
    """Features, labels and weights."""
    symbols = tuple(one.symbol for one in panel.series)
    bars, samples = [one.bars for one in panel.series], panel.samples
    end = np.concatenate([one["end"] for one in bars])
    place = np.repeat(np.arange(len(bars)), [len(one) for one in bars])
    rows = Rows(symbols, place, np.concatenate([distinct(one["end"]) for one in bars]), end)
    values = np.concatenate([one.features for one in panel.series])
    features = [Column("features", name, rows, values[:, n]) for n, name in enumerate(panel.feature_names)]
    labels = label_columns(symbols, bars, samples, label_span(config))
    decided = reach(bars, samples.t1, label_span(config))
    weighed = Rows(symbols, samples.instrument, sample_times(bars, samples.instrument, samples.row), decided)
    return [*features, *labels, Column("weights", "weight", weighed, samples.weight)]


def fitted_feature_columns(
    panel: Panel, about: PanelFacts, windows: Sequence[Window], panels: Sequence[Artefact | None]
) -> list[Column]:
    """What every fold's features are fitted to, and the columns that follow from it: decided when its training ends.

    A fold whose features could not be fitted has the same columns without rows; ``about`` is of the run's panel.
    """
    symbols = tuple(one.symbol for one in panel.series)
    end = np.concatenate([distinct(one.bars["end"]) for one in panel.series])
    place = np.repeat(np.arange(len(symbols)), [len(one.bars) for one in panel.series])
    names = [feature.name for feature in about.feature_set().features if feature.fitted]
    found: list[Column] = []
    for window, made in zip(windows, panels, strict=True):
        fold = f"fold {window.index + 1}"
        least = len(end) if made is not None else 0
        rows = Rows(symbols, place[:least], end[:least], np.maximum(end[:least], window.train_stop))
        parts = [] if made is None else [made.array(f"fitted-{number}") for number in range(len(symbols))]
        values = np.concatenate([np.empty((0, len(names))), *parts])
        found += [Column("features", f"{name}, {fold}", rows, values[:, n]) for n, name in enumerate(names)]
        fitted = dict.fromkeys(about.fitted, ()) if made is None else panel_facts(made).fitted
        for name, numbers in fitted.items():
            count = np.arange(len(numbers))
            rows = Rows((fold,), 0 * count, window.train_stop + count, np.full(len(numbers), window.train_stop))
            found.append(Column("fitted", f"{name}, {fold}", rows, np.array(numbers, np.float64)))
    return found


def split_columns(config: RunConfig, panel: Panel, windows: Sequence[Window]) -> list[Column]:
    """Which samples each fold learns from."""
    symbols = tuple(one.symbol for one in panel.series)
    settled = window_reach(config, panel, [one.test_start for one in windows])
    samples, parts = panel.samples, []
    times = sample_times([one.bars for one in panel.series], samples.instrument, samples.row)
    for number, window in enumerate(windows):
        index = training_samples(panel, window)
        place = number * len(symbols) + samples.instrument[index]
        parts.append((place, times[index], np.full(len(index), window.test_start),
                      np.full(len(index), settled[number])))  # fmt: skip
    place, time, known, late = (np.concatenate(one) for one in zip(*parts, strict=True))
    places = tuple(f"fold {one.index + 1}, {symbol}" for one in windows for symbol in symbols)
    return [Column("splits", "training rows", Rows(places, place, time, known, late), np.ones(len(time), np.int64))]


def digest_word(content: bytes) -> np.uint64:
    """The first eight bytes of the SHA-256: an unsigned number, which has no size."""
    return np.uint64(int.from_bytes(hashlib.sha256(content).digest()[:8], "little"))


def fitted_columns(
    config: RunConfig, panel: Panel, windows: Sequence[Window], fits: Sequence[Mapping[str, Artefact]]
) -> list[Column]:
    """Every member's fitted graph, scaler and all, as it was written: one row a fold."""
    rows = fold_rows(config, panel, windows)
    return [
        Column("fitted", name, rows,
               np.array([digest_word((one[name].path / f"{name}.onnx").read_bytes()) for one in fits], np.uint64))
        for name in config.members
    ]  # fmt: skip


def fold_rows(config: RunConfig, panel: Panel, windows: Sequence[Window]) -> Rows:
    """A row for each fold, at the beginning of its test."""
    begin = np.array([one.test_start for one in windows], np.int64)
    places = tuple(f"fold {one.index + 1}" for one in windows)
    return Rows(places, np.arange(len(windows)), begin, window_reach(config, panel, begin))


def combination_columns(
    config: RunConfig, panel: Panel, windows: Sequence[Window], combinations: Sequence[Combination]
) -> list[Column]:
    """The pool's weights, the calibration and the second stage of each fold; NaN where a fold has no such line."""
    rows = fold_rows(config, panel, windows)
    names = [f"stacker, {name}" for name in config.members] + ["stacker, intercept", "calibration, slope"]
    values = np.full((len(windows), len(names) + 1), np.nan)
    whole, second = np.zeros((2, len(windows)), np.uint64)
    for number, one in enumerate(combinations):
        if one.pool is not None:
            values[number, :-2] = (*one.pool.weights, one.pool.intercept)
        if isinstance(one.calibration, Platt):
            values[number, -2:] = one.calibration.slope, one.calibration.intercept
        whole[number] = digest_word(canonical([one.calibration, one.conformal]))
        second[number] = digest_word(canonical(one.meta))
    numbers = [Column("fitted", name, rows, values[:, n]) for n, name in enumerate([*names, "calibration, intercept"])]
    stages = [] if config.meta is None else [Column("fitted", SECOND_STAGE, rows, second)]
    return [*numbers, Column("fitted", "calibration", rows, whole), *stages]


def stage_parts(config: RunConfig) -> dict[str, str]:
    """What a run with a second stage says besides, by column: how a score's arrays are named."""
    if config.meta is None:
        return {}
    return {SECOND_STAGE: "right"} | ({UNSIZED: "ensemble"} if config.meta.sizing else {})


def score_columns(
    config: RunConfig, panel: Panel, windows: Sequence[Window], scores: Sequence[Artefact]
) -> list[Column]:
    """Some folds' out-of-fold probabilities: of every member, of the ensemble as it is traded, of what decides that."""
    parts = {ENSEMBLE: "probability"} | stage_parts(config)
    place, time, known, values = [], [], [], []
    floors = window_reach(config, panel, [one.test_start for one in windows])
    for floor, score in zip(floors, scores, strict=True):
        for number, series in enumerate(panel.series):
            first, stop = score.array(f"rows-{number}").tolist()
            place.append(np.full(stop - first, number))
            time.append(distinct(series.bars["end"])[first:stop])
            known.append(np.maximum(series.bars["end"][first:stop], floor))
            said = [score.array(f"{one}-{number}") for one in ("members", *parts.values())]
            values.append(np.column_stack(said))
    symbols = tuple(one.symbol for one in panel.series)
    rows = Rows(symbols, *(np.concatenate(one) for one in (place, time, known)))
    table = np.concatenate(values)
    return [Column("predictions", name, rows, table[:, n]) for n, name in enumerate([*config.members, *parts])]


def journal_columns(
    config: RunConfig, panel: Panel, windows: Sequence[Window], journal: NDArray[np.void]
) -> list[Column]:
    """Orders, fills and the whole journal, each record decided when the bar was over that it was written at."""
    begin = np.array([one.test_start for one in windows])
    floor = np.concatenate([[0], window_reach(config, panel, begin)])
    now = np.maximum.accumulate(journal["ts_recv"])
    known = np.maximum(now, floor[np.searchsorted(begin, now, side="right")])
    found = []
    for stage, kind, fields in (("orders", Kind.SUBMIT_ORDER, SUBMITTED), ("fills", Kind.FILL, FILLED)):
        chosen = np.flatnonzero(journal["kind"] == kind)
        place = journal["instrument"][chosen].astype(np.int64)
        rows = Rows(config.data.symbols, place, distinct_of(place, now[chosen]), known[chosen])
        found += [Column(stage, name, rows, journal[field][chosen]) for name, field in fields.items()]
    zero = np.zeros(len(journal), np.int64)
    rows = Rows(("journal",), zero, distinct(now), known)
    return [*found, Column("journal", "every byte", rows, journal["checksum"])]


def distinct_of(place: Ints, time: Ints) -> Ints:
    """Ascending times, `distinct` at each place.

    Examples
    --------
    >>> distinct_of(np.array([0, 1, 0, 0]), np.array([10, 10, 10, 20])).tolist()
    [10, 10, 11, 20]
    """
    out = time.copy()
    for one in np.unique(place):
        out[place == one] = distinct(time[place == one])
    return out


def fills_of(journal: NDArray[np.void]) -> NDArray[np.void]:
    """The fills of orders that a signal caused, as `pipelines.audit.pieces.FILL`; a fill is written before its bar."""
    submits = journal[journal["kind"] == Kind.SUBMIT_ORDER]
    signals = journal[journal["kind"] == Kind.SIGNAL]
    fills = np.flatnonzero(journal["kind"] == Kind.FILL)
    order = {int(one["p0"]): one for one in submits}
    when = dict(zip(signals["seq"].tolist(), signals["ts_event"].tolist(), strict=True))
    bars = {}
    for number in np.unique(journal["instrument"]):
        bars[int(number)] = np.flatnonzero((journal["kind"] == Kind.BAR) & (journal["instrument"] == number))
    found = []
    for place in fills:
        fill = journal[place]
        cause = int(order[int(fill["p0"])]["p7"]) if int(fill["p0"]) in order else -1
        if cause in when:
            mine = bars[int(fill["instrument"])]
            bar = journal[mine[np.searchsorted(mine, place)]]
            found.append((int(fill["instrument"]), when[cause], int(bar["p5"]), float(fill["p1"]), float(fill["p2"])))
    return np.array(found, FILL)


def fill_finding(config: RunConfig, journal: NDArray[np.void]) -> Finding:
    """No order is filled on the bar of its own signal."""
    return filled_too_early("fills", config.data.symbols, fills_of(journal))
