"""The importance stage: fits are read back, not fitted again; what was planted is found, and noise is not."""

from __future__ import annotations

from typing import NamedTuple

import msgspec
import numpy as np
import pytest
from scipy.stats import t

from models.members.lightgbm import LightgbmMember
from models.members.linear import FittedLinear, LinearMember
from models.members.planted import planted
from models.splitters import PurgedWalkForward
from pipelines.config import LaboratoryConfig, RunConfig
from pipelines.errors import StageError
from pipelines.importances import NOBODY, SINGLE
from pipelines.stages import importance
from pipelines.stages.artefacts import Artefact, Artefacts, job
from pipelines.stages.features import PanelFacts
from pipelines.stages.fit import fit_job, load_fitted
from pipelines.stages.importance import (
    EXPLAINED,
    LEVEL,
    asked_folds,
    importance_jobs,
    joined_studies,
    load_study,
)
from pipelines.stages.panel import load_panel, save_panel
from pipelines.stages.windows import fold_windows

ROWS = 300
CAUSES, CURVED, NOISE = ("x_0", "x_1"), "x_2", ("x_3", "x_4")
CONFIG = {
    "name": "planted",
    "data": {"symbols": ["A"], "interval": "1h"},
    "members": {"lightgbm": {"rounds": 60, "learning_rate": 0.1}, "linear": {}},
    "laboratory": {"importance_rows": ROWS, "importance_repeats": 2, "importance_single_rows": 600},
}


