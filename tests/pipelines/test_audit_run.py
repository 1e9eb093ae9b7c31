"""The audit of a whole run: our own pipeline is clean, sampled and in full; a leak put into a real stage is named."""

from __future__ import annotations

import tempfile
from dataclasses import replace

import numpy as np
import pytest

from market.events import Kind
from market.time import DAY, MINUTE
from models.members.along import NOWHERE
from pipelines.audit import probe
from pipelines.audit.columns import distinct_of, fill_finding, fills_of
from pipelines.audit.errors import AuditError
from pipelines.audit.findings import LEAK, UNTOUCHED
from pipelines.audit.outside import outside_changed, shortened
from pipelines.audit.pipeline import audit_run, needed_folds
from pipelines.audit.stage import audit_job, load_audit
from pipelines.stages import fit, panel
from pipelines.stages.artefacts import Artefacts
from pipelines.stages.backtest import backtest_job
from pipelines.stages.fit import training_samples
from pipelines.stages.panel import load_panel
from tests.pipelines.audited import CONFIG, INSTRUMENTS, columns, leaking, trained


@pytest.fixture(scope="module")
def base(tmp_path_factory):
    return trained(tmp_path_factory.mktemp("audited"), 6)


@pytest.fixture(scope="module")
def whole(base, tmp_path_factory):
    """The same with its backtest."""
    order = backtest_job(CONFIG, base.panels, base.windows, base.folds, base.scores, INSTRUMENTS)
    return replace(base, backtest=Artefacts(tmp_path_factory.mktemp("traded")).make(order))


@pytest.fixture(scope="module")
def sampled(whole):
    return audit_run(whole)


def test_our_own_pipeline_is_clean_in_a_sampled_audit(sampled):
    assert sampled.clean, sampled.leaks
    assert sampled.scope == "sampled"
    wanted = {
        *(f"features/{name}" for name in CONFIG.features.names), "labels/label", "labels/t1", "weights/weight",
        "splits/training rows", "splits/purge", "splits/forward", "splits/disjoint", "fitted/linear, window",
        "fitted/lstm, window", "fitted/lightgbm, window", "fitted/stacker, lstm", "fitted/calibration, slope",
        "predictions/linear", "predictions/ensemble", "orders/quantity", "fills/price", "fills/bar",
        "journal/every byte", "data/close",
    }  # fmt: skip
    assert wanted <= columns(sampled.findings)
    assert all(one.compared for one in sampled.findings)


def test_every_column_was_reached_so_that_clean_means_something(sampled):
    assert columns(one for one in sampled.findings if one.verdict == UNTOUCHED) <= {"predictions/lstm"}


def test_our_own_pipeline_is_clean_in_full(base):
    found = audit_run(base, full=True, cuts=6)
    assert found.clean, found.leaks
    assert {"fitted/linear", "fitted/lightgbm", "fitted/lstm"} <= columns(found.findings)
    assert {"truncated"} <= set(found.perturbations)
    assert len(found.cuts) >= 6


@pytest.mark.parametrize("seed", [1, 2, 3, 4])
def test_other_seeds_look_elsewhere_and_find_nothing_either(whole, seed):
    found = audit_run(whole, cuts=8, seed=seed)
    assert found.clean, found.leaks
    assert {"truncated", "holed"} <= set(found.perturbations)


def test_the_same_audit_gives_the_same_bytes_and_is_made_once(whole, tmp_path, sampled):
    job = audit_job(whole)
    artefacts = Artefacts(tmp_path)
    made = artefacts.make(job)
    assert load_audit(made) == sampled
    assert artefacts.find(audit_job(whole)) == made
    assert audit_job(whole, seed=8).digest != job.digest != audit_job(whole, full=True).digest


def test_what_it_makes_lies_where_the_next_audit_sweeps(whole, tmp_path, monkeypatch):
    """In its stage's folder, where a kill is known of, and not where the system keeps temporary files."""
    system, root, seen = tmp_path / "system", tmp_path / "artefacts", []
    system.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(system))

    def look(what, fraction):
        seen.append((any(system.iterdir()), any((root / "audit").glob(".*/bot4-audit-*/*"))))

    made = Artefacts(root).make(audit_job(whole, seed=9), look)
    assert seen[-1] == (False, True)
    assert [path.name for path in made.path.iterdir()] == ["audit.json"]
    assert list(system.iterdir()) == []


def test_it_only_reads(whole, sampled):
    folder = whole.lake.root.parent
    before = {path: path.stat().st_mtime_ns for path in folder.rglob("*")}
    audit_run(whole)
    assert {path: path.stat().st_mtime_ns for path in folder.rglob("*")} == before


# ---- leaks put into the real stages


def centred(series):
    kernel = np.ones(5) / 5
    smooth = np.apply_along_axis(lambda one: np.convolve(one, kernel, "same"), 0, series.features)
    return replace(series, features=np.where(np.isfinite(series.features), smooth, np.nan))


