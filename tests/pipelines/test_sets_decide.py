"""Trainings that decide only where the prediction set holds one side: nested, in the backtest, and nowhere else."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from types import SimpleNamespace

import msgspec
import numpy as np
import pytest

from features.conformance import plain_bars
from market.events import Kind
from market.instruments import Instrument
from market.lake import Lake
from models.bundle.combination import Conformal
from models.bundle.manifest import Payoff
from models.ensemble.conformal import prediction_sets
from models.ensemble.nested import compared_folds
from pipelines.config import RunConfig
from pipelines.results import ENSEMBLE
from pipelines.stages.artefacts import Artefacts
from pipelines.stages.backtest import backtest_job, series_signals
from pipelines.stages.data import describe, series_key
from pipelines.stages.fit import fit_job
from pipelines.stages.panel import load_panel, panel_job
from pipelines.stages.score import load_conformal, load_scores, next_combination, score_job
from pipelines.stages.strategies import strategy_tapes
from pipelines.stages.windows import fold_windows, folds

COUNT, COVERAGE = 4_000, 0.7


def configured(one_sided):
    document = {
        "name": "sets",
        "data": {"symbols": ["A", "B"], "interval": "1m", "holdout": "1h"},
        "features": {"names": ["rsi_14", "scaled_return_4", "ewma_volatility_96"]},
        "labels": {"horizon": 4},
        "validation": {"folds": 6, "train": "12h"},
        "members": {"linear": {}},
        "ensemble": {"coverage": COVERAGE, "one_sided": one_sided},
        "trading": {"decision": {"margin": -0.05}, "risk": {"drawdown": 0.9}},
    }
    return msgspec.convert(document, RunConfig)


def returning_bars(seed):
    """Bars whose price returns to where it was: something to know, so that some sets have one side."""
    made, random = plain_bars(COUNT, seed), np.random.default_rng(seed)
    close = 100 * np.exp(0.004 * random.normal(size=COUNT))
    made["close"], made["open"] = close, np.r_[100.0, close[:-1]]
    made["high"] = np.maximum(made["open"], close) * 1.0005
    made["low"] = np.minimum(made["open"], close) * 0.9995
    return made


def instrument(symbol):
    return Instrument(
        symbol, "binance", "spot", symbol, "USD",
        tick=Decimal("0.01"), lot=Decimal("0.001"), min_quantity=Decimal("0.001"), max_quantity=Decimal(9000),
        min_notional=Decimal(1), maker_fee=Decimal("0.001"), taker_fee=Decimal("0.001"),
    )  # fmt: skip


def staged(config, lake, make):
    """A training's stages up to its backtest."""
    facts = describe(config.data, lake)
    made = make(panel_job(config, facts, lake))
    panel = load_panel(made)
    found = folds(config, panel)
    windows = fold_windows(found)
    scored, scores, combinations = [], [], []
    for window in windows:
        fits = {"linear": make(fit_job(config, made, window, "linear"))}
        combinations.append(next_combination(config, panel.samples, scored, combinations, window.test_start))
        scores.append(make(score_job(config, made, window, fits, combinations[-1])))
        scored.append(load_scores(panel, window, scores[-1]))
    panels, rules = [made] * len(windows), [instrument(one) for one in config.data.symbols]
    journal = make(backtest_job(config, panels, windows, found, scores, rules)).array("journal")
    tapes = strategy_tapes(config, panels, windows, scores, combinations, rules)
    return SimpleNamespace(panel=panel, scores=scores, combinations=combinations, journal=journal, tapes=tapes)


@pytest.fixture(scope="module")
def both(tmp_path_factory):
    """The same training twice: deciding everywhere, and by prediction sets."""
    folder = tmp_path_factory.mktemp("sets")
    lake, make = Lake(folder / "lake"), Artefacts(folder / "artefacts").make
    for number, symbol in enumerate(("A", "B")):
        lake.write(series_key(configured(False).data, symbol), returning_bars(number))
    return staged(configured(False), lake, make), staged(configured(True), lake, make)


def signals(records):
    return records[records["kind"] == Kind.SIGNAL]


def test_thresholds_are_the_same_and_the_first_fold_without_one_knows_nothing(both):
    every, some = both
    chosen = compared_folds(6)
    assert every.combinations[chosen[0]].conformal is None
    assert some.combinations[chosen[0]].conformal == Conformal(COVERAGE, 0.0, one_sided=True)
    for fold in chosen[1:]:
        known = every.combinations[fold].conformal
        assert 0.0 < known.least < 1.0
        assert some.combinations[fold].conformal == Conformal(COVERAGE, known.least, one_sided=True)
    for one in both:
        assert [load_conformal(score) for score in one.scores] == [made.conformal for made in one.combinations]


def test_probabilities_are_the_same(both):
    every, some = both
    for one, other in zip(every.scores, some.scores, strict=True):
        for name in ("probability-0", "members-1"):
            assert one.array(name).tobytes() == other.array(name).tobytes()


def test_the_backtest_decides_where_the_set_has_one_side(both):
    every, some = both
    expected, flags = [], []
    for fold in compared_folds(6):
        conformal = some.combinations[fold].conformal
        for number, series in enumerate(some.panel.series):
            probability = some.scores[fold].array(f"probability-{number}")
            first, _ = some.scores[fold].array(f"rows-{number}")
            for row, one in enumerate(probability.tolist()):
                falls, rises = 1.0 - one >= conformal.least, one >= conformal.least
                if falls != rises:
                    expected.append((int(series.bars["end"][first + row]), number))
                    flags.append(4 + falls + 2 * rises)
    made, all_of_them = signals(some.journal), signals(every.journal)
    assert 500 < len(made) < len(all_of_them) - 500
    order = np.lexsort(([one for _, one in expected], [end for end, _ in expected]))
    assert list(zip(made["ts_event"].tolist(), made["instrument"].tolist(), strict=True)) == [
        expected[i] for i in order
    ]
    assert made["flags"].tolist() == [flags[i] for i in order]
    assert set(made["flags"].tolist()) == {5, 6}


def test_only_the_ensemble_asks_its_sets(both):
    every, some = both
    assert signals(some.tapes[ENSEMBLE]).tobytes() != signals(every.tapes[ENSEMBLE]).tobytes()
    ours, theirs = (
        signals(one)[["ts_event", "instrument", "p0", "flags"]] for one in (some.tapes[ENSEMBLE], some.journal)
    )
    assert ours.tolist() == theirs.tolist()
    for name in set(some.tapes) - {ENSEMBLE}:
        assert some.tapes[name].tobytes() == every.tapes[name].tobytes()
        assert not signals(some.tapes[name])["flags"].any()


@pytest.mark.parametrize("one_sided", [False, True])
def test_a_probability_on_the_threshold_is_in_the_set(both, one_sided):
    series, pays = replace(both[0].panel.series[0], decides=None), Payoff(1.5, 4, 0.5)
    said = np.array([0.625, np.nextafter(0.625, 0.0), 0.375, 0.375 + 2.0**-53, np.nan])
    conformal = Conformal(0.8, 0.625, one_sided)
    made = series_signals(series, 0, 1_000, said, pays, 60, conformal)
    chosen = [0, 2] if one_sided else [0, 1, 2, 3]
    assert made["ts_event"].tolist() == series.bars["end"][1_000:][chosen].tolist()
    assert made["flags"].tolist() == [[6, 4, 5, 4][place] for place in chosen]
    assert prediction_sets(conformal, said)[4].tolist() == [False, False]
