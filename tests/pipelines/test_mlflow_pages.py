"""MLflow's own pages over our runs, in a real browser: list, charts, comparison, figures, tables, model version."""

import json

import matplotlib.colors
import numpy as np
import pytest
from msgspec.structs import replace

from pipelines.commands.ui import mlflow_plan
from pipelines.figures.style import BLUE, INK, VERMILION
from pipelines.report.write import write_card, write_report
from pipelines.results import ENSEMBLE
from pipelines.servers import free_port, running
from pipelines.tracking.tracker import Tracker
from pipelines.verdict import verdict
from pipelines.workspace import Workspace
from tests.pipelines.browser import browser, picture_of, text_of
from tests.pipelines.factory import make_result

pytestmark = [pytest.mark.long, pytest.mark.xdist_group("mlflow")]


@pytest.fixture(scope="module")
def results():
    weak, strong = make_result(), make_result(edge=0.4, drift=4e-4, seed=2)
    config = {**strong.config, "members": {"lstm": {"hidden": 64}, "lightgbm": {}}}
    info = replace(strong.bundle, digest="5eed" * 16)
    return weak, replace(strong, run_id="20180203T040506-12345678", config=config, bundle=info)


@pytest.fixture(scope="module")
def site(tmp_path_factory, results):
    """The server's address, the experiment, and MLflow's ids of the runs."""
    browser()
    workspace = Workspace(tmp_path_factory.mktemp("pages"))
    tracker = Tracker.local(workspace, "artificial")
    runs = []
    for number, result in enumerate(results):
        bundle = workspace.root / f"bundle{number}"
        bundle.mkdir()
        (bundle / "manifest.json").write_text(json.dumps({"number": number}))
        files = [write_report(result, bundle / "report.html"), *write_card(result, bundle)]
        runs.append(tracker.record(result, files, bundle).run_id)
    tracker.mirror_alias("artificial", 2, "champion")
    plan = mlflow_plan(workspace, free_port())
    with running([plan], workspace.root / "logs", lambda *_: None):
        yield plan.url, tracker.experiment_id, runs


@pytest.fixture(scope="module")
def profile(tmp_path_factory):
    return tmp_path_factory.mktemp("profile")


def test_the_list_has_both_runs_and_no_fold_among_them(site, profile, results):
    url, experiment, _ = site
    words = text_of(f"{url}/#/experiments/{experiment}/runs", profile)
    for result in results:
        assert result.run_id in words
    assert "fold 1" not in words


def test_a_value_and_its_interval_are_charts_of_one_section(site, profile):
    url, experiment, _ = site
    words = text_of(f"{url}/#/experiments/{experiment}/runs?compareRunsMode=CHART", profile)
    for section in ("backtest/net (", "lab (", "oof/ensemble (21)", "trials ("):
        assert section in words
    assert "log_loss (" not in words.replace("/train_log_loss (", "").replace("/validation_log_loss (", "")


def test_two_runs_are_compared_by_settings_and_scores(site, profile, results):
    url, experiment, runs = site
    page = f"{url}/#/compare-runs?runs={json.dumps(runs, separators=(',', ':'))}&experiments=%5B%22{experiment}%22%5D"
    words = text_of(page, profile, height=9_000)
    assert "Comparing 2 Runs from 1 Experiment" in words
    assert "members.lstm.hidden" in words
    assert "48 64" in words
    for result in results:
        assert result.run_id in words
    for name in ("bot4.profit_supported", "audit/cells", "bot4.instruments"):
        assert name in words


def test_a_figure_is_drawn(site, profile, tmp_path):
    url, experiment, runs = site
    shown = picture_of(
        f"{url}/#/experiments/{experiment}/runs/{runs[0]}/artifacts/figures/equity.png",
        profile,
        tmp_path / "figure.png",
    )
    for colour in (BLUE, INK, VERMILION):
        distance = np.abs(shown[..., :3] - np.array(matplotlib.colors.to_rgb(colour))).max(axis=-1)
        assert (distance < 0.1).sum() > 50, colour


def test_a_table_is_shown_as_one(site, profile, results):
    url, experiment, runs = site
    words = text_of(f"{url}/#/experiments/{experiment}/runs/{runs[0]}/artifacts/tables/predictors.json", profile)
    assert "predictor role metric value" in words
    value = results[0].predictors[0].scores["accuracy"].value
    assert f"{value:.4f}"[:-1] in words


def test_a_runs_page_begins_with_the_verdict(site, profile, results):
    url, experiment, runs = site
    for result, run in zip(results, runs, strict=True):
        words = text_of(f"{url}/#/experiments/{experiment}/runs/{run}", profile)
        assert verdict(result).headline in words
        assert "fold 7" in words


def test_the_versions_page_shows_its_card_with_tables(site, profile, results):
    url, _, _ = site
    for number, result in enumerate(results, start=1):
        words = text_of(f"{url}/#/models/artificial/versions/{number}", profile, height=4_000)
        assert verdict(result).headline in words
        assert "Limits" in words
        assert "**" not in words
        assert "| ---" not in words
        assert f"Made 2018-12-24T12:00:00Z by run {result.run_id}" in words, "a row of a table"
        assert ("champion" in words) == (number == 2)


def test_the_card_is_an_artefact_that_the_page_renders(site, profile, results):
    url, experiment, runs = site
    words = text_of(f"{url}/#/experiments/{experiment}/runs/{runs[1]}/artifacts/card.md", profile, height=6_000)
    gain = results[1].predictor(ENSEMBLE).scores["information_gain"].value
    assert "| ---" not in words
    assert f"{gain:+.5f}" in words
