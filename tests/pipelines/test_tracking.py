"""Everything that was tracked is read back from a real store."""

import dataclasses
import json
import os
from pathlib import Path
from urllib.parse import unquote, urlparse

import msgspec
import pytest

from pipelines.errors import PipelineError
from pipelines.needed import needed
from pipelines.report.card import card
from pipelines.report.markdown import markdown
from pipelines.report.paths import paths_trade
from pipelines.report.write import write_card, write_report
from pipelines.results import METRICS
from pipelines.tracking.card import LONGEST, version_tags
from pipelines.tracking.content import curve_name, fold_parameters, parameters
from pipelines.tracking.features import feature_metrics
from pipelines.tracking.laboratory import laboratory_metrics, laboratory_tables, laboratory_tags, trial_metrics
from pipelines.tracking.mirror import mirror
from pipelines.tracking.tracker import Tracker
from pipelines.verdict import verdict
from pipelines.workspace import Workspace
from tests.pipelines.factory import ROLES, make_result

pytestmark = pytest.mark.xdist_group("mlflow")


def small(result):
    """The result with little to draw and log; figures have their own tests."""
    return msgspec.structs.replace(result, learning_curves=result.learning_curves[:8])


@pytest.fixture(scope="module")
def workspace(tmp_path_factory):
    return Workspace(tmp_path_factory.mktemp("tracking"))


@pytest.fixture(scope="module")
def bundle(workspace):
    folder = workspace.root / "bundle"
    (folder / "golden").mkdir(parents=True)
    (folder / "manifest.json").write_text('{"name": "artificial"}')
    (folder / "golden" / "bars.npy").write_bytes(b"not really")
    return folder


@pytest.fixture(scope="module")
def tracked(workspace, bundle):
    before = dict(os.environ)
    tracker = Tracker.local(workspace, "artificial")
    result = small(make_result())
    report = write_report(result, workspace.root / "report.html")
    run = tracker.record(result, [report, *write_card(result, workspace.root)], bundle)
    assert os.environ.get("MLFLOW_TRACKING_URI") == before.get("MLFLOW_TRACKING_URI")
    return tracker, result, run


@pytest.fixture(scope="module")
def client(tracked, workspace):
    import mlflow

    return mlflow.MlflowClient(workspace.mlflow_uri, registry_uri=workspace.mlflow_uri)


@pytest.fixture(scope="module")
def seen(client, tracked):
    return client.get_run(tracked[2].run_id)


@pytest.fixture(scope="module")
def nested(client, tracked):
    tracker, _, run = tracked
    return client.search_runs([tracker.experiment_id], f"tags.mlflow.parentRunId = '{run.run_id}'")


def test_the_run_is_finished_and_tagged(seen, tracked):
    _, result, _ = tracked
    assert seen.info.status == "FINISHED"
    assert seen.info.run_name == result.run_id
    expected = {
        "bot4.config_digest": result.config_digest,
        "bot4.bundle_digest": result.bundle.digest,
        "mlflow.source.git.commit": result.git_commit,
        "mlflow.source.name": result.command,
    }
    assert expected.items() <= seen.data.tags.items()
    assert verdict(result).headline in seen.data.tags["mlflow.note.content"]


def test_the_configuration_is_there_whole(seen, tracked):
    assert seen.data.params == dict(parameters(tracked[1].config))


def test_one_nested_run_a_fold_with_its_scores(nested, tracked):
    folds = {int(run.data.tags["bot4.fold"]): run for run in nested}
    assert sorted(folds) == list(range(1, 8))
    for fold in tracked[1].folds:
        run = folds[fold.index + 1]
        assert run.info.status == "FINISHED"
        assert run.info.run_name == f"fold {fold.index + 1}"
        assert run.data.metrics["rows/purged"] == fold.purged_rows
        for name, scores in fold.scores.items():
            for metric in METRICS:
                assert run.data.metrics[f"oof/{name.replace(' ', '_')}/{metric}"] == scores[metric]


def test_a_folds_run_says_what_it_was_made_of(nested, tracked):
    _, result, _ = tracked
    (third,) = [run for run in nested if run.data.tags["bot4.fold"] == "3"]
    assert third.data.params == fold_parameters(result.folds[2], result.config)
    assert third.data.params["test"] == "2018-08-29T00:00:00Z to 2018-09-18T00:00:00Z"
    assert third.data.params["members.lstm.hidden"] == "48"
    assert third.data.params["seed"] == "1"
    assert "data.symbols" not in third.data.params