class Made(NamedTuple):
    config: RunConfig
    artefacts: Artefacts
    panel: Artefact
    windows: list
    fits: list

    def jobs(self, **laboratory):
        config = self.config
        if laboratory:
            config = msgspec.structs.replace(
                config, laboratory=msgspec.structs.replace(config.laboratory, **laboratory)
            )
        return importance_jobs(config, [self.panel] * len(self.windows), self.windows, self.fits)


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    panel = planted(seed=3, signal=1.5, rows=1600).panel

    def build(draft, progress):
        save_panel(draft, panel)
        symbols = tuple(one.symbol for one in panel.series)
        draft.json("panel", PanelFacts(symbols, panel.feature_names, "feed", {}, panel.interval, 8))

    artefacts = Artefacts(tmp_path_factory.mktemp("artefacts"))
    config = msgspec.convert(CONFIG, RunConfig)
    saved = artefacts.make(job("panel", "planted", (), build, ("numpy",)))
    samples = panel.samples
    windows = fold_windows(PurgedWalkForward(4, samples.t0, samples.t1, int(samples.t0.max()) // 2).folds())
    fits = [
        {name: artefacts.make(fit_job(config, saved, window, name)) for name in config.members} for window in windows
    ]
    return Made(config, artefacts, saved, windows, fits)


@pytest.fixture(scope="module")
def study(made):
    return joined_studies([load_study(made.artefacts.make(one)) for one in made.jobs()])


def test_what_was_planted_is_found_and_the_interval_of_noise_holds_zero(study):
    for member in ("lightgbm", "linear"):
        table = study.table(member, "mda")
        found = {name: (low, high) for name, low, high in zip(table.names, table.low, table.high, strict=True)}
        assert all(found[name][0] > 0 for name in CAUSES), (member, found)
        assert all(found[name][0] <= 0 <= found[name][1] for name in NOISE), (member, found)
        leading = {*CAUSES, CURVED} if member == "lightgbm" else set(CAUSES)
        assert {table.names[place] for place in np.argsort(-table.mean)[: len(leading)]} == leading
    alone = study.table(NOBODY, SINGLE)
    assert {alone.names[place] for place in np.argsort(-alone.mean)[:3]} == {*CAUSES, CURVED}


def test_every_member_is_asked_what_it_can_answer(study):
    assert study.members == ("lightgbm", "linear")
    trees = {"mdi", "mda", "shap", "clustered_mdi", "clustered_mda", "clustered_shap"}
    assert {one.method for one in study.tables if one.member == "lightgbm"} == trees
    assert {one.method for one in study.tables if one.member == "linear"} == {"mda", "clustered_mda"}
    assert all(one.values.shape == (4, len(one.names)) for one in study.tables)
    assert [rows.member for rows in study.explained] == ["lightgbm"]
    assert study.table("lightgbm", "clustered_mda").values.shape[1] == study.clusters.label.max() + 1


def test_intervals_are_widened_by_what_training_windows_share(made, study):
    folds = asked_folds(made.config, load_panel(made.panel), made.windows)
    facts = [fold["linear"].json("linear")["facts"]["train_rows"] for fold in made.fits]
    assert [len(fold.train) for fold in folds] == facts
    assert study.overlap == max(len(fold.test) / rows for fold, rows in zip(folds, facts, strict=True)) > 0
    table = study.table("linear", "mda")
    error = table.values.std(axis=0, ddof=1) * np.sqrt(1 / 4 + study.overlap)
    np.testing.assert_allclose(table.high - table.mean, error * t.ppf((1 + LEVEL) / 2, 3), rtol=1e-12)


def test_the_folds_agreement_is_kept(study):
    found = study.table("linear", "mda").agreement
    assert 0.25 < found.concordance <= 1
    assert -1 <= found.rank_correlation <= 1
    assert found.by_chance < found.shared <= found.leading


def test_rows_are_bounded_and_nothing_is_fitted_again(made, tmp_path, monkeypatch):
    asked = []
    real = FittedLinear.predict

    def counted(self, panel, instrument, rows):
        asked.append(len(rows))
        return real(self, panel, instrument, rows)

    def refused(*arguments, **named):
        raise AssertionError("a member was fitted")

    monkeypatch.setattr(FittedLinear, "predict", counted)
    monkeypatch.setattr(LinearMember, "fit", refused)
    monkeypatch.setattr(LightgbmMember, "fit", refused)
    panel = load_panel(made.panel)
    elsewhere = Artefacts(tmp_path)
    parts = [load_study(elsewhere.make(one)) for one in made.jobs(importance_rows=100)]
    features, clusters = len(panel.feature_names), int(parts[0].clusters.label.max()) + 1
    series, folds, repeats = len(panel.series), len(made.windows), made.config.laboratory.importance_repeats
    assert 0 < sum(asked) <= folds * 100 * (repeats * (features + clusters) + 2)
    assert len(asked) == folds * series * (repeats * (features + clusters) + 2)
    assert len(parts[0].explained[0].values) <= min(EXPLAINED, folds * 100)
    assert parts[0].rows == 100


def test_a_second_time_nothing_is_done(made, study, monkeypatch):
    monkeypatch.setattr(importance, "panel_importances", None)
    again = joined_studies([load_study(made.artefacts.make(one)) for one in made.jobs()])
    assert again.table("linear", "mda").values.tobytes() == study.table("linear", "mda").values.tobytes()


def test_a_setting_changes_the_jobs_that_it_concerns(made):
    def digests(**laboratory):
        return {one.title: one.digest for one in made.jobs(**laboratory)}

    before = digests()
    assert digests() == before
    assert not set(digests(importance_rows=200).values()) & set(before.values())
    single = "importance, single features"
    changed = digests(importance_single_rows=500)
    assert changed.pop(single) != before[single]
    assert changed.items() <= before.items()
    assert single not in digests(importance_single_rows=0)


def test_it_can_be_off(made):
    assert made.jobs(importance=False) == []
    assert joined_studies([]) is None


@pytest.mark.parametrize(
    ("name", "value"), [("importance_rows", 99), ("importance_repeats", 0), ("importance_single_rows", 5)]
)
def test_settings_that_say_nothing_are_refused(name, value):
    with pytest.raises(ValueError, match=f"{name} is {value}"):
        LaboratoryConfig(**{name: value})


def test_a_member_that_is_kept_as_a_graph_only_is_not_asked(made):
    config = msgspec.structs.replace(made.config, members={"lstm": {}, "linear": {}})
    titles = [one.title for one in importance_jobs(config, [made.panel] * len(made.windows), made.windows, made.fits)]
    assert titles == ["importance, linear", "importance, single features"]
    with pytest.raises(StageError, match="lstm is kept as a graph only"):
        load_fitted(made.fits[0]["linear"], "lstm")


def test_a_fit_read_back_has_its_record_and_predicts_what_the_graph_does(made):
    fit = made.fits[0]["lightgbm"]
    fitted, panel = load_fitted(fit, "lightgbm"), load_panel(made.panel)
    assert list(fitted.record.importance) == list(panel.feature_names)
    assert (fit.path / "lightgbm.onnx").read_bytes() == fitted.part().model.SerializeToString(deterministic=True)
