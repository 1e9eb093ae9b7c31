"""The importances of a training: our own members on their purged folds, with and without state."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import dataclass, field, replace
from types import SimpleNamespace

import numpy as np
import pytest

from models.errors import ModelError
from models.importance.groups import each_alone
from models.importance.mda import permutation
from models.importance.member_fold import LEAD, member_fold, spaced
from models.importance.panel import ImportanceSettings, fit_folds, panel_importances
from models.members import MEMBERS
from models.members.lightgbm import LightgbmConfig
from models.members.planted import planted, with_samples
from models.members.protocol import FitRecord
from models.splitters import PurgedWalkForward

QUICK = LightgbmConfig(rounds=60, learning_rate=0.1)


@dataclass(frozen=True)
class Carried:
    """A member whose logit is this row's and the last rows' first feature, fading; NaN resets it."""

    name: str = "carried"
    record: FitRecord = field(default_factory=FitRecord)

    def predict(self, panel, instrument, rows):
        features = panel.series[instrument].features[rows]
        out, state = np.full(len(rows), np.nan), 0.0
        for place, row in enumerate(features):
            state = 0.0 if np.isnan(row).any() else 0.5 * state + row[0]
            out[place] = np.nan if np.isnan(row).any() else 1 / (1 + np.exp(-state))
        return out

    def part(self):
        return SimpleNamespace(state=("state",))


@pytest.fixture(scope="module")
def training():
    panel = planted(seed=3, signal=1.5, rows=1000).panel
    samples = panel.samples
    folds = PurgedWalkForward(3, samples.t0, samples.t1, int(samples.t0.max()) // 2).folds()
    members = {"linear": MEMBERS["linear"](), "lightgbm": MEMBERS["lightgbm"](config=QUICK)}
    return panel, folds, fit_folds(panel, folds, members, seed=5)


@pytest.fixture(scope="module")
def found(training):
    return panel_importances(*training, ImportanceSettings(rows=600, sfi_rows=600, cluster_rows=500))


def test_every_method_that_a_member_has(training, found):
    trees = [("lightgbm", name) for name in ("mdi", "shap", "clustered_mdi", "clustered_shap")]
    both = [(member, name) for member in ("linear", "lightgbm") for name in ("mda", "clustered_mda")]
    assert set(found.tables) == {*trees, *both, ("", "sfi")}
    assert all(len(table.values) == 3 for table in found.tables.values())
    tested = sum(min(600, len(fold.test)) for fold in training[1])
    assert len(found.contributions["lightgbm"].values) == tested


def test_known_features_lead_by_every_method(found):
    """x_0 and x_1 act linearly, x_2 by its size: what is linear cannot use it."""
    for (member, method), table in found.tables.items():
        if method.startswith("clustered"):
            continue
        useful = 2 if member == "linear" else 3
        assert set(table.sorted(useful).names) == {f"x_{number}" for number in range(useful)}, (member, method)


def test_noise_is_worth_nothing_out_of_sample(found):
    for member in ("linear", "lightgbm"):
        table = found.tables[member, "mda"]
        low, high = table.interval(0.99)
        assert ((low[3:] <= 0) & (high[3:] >= 0)).all(), member
        assert table.interval(0.95)[0][0] > 0, member


def test_clusters_share_out_the_features(found):
    clusters = found.clusters
    assert sorted(np.concatenate(clusters.members).tolist()) == list(range(6))
    assert found.tables["lightgbm", "clustered_mda"].names == clusters.titles


def test_the_same_seed_gives_the_same_bytes(training):
    panel, folds, fits = training
    settings = ImportanceSettings(methods=("mda", "sfi"), rows=100, sfi_rows=200)
    first, second = (panel_importances(panel, folds, fits, settings).tables for _ in range(2))
    other = panel_importances(panel, folds, fits, replace_seed(settings)).tables
    assert all(first[key].values.tobytes() == second[key].values.tobytes() for key in first)
    assert first["linear", "mda"].values.tobytes() != other["linear", "mda"].values.tobytes()


def replace_seed(settings):
    return ImportanceSettings(methods=settings.methods, rows=settings.rows, sfi_rows=settings.sfi_rows, seed=9)


def test_a_fold_is_scored_as_the_member_predicts(training):
    panel, folds, fits = training
    for name in ("linear", "lightgbm"):
        scored = member_fold(panel, folds[1], fits[name][1], 200)
        index = spaced(folds[1].test, 200)
        index = index[np.argsort(panel.samples.instrument[index], kind="stable")]
        said = scored.predict(scored.features)[:, 1]
        for place, sample in enumerate(index.tolist()):
            row = panel.samples.row[[sample]]
            expected = fits[name][1].predict(panel, int(panel.samples.instrument[sample]), row)
            assert said[place] == expected[0]
        assert scored.label.tolist() == panel.samples.label[index].tolist()
        assert scored.weight.tolist() == panel.samples.weight[index].tolist()
        assert scored.block.tolist() == panel.samples.instrument[index].tolist()


def test_a_member_with_state_walks_the_test_from_before_it(training):
    panel, folds, _ = training
    scored = member_fold(panel, folds[1], Carried(), 300)
    said = scored.predict(scored.features)[:, 1]
    samples, start = panel.samples, 0
    for number, series in enumerate(panel.series):
        mine = folds[1].test[samples.instrument[folds[1].test] == number][:100]
        expected = Carried().predict(panel, number, np.arange(len(series.features)))[samples.row[mine]]
        np.testing.assert_allclose(said[start : start + 100], expected, atol=1e-12)
        assert samples.label[mine].tolist() == scored.label[start : start + 100].tolist()
        start += 100
    assert len(scored.features) > 300 + 2 * LEAD
    assert start == len(said)


def test_rows_without_all_features_are_not_moved(training):
    panel, folds, _ = training
    scored = member_fold(panel, folds[0], Carried(), 3000)
    holes = np.isnan(scored.features).any(axis=1)
    assert holes.any()
    assert (scored.block[holes] == -1).all()
    assert (scored.block[~holes] >= 0).all()
    table = permutation([scored], each_alone(panel.feature_names), repeats=1)
    assert table.values[0, 0] > 0.05
    assert np.abs(table.values[0, 1:]).max() == 0.0


def test_weights_count(training):
    """Labels without weight are reversed: with equal weights nothing would be found."""
    panel, folds, fits = training
    problem = planted(seed=3, signal=1.5, rows=1000)
    wrong = np.random.default_rng(1).random(len(panel.samples)) < 0.5
    label = np.where(wrong, 1 - panel.samples.label, panel.samples.label)
    weight = np.where(wrong, 1e-9, 1.0)
    settings = ImportanceSettings(methods=("mda", "sfi"), rows=600, sfi_rows=600)
    weighed = panel_importances(with_samples(problem, label=label, weight=weight).panel, folds, fits, settings)
    blind = panel_importances(with_samples(problem, label=label).panel, folds, fits, settings)
    for key, table in weighed.tables.items():
        assert table.mean[0] > 0.02, key
        assert blind.tables[key].mean[0] < 0.3 * table.mean[0], key


def test_progress_is_told_in_order(training):
    told = []
    settings = ImportanceSettings(methods=("mdi", "mda"), rows=20, repeats=1)
    panel_importances(*training, settings, lambda what, share: told.append((what, share)))
    assert told[0] == ("importance: lightgbm mdi", 0.0)
    shares = [share for _, share in told]
    assert shares == sorted(shares)
    assert len(told) == 3


def test_trees_that_never_split_are_left_out(training):
    panel, folds, _ = training
    none = {"lightgbm": MEMBERS["lightgbm"](config=LightgbmConfig(rounds=1, leaf_rows=10**6, l2=1e12))}
    constant = replace(
        panel,
        series=tuple(replace(one, features=np.where(np.isnan(one.features), np.nan, 1.0)) for one in panel.series),
    )
    fits = fit_folds(constant, folds, none)
    tables = panel_importances(constant, folds, fits, ImportanceSettings(methods=("mdi", "mda"), rows=50)).tables
    assert set(tables) == {("lightgbm", "mda")}


def test_a_fit_too_few_is_refused(training):
    panel, folds, fits = training
    with pytest.raises(ModelError, match="linear was fitted 2 times, but there are 3 folds"):
        panel_importances(panel, folds, {"linear": fits["linear"][:2]})
    with pytest.raises(ModelError, match="no test samples"):
        member_fold(panel, SimpleNamespace(train=folds[0].train, test=np.empty(0, np.int64)), fits["linear"][0], 10)


def test_nothing_heavy_is_imported_before_it_is_needed():
    code = (
        "import sys; import models.importance.panel, models.importance.shap; "
        "print([name for name in ('sklearn', 'lightgbm', 'xgboost', 'torch', 'matplotlib') if name in sys.modules])"
    )
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert said.strip() == "[]"