def test_the_parent_has_the_folds_as_steps(client, tracked):
    _, result, run = tracked
    history = client.get_metric_history(run.run_id, "by_fold/ensemble/log_loss")
    expected = [
        (fold.index + 1, fold.scores["ensemble"]["log_loss"]) for fold in result.folds if "ensemble" in fold.scores
    ]
    assert sorted((one.step, one.value) for one in history) == expected


def test_a_value_of_the_parent_is_of_all_folds_even_where_one_is_undefined(client, tracked):
    tracker, result, _ = tracked
    last = result.folds[-1]
    undefined = {**last.scores, "lstm": {**last.scores["lstm"], "information_coefficient": None}}
    folds = (*result.folds[:-1], msgspec.structs.replace(last, scores=undefined))
    run = tracker.record(msgspec.structs.replace(result, folds=folds, learning_curves=()))
    shown = client.get_run(run.run_id).data.metrics["oof/lstm/information_coefficient"]
    assert shown == result.predictor("lstm").scores["information_coefficient"].value


def test_comparisons_have_intervals(seen, tracked):
    metrics = seen.data.metrics
    for name in ROLES:
        for metric in METRICS:
            estimate = tracked[1].predictor(name).scores[metric]
            key = f"oof/{name.replace(' ', '_')}/{metric}"
            assert (metrics[key], metrics[f"{key}_low"], metrics[f"{key}_high"]) == (
                estimate.value,
                estimate.low,
                estimate.high,
            )
    assert metrics["backtest/net/total_return"] == tracked[1].backtest.net_performance.total_return
    assert metrics["parity/orders/differing"] == 0


def test_learning_curves_are_stepped(client, tracked):
    _, result, run = tracked
    for curve in result.learning_curves[:2]:
        history = client.get_metric_history(run.run_id, f"learning/{curve.member}/{curve.name}/fold_1")
        assert [one.value for one in sorted(history, key=lambda one: one.step)] == curve.values.tolist()
        assert {one.step for one in history} == set(range(curve.first, 31))
    assert [curve.first for curve in result.learning_curves[:2]] == [1, 0]
    assert curve_name(msgspec.structs.replace(result.learning_curves[0], fold=-1)).endswith("/final")


def test_data_are_inputs_with_their_fingerprints_and_their_place(seen, tracked, workspace):
    found = {one.dataset.name: one for one in seen.inputs.dataset_inputs}
    assert set(found) == {one.symbol for one in tracked[1].data}
    for series in tracked[1].data:
        assert found[series.symbol].dataset.digest == series.fingerprint[:36]
        assert json.loads(found[series.symbol].dataset.profile)["fingerprint"] == series.fingerprint
        source = unquote(urlparse(json.loads(found[series.symbol].dataset.source)["uri"]).path)
        expected = f"lake/venue=fake/instrument={series.symbol}/kind=bars/interval=30m"
        assert Path(source) == (workspace.root / expected).resolve()
        assert {tag.key: tag.value for tag in found[series.symbol].tags} == {"mlflow.data.context": "training"}


def test_figures_tables_and_report_are_artefacts(client, tracked):
    _, result, run = tracked
    figures = {one.path for one in client.list_artifacts(run.run_id, "figures")}
    assert {f"figures/{name}.png" for name in ("equity", "reliability", "importance", "learning", "folds")} <= figures
    assert "report.html" in {one.path for one in client.list_artifacts(run.run_id)}
    # MLflow's load_table reads through the process's global store, so the artefact is read as it lies.
    table = json.loads(Path(client.download_artifacts(run.run_id, "tables/predictors.json")).read_text())
    rows = [dict(zip(table["columns"], row, strict=True)) for row in table["data"]]
    assert len(rows) == len(ROLES) * len(METRICS)
    (chosen,) = [row for row in rows if (row["predictor"], row["metric"]) == ("lstm", "auc")]
    assert chosen["value"] == pytest.approx(result.predictor("lstm").scores["auc"].value)


