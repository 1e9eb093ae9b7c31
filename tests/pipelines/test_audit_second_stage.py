"""The audit of runs with a second stage: ours is clean, and leaks in what it says and is fitted on are named."""

from __future__ import annotations

from dataclasses import replace

import msgspec
import numpy as np
import pytest

from models.meta.config import MetaConfig
from pipelines.audit.findings import UNTOUCHED
from pipelines.audit.pipeline import audit_run
from pipelines.stages import score
from pipelines.stages.artefacts import Artefacts
from pipelines.stages.backtest import backtest_job
from tests.pipelines.audited import CONFIG, INSTRUMENTS, columns, trained

MEMBERS = {name: CONFIG.members[name] for name in ("linear", "lightgbm")}
SIGNALS = {"orders", "fills", "journal"}


def configured(sizing):
    meta = MetaConfig(ridge=10.0, features=("ewma_volatility_96",), sizing=sizing)
    return msgspec.structs.replace(CONFIG, members=MEMBERS, meta=meta)


def audited(folder, sizing):
    """A run with a second stage, made with whatever was patched, traded and audited."""
    config = configured(sizing)
    base = trained(folder, 6, config)
    order = backtest_job(config, base.panels, base.windows, base.folds, base.scores, INSTRUMENTS)
    return audit_run(replace(base, backtest=Artefacts(folder / "traded").make(order)))


@pytest.mark.parametrize("sizing", [False, True])
def test_a_second_stage_is_clean_and_was_looked_at(tmp_path, sizing):
    found = audited(tmp_path, sizing)
    assert found.clean, found.leaks
    wanted = {"predictions/second stage", "fitted/second stage", "fitted/calibration", "predictions/ensemble"}
    assert wanted <= columns(found.findings)
    assert ("predictions/ensemble, not sized" in columns(found.findings)) == sizing
    assert columns(one for one in found.findings if one.verdict == UNTOUCHED) == set()


def test_without_a_backtest_the_first_fold_that_has_one_is_looked_at(tmp_path):
    found = audit_run(trained(tmp_path, 4, configured(False)))
    assert found.clean, found.leaks
    (said,) = [one for one in found.findings if (one.stage, one.column) == ("predictions", "second stage")]
    assert said.moved


def centred(name):
    """The score stage, which centres what one stage of the graph says by its mean over the test."""
    real = score.score_stages

    def scored(runner, features, first, stop):
        said = real(runner, features, first, stop)
        values = getattr(said, name)
        if np.isnan(values).all():
            return said
        return replace(said, **{name: values - (np.nanmean(values) - 0.5)})

    return scored


def test_a_second_stage_that_is_centred_by_its_test_is_named_and_nothing_else(monkeypatch, tmp_path):
    monkeypatch.setattr(score, "score_stages", centred("right"))
    assert columns(audited(tmp_path, False).leaks) == {"predictions/second stage"}


def test_an_ensemble_that_is_centred_before_its_bets_are_sized_is_named(monkeypatch, tmp_path):
    """What is traded does not know of it: only the ensemble's own column and the sets in the journal do."""
    monkeypatch.setattr(score, "score_stages", centred("ensemble"))
    found = columns(audited(tmp_path, True).leaks)
    assert "predictions/ensemble, not sized" in found
    assert not {"predictions/ensemble", "predictions/second stage"} & found


def test_a_second_stage_fitted_on_labels_of_its_test_is_named(monkeypatch, tmp_path):
    """It learns from what happened one fold later than it ought to."""
    real = score.meta_folds

    def late(samples, scored, combinations):
        shifted = np.minimum(np.arange(len(samples)) + len(scored[-1].index), len(samples) - 1)
        return real(replace(samples, label=samples.label[shifted]), scored, combinations)

    monkeypatch.setattr(score, "meta_folds", late)
    found = columns(audited(tmp_path, False).leaks)
    assert {"fitted/second stage", "predictions/second stage"} == found