def test_features_that_look_ahead_are_named_each(monkeypatch, tmp_path):
    real = panel.compute_series
    monkeypatch.setattr(panel, "compute_series", lambda *given: tuple(centred(one) for one in real(*given)))
    found = leaking(tmp_path)
    assert {f"features/{name}" for name in CONFIG.features.names} <= columns(found.leaks)
    (first,) = [one for one in found.leaks if one.column == "rsi_14"]
    assert first.cut - 2 * 15 * MINUTE < first.first <= first.cut


def test_weights_that_are_scaled_by_all_of_them_are_named(monkeypatch, tmp_path):
    real = panel.build_panel

    def normalised(*given):
        made = real(*given)
        weight = made.samples.weight / made.samples.weight.mean()
        return replace(made, samples=replace(made.samples, weight=weight))

    monkeypatch.setattr(panel, "build_panel", normalised)
    assert "weights/weight" in columns(leaking(tmp_path).leaks)


def test_a_member_that_reads_behind_its_window_is_named(monkeypatch, tmp_path):
    real = fit.make_member

    class Peeking:
        """Fits on its rows and on what follows them."""

        def __init__(self, inner):
            self.inner = inner

        def fit(self, given, train, validation, seed, progress=None, along=NOWHERE):
            later = np.arange(train.max() + 1, min(train.max() + 2_000, len(given.samples)))
            return self.inner.fit(given, np.concatenate([train, later]), validation, seed, progress)

    monkeypatch.setattr(fit, "make_member", lambda name, table: Peeking(real(name, table)))
    found = leaking(tmp_path)
    assert {f"fitted/{name}, window" for name in ("linear", "lightgbm")} <= columns(found.leaks)


def test_a_combination_fitted_on_the_fold_it_scores_is_named(monkeypatch, base):
    real = probe.next_combination

    def late(config, samples, scored, combinations, moment):
        return real(config, samples, scored, combinations, moment + 20 * DAY)

    monkeypatch.setattr(probe, "next_combination", late)
    found = audit_run(base)
    assert "fitted/stacker, linear" in columns(found.leaks) or "fitted/stacker, intercept" in columns(found.leaks)


def test_splits_that_are_not_purged_are_named(base):
    fold = base.folds[3]
    inside = (load_panel(base.panel).samples.t0 >= fold.train_start) & (
        load_panel(base.panel).samples.t0 < fold.train_stop
    )
    unpurged = [*base.folds[:3], replace(fold, train=np.flatnonzero(inside)), *base.folds[4:]]
    found = audit_run(replace(base, folds=unpurged))
    assert columns(found.leaks) == {"splits/purge"}


def test_a_fill_on_its_signals_bar_is_named(whole):
    journal = whole.backtest.array("journal")
    assert fill_finding(CONFIG, journal).verdict == "clean"
    fills = fills_of(journal)
    assert len(fills) > 20
    assert (fills["bar"] == fills["signal"]).mean() > 0.5, "most are filled on the very next bar"
    early = journal.copy()
    bars = np.flatnonzero(early["kind"] == Kind.BAR)
    early["p5"][bars] -= 15 * MINUTE
    assert fill_finding(CONFIG, early).verdict == LEAK


# ---- parts


def test_outside_a_window_everything_differs_and_inside_nothing(base):
    given, window = load_panel(base.panel), base.windows[2]
    before = [one.features.copy() for one in given.series]
    other = outside_changed(given, window, np.random.default_rng(0))
    kept = training_samples(given, window)
    assert len(kept)
    for series, changed, copy in zip(given.series, other.series, before, strict=True):
        end = series.bars["end"]
        inside = (end >= window.train_start) & (end < window.test_start)
        assert np.array_equal(changed.features[inside], series.features[inside], equal_nan=True)
        finite = ~inside & np.isfinite(series.features).all(axis=1)
        assert (changed.features[finite] != series.features[finite]).mean() > 0.99
        assert np.isnan(changed.features[finite & (end > window.test_start)]).any()
        assert np.array_equal(copy, series.features, equal_nan=True), "the panel given was written to"
    assert np.array_equal(training_samples(other, window), kept)
    free = np.setdiff1d(np.arange(len(given.samples)), kept)
    assert (given.samples.label[free] != other.samples.label[free]).all()
    for name in ("label", "weight", "move", "t0", "t1"):
        assert np.array_equal(getattr(given.samples, name)[kept], getattr(other.samples, name)[kept])
    assert shortened(window).train_start > window.train_start


def test_too_few_folds_are_refused(base):
    short = replace(base, scores=base.scores[:2], fits=base.fits[:2], combinations=base.combinations[:2])
    with pytest.raises(AuditError, match="looks at fold 3, but 2 folds were scored"):
        audit_run(short)
    assert (needed_folds(6, False), needed_folds(6, True)) == (3, 6)
    assert (needed_folds(6, False, True), needed_folds(6, True, True)) == (4, 6)


def test_records_of_one_moment_get_times_of_their_own():
    place, time = np.array([0, 0, 0, 1, 1]), np.array([5, 5, 9, 9, 9])
    assert distinct_of(place, time).tolist() == [5, 6, 9, 9, 10]


def test_progress_goes_forward_to_the_end(whole):
    said = []
    audit_run(whole, progress=lambda what, fraction: said.append(fraction))
    assert said == sorted(said)
    assert 0.0 <= said[0] <= said[-1] < 1.0