def test_the_laboratory_is_there_by_name(seen, tracked):
    result, metrics = tracked[1], seen.data.metrics
    lab, sharpes = result.laboratory, sorted(one.sharpe.value for one in result.laboratory.paths.paths)
    expected = {
        "trials/records": 15,
        "trials/distinct": 12,
        "trials/effective": 4.5,
        "trials/unfinished": 0,
        "trials/ledger_verified": 1,
        "lab/psr": lab.deflated.probabilistic,
        "lab/dsr": lab.deflated.deflated,
        "lab/dsr_all_trials": lab.deflated.by_all,
        "lab/pbo": lab.overfitting[0].probability,
        "lab/pbo_trials": lab.overfitting[1].probability,
        "lab/cpcv_members_mean_sharpe_median": sharpes[2],
        "lab/cpcv_members_mean_sharpe_min": sharpes[0],
        "lab/cpcv_members_mean_sharpe_max": sharpes[-1],
        "lab/cpcv_members_mean_information_gain_median": 0.006,
        "lab/spa_cash": lab.snooping[0].spa,
        "lab/spa_buy_and_hold": lab.snooping[1].spa,
        "lab/reality_check_linear": lab.snooping[2].reality_check,
        "lab/strategy/xgboost/sharpe_annual_low": lab.strategies[2].sharpe.low,
        "lab/strategy/xgboost/total_return_high": lab.strategies[2].total_return_estimate.high,
        "lab/needed/strategy_risk": needed(result).risk.value,
        "lab/needed/capacity_high": needed(result).capacity.high,
    }
    assert {name: metrics[name] for name in expected} == pytest.approx(expected)
    assert expected["lab/pbo"] != expected["lab/pbo_trials"]
    assert seen.data.tags["bot4.trials"] == result.trials.sentence
    assert seen.data.tags["bot4.ledger"] == "verified"
    assert seen.data.tags["bot4.paths"] == paths_trade(result, lab.paths)
    assert laboratory_tables(result)["paths"]["mean_of"] == ["lightgbm, xgboost, linear"] * 5
    assert seen.data.tags["bot4.profit_supported"] == "false"


def test_the_laboratorys_tables_and_figures_are_artefacts(client, tracked):
    _, result, run = tracked
    figures = {one.path for one in client.list_artifacts(run.run_id, "figures")}
    assert {
        f"figures/{name}.png" for name in ("strategies", "paths", "overfitting", "sensitivity", "regimes")
    } <= figures
    lab = result.laboratory
    rows = {
        "strategies": len(lab.strategies),
        "paths": 5,
        "overfitting": 2,
        "snooping": 3,
        "sensitivities": 9,
        "regimes": 24,
        "needed": 5,
        "features": len(result.features.names),
    }
    for name, count in rows.items():
        table = json.loads(Path(client.download_artifacts(run.run_id, f"tables/{name}.json")).read_text())
        assert len(table["data"]) == count, name
        assert all(len(row) == len(table["columns"]) for row in table["data"])


@pytest.mark.parametrize("days", [400.5, float("inf")])
def test_a_record_that_no_length_makes_enough_is_no_number(days, tracked, monkeypatch):
    found = dataclasses.replace(needed(tracked[1]), record_zero=days)
    monkeypatch.setattr("pipelines.tracking.laboratory.needed", lambda result: found)
    assert laboratory_metrics(tracked[1]).get("lab/needed/days_above_zero") == (400.5 if days == 400.5 else None)


def test_what_the_features_look_like_is_logged(seen, tracked):
    _, result, _ = tracked
    expected = feature_metrics(result)
    assert len(expected) == 7
    assert {name: seen.data.metrics[name] for name in expected} == pytest.approx(expected)


def test_a_broken_ledger_and_a_run_without_laboratory_are_tracked_as_such():
    result = make_result()
    trials = msgspec.structs.replace(result.trials, problem="row 2 was changed")
    bare = msgspec.structs.replace(result, laboratory=None, trials=trials)
    assert laboratory_metrics(bare) == {}
    assert laboratory_tables(bare) == {}
    assert laboratory_tags(bare)["bot4.ledger"] == "NOT WHOLE: row 2 was changed"
    assert trial_metrics(bare)["trials/ledger_verified"] == 0


def test_what_the_pages_draw_is_in_forms_that_they_draw(client, seen, tracked):
    tracker, _, run = tracked
    sections = {name.rpartition("/")[0] for name in seen.data.metrics}
    assert not sections & set(seen.data.metrics), (
        "no metric is the section of another: every section is a row of charts"
    )
    assert len(sections) < 45
    for figure in client.list_artifacts(run.run_id, "figures"):
        assert Path(client.download_artifacts(run.run_id, figure.path)).read_bytes().startswith(b"\x89PNG"), figure.path
    for one in client.list_artifacts(run.run_id, "tables"):
        table = json.loads(Path(client.download_artifacts(run.run_id, one.path)).read_text())
        assert table["data"], one.path
        assert {len(row) for row in table["data"]} == {len(table["columns"])}
    about = client.get_experiment(tracker.experiment_id).tags
    assert "`oof/<predictor>/…`" in about["mlflow.note.content"]


