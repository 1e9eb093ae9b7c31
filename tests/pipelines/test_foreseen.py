"""What the folds will give the ensemble is counted before anything is fitted, and too little of it is refused then."""

from __future__ import annotations

from dataclasses import replace

import msgspec
import numpy as np
import pytest

from market.synthetic import SyntheticConfig, simulate
from models.bundle.runner import GraphRunner
from models.ensemble.config import EnsembleConfig
from models.graph.compose import compose
from models.graph.linear import linear_part
from models.scoring import score_rows
from pipelines.errors import StageError
from pipelines.stages.data import DataFacts, SeriesFacts
from pipelines.stages.foreseen import answered, answered_rows, check_burn_in, check_combining
from pipelines.stages.windows import fold_windows, folds
from tests.pipelines.planted_run import configuration, run

MODEL = compose([linear_part("linear", [0.0, 0.0], [1.0, 1.0], 8.0, [0.01, 0.1], 0.0)]).SerializeToString()


@pytest.fixture(scope="module")
def planted(tmp_path_factory):
    market = simulate(SyntheticConfig(bars=6_000), 3)
    found = run(market, tmp_path_factory.mktemp("foreseen"), members=("linear",))
    return configuration(market, members=("linear",)), found


def windows_of(config, panel):
    return fold_windows(folds(config, panel))


def with_ensemble(config, **changes):
    return msgspec.structs.replace(config, ensemble=EnsembleConfig(**changes))


@pytest.mark.parametrize("burn_in", [0, 1, 3, 40])
def test_the_rows_that_the_graph_answers_are_known_without_it(burn_in):
    random = np.random.default_rng(burn_in)
    runner = GraphRunner(MODEL, burn_in)
    for _ in range(30):
        rows = np.where(random.random((120, 2)) < 0.03, np.nan, 1.0)
        first = int(random.integers(0, 60))
        stop = int(random.integers(first + 1, 121))
        said = score_rows(runner, rows, first, stop)[1]
        assert np.array_equal(answered_rows(rows, first, stop, burn_in), np.isfinite(said))


def test_a_run_s_scored_decisions_are_those_that_were_foreseen(planted):
    config, found = planted
    windows = windows_of(config, found.panel)
    assert [len(answered(found.panel, one, config.ensemble.burn_in)) for one in windows] == [
        len(fold.label) for fold in found.folds
    ]
    check_combining(config, found.panel, windows)


def test_isotonic_calibration_needs_its_rows_before_anything_is_fitted(planted):
    config, found = planted
    windows, weight = windows_of(config, found.panel), found.folds[1].weight
    rows = weight[found.folds[1].t1 < windows[2].test_start].sum()
    wanted = with_ensemble(config, calibration="isotonic")
    with pytest.raises(StageError, match=rf'calibration is "isotonic".*1,000 effective rows.* {rows:,.0f} of') as told:
        check_combining(wanted, found.panel, windows)
    assert 'take "platt" or "auto"' in str(told.value)
    samples = found.panel.samples
    for times, refused in ((1_001 / rows, False), (999 / rows, True)):
        heavier = replace(found.panel, samples=replace(samples, weight=samples.weight * times))
        if refused:
            with pytest.raises(StageError, match="isotonic"):
                check_combining(wanted, heavier, windows)
        else:
            check_combining(wanted, heavier, windows)


def test_a_burn_in_that_leaves_a_fold_without_answers_is_refused(planted):
    config, found = planted
    longest = max(len(one.features) for one in found.panel.series)
    asked = with_ensemble(config, burn_in=longest)
    with pytest.raises(StageError, match=rf"in fold 1 no decision has the {longest:,} rows .* ensemble.burn_in"):
        check_combining(asked, found.panel, windows_of(config, found.panel))


@pytest.mark.parametrize(
    ("fold", "what", "without"),
    [(0, 'ensemble.method "stack"', {"method": "mean"}), (1, 'ensemble.calibration "platt"', {"calibration": "none"})],
)
def test_a_fold_of_one_class_is_refused_where_something_learns_from_it(planted, fold, what, without):
    config, found = planted
    windows, samples = windows_of(config, found.panel), found.panel.samples
    inside = (samples.t0 >= windows[fold].test_start) & (samples.t0 < windows[fold].test_stop)
    rising = replace(found.panel, samples=replace(samples, label=np.where(inside, 1, samples.label)))
    with pytest.raises(StageError, match=rf"{what} needs decisions of both classes in fold {fold + 1}"):
        check_combining(config, rising, windows)
    check_combining(with_ensemble(config, **without), rising, windows)


@pytest.mark.parametrize(("interval", "most"), [("15m", 31 * 96), ("dollar-1000000", 50_000)])
def test_a_burn_in_longer_than_what_is_before_the_first_test_is_refused_by_the_data_s_length(planted, interval, most):
    config, _ = planted
    data = msgspec.structs.replace(config.data, interval=interval)
    config = msgspec.structs.replace(config, data=data)
    assert config.validation.train == "31d"
    facts = DataFacts((SeriesFacts("A", "", 50_000, 0, 1), SeriesFacts("B", "", 40_000, 0, 1)), 1)
    check_burn_in(with_ensemble(config, burn_in=most), facts)
    with pytest.raises(StageError, match=rf"burn_in is {most + 1:,} rows, .* has {most:,} bars at most: lower it"):
        check_burn_in(with_ensemble(config, burn_in=most + 1), facts)