def test_runs_are_grouped_by_what_they_are(seen, nested, tracked):
    _, result, _ = tracked
    assert seen.data.tags["bot4.kind"] == "training"
    assert {one.data.tags["bot4.kind"] for one in nested} == {"fold"}
    assert seen.data.tags["bot4.members"] == "lstm, lightgbm, xgboost"
    assert seen.data.tags["bot4.instruments"] == ", ".join(one.symbol for one in result.data)
    assert seen.data.tags["bot4.bars"] == "fake 30m"
    assert seen.data.tags["bot4.trained_on"] == "lstm: cuda, float32; xgboost: cpu"


def test_the_bundle_is_the_runs_model_and_a_registered_version(client, tracked, seen, bundle):
    _, result, run = tracked
    (version,) = client.search_model_versions("name = 'artificial'")
    assert version.run_id == run.run_id
    assert version.tags["bot4.bundle_digest"] == result.bundle.digest
    (output,) = seen.outputs.model_outputs
    assert version.source == f"models:/{output.model_id}"
    folder = urlparse(client.get_model_version_download_uri("artificial", version.version))
    names = sorted(path.relative_to(bundle) for path in bundle.rglob("*") if path.is_file())
    for name in names:
        assert (Path(unquote(folder.path)) / name).read_bytes() == (bundle / name).read_bytes()


def test_the_versions_page_shows_the_card(client, tracked):
    _, result, run = tracked
    version = client.get_model_version("artificial", "1")
    assert len(version.description) <= LONGEST
    assert version.description.splitlines()[0] == f"**{verdict(result).headline}**"
    assert "## Limits" in version.description
    assert version_tags(result).items() <= version.tags.items()
    assert version.tags["bot4.profit_supported"] == "false"
    whole = Path(client.download_artifacts(run.run_id, "card.md")).read_text()
    assert whole == markdown(card(result))
    assert "card.html" in {one.path for one in client.list_artifacts(run.run_id)}


def test_registering_the_same_bundle_again_is_the_same_version(client, tracked, bundle):
    _, result, run = tracked
    assert run.bundle(bundle, "artificial", result.bundle.digest) == 1
    assert len(client.search_model_versions("name = 'artificial'")) == 1


def test_aliases_mirror_the_store(client, tracked, workspace):
    tracker, result, _ = tracked
    tracker.mirror_alias("artificial", 1, "challenger")
    assert client.get_model_version_by_alias("artificial", "challenger").version == 1
    said = mirror(workspace, "artificial", result.bundle.digest, "champion")
    assert "shows @champion at its version 1" in said
    assert client.get_registered_model("artificial").aliases == {"challenger": 1, "champion": 1}


def test_what_the_registry_does_not_know_is_said(tracked, workspace, tmp_path):
    tracker, *_ = tracked
    with pytest.raises(PipelineError, match="cannot point @champion of artificial to version 9"):
        tracker.mirror_alias("artificial", 9, "champion")
    assert "does not know this bundle" in mirror(workspace, "artificial", "0" * 64, "champion")
    assert "no MLflow store" in mirror(Workspace(tmp_path), "artificial", "0" * 64, "champion")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(("error", "status"), [(RuntimeError, "FAILED"), (KeyboardInterrupt, "KILLED")])
def test_a_run_that_ends_badly_says_so(client, tracked, error, status):
    tracker, *_ = tracked
    with pytest.raises(error), tracker.run("bad") as run:
        raise error
    assert client.get_run(run.run_id).info.status == status


def test_an_experiment_is_opened_again_not_made_again(tracked, workspace):
    assert Tracker.local(workspace, "artificial").experiment_id == tracked[0].experiment_id


def test_undefined_numbers_are_not_logged(client, tracked):
    tracker, result, _ = tracked
    fold = msgspec.structs.replace(
        result.folds[0], scores={"lstm": {"auc": None, "brier": float("nan"), "log_loss": 0.5}}
    )
    with tracker.run("undefined") as run:
        nested = run.fold(fold, {})
    metrics = client.get_run(nested.run_id).data.metrics
    assert {name for name in metrics if name.startswith("oof/")} == {"oof/lstm/log_loss"}


def test_long_configurations_are_logged_whole(client, tracked):
    tracker, *_ = tracked
    config = {f"key_{number}": number for number in range(250)} | {"long": "x" * 7000}
    with tracker.run("long") as run:
        run.parameters(config)
    found = client.get_run(run.run_id).data.params
    assert len(found) == 251
    assert found["key_249"] == "249"


def test_nothing_is_pickled(workspace):
    assert not [path for path in workspace.root.rglob("*") if path.suffix in {".pkl", ".pickle", ".joblib"}]


def test_no_telemetry():
    assert os.environ["MLFLOW_DISABLE_TELEMETRY"] == "true"
    assert os.environ["DO_NOT_TRACK"] == "true"
