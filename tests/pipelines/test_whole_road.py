"""From bars to a registered model that trades on paper, in processes of their own."""

from __future__ import annotations

import hashlib
import os
import signal
import subprocess
import sys
import time

import numpy as np
import pytest

from market.events import Control
from market.time import format_time
from models.bundle.store import ModelStore
from pipelines.commands.options import table
from pipelines.paper import equal_rows
from pipelines.report.card import CARD_FILE
from pipelines.report.view import performance_rows
from pipelines.results import REPORT_FILE, RunResult
from pipelines.toml import load_toml
from pipelines.workspace import Workspace
from serving.config import ServeConfig
from serving.start import Folders, bring_up
from serving.status import read_status, request
from tests.pipelines.conftest import MAIN, bot4
from trading.journal import read_journal
from trading.replay import replay

pytestmark = pytest.mark.xdist_group("road")


def result_of(road):
    return road.run, RunResult.load(road.run)


def journal_of(road):
    _, result = result_of(road)
    return road.workspace / "journals" / result.run_id


def test_the_run_leaves_a_certified_challenger_and_a_report(road):
    folder, result = result_of(road)
    store = ModelStore(road.workspace / "store")
    bundle = store.resolve("tiny", "challenger")
    assert result.bundle.digest == bundle.digest
    certificate = bundle.manifest.certificate
    assert certificate["passed"] is True
    assert certificate["rows"] >= 100_000
    assert certificate["graph_bytes"] == len(bundle.model)
    assert "lstm" in certificate["members"]
    for found in certificate["members"].values():
        assert sum(found["rows"].values()) >= 100_000
    latency = bundle.attestation.measurements["latency"]
    assert 0.0 < latency["p50"] <= latency["p99"]
    assert latency["rows"] > 1_000
    assert "<svg" in (folder / REPORT_FILE).read_text() or "data:image" in (folder / REPORT_FILE).read_text()
    assert str(folder / REPORT_FILE) in road.said
    assert set(bundle.manifest.snapshots) == {"BTC", "ETH"}
    assert result.trained_on == {"lstm": "cpu, float32", "xgboost": "cpu"}


def test_nothing_behind_the_cut_was_seen(road):
    folder, result = result_of(road)
    manifest = ModelStore(road.workspace / "store").resolve("tiny", "challenger").manifest
    cut = manifest.training.trained_through
    assert result.trained_through == cut
    assert f"| Trained through | {format_time(cut)} |" in (folder / CARD_FILE).read_text()
    assert all(fold.test.end <= cut for fold in result.folds)
    assert all(one.end <= cut for one in manifest.snapshots.values())
    events = read_journal(journal_of(road)).events
    assert (events["ts_event"][events["kind"] == 4] > cut).all()


def test_live_is_research_in_every_byte(road):
    _, result = result_of(road)
    assert result.paper.identical
    assert {one.what for one in result.paper.parity} == {"feature rows", "probabilities", "orders", "journal records"}
    assert all(one.rows > 0 for one in result.paper.parity)


def test_one_changed_bit_would_be_seen():
    rows = np.arange(5.0)
    other = rows.copy()
    other.view(np.uint64)[3] ^= np.uint64(1)
    assert equal_rows(rows, rows) == 5
    assert equal_rows(rows, other) == 4


def test_replay_gives_the_state_in_another_process(road, tmp_path):
    state = tmp_path / "state"
    done = bot4("replay", journal_of(road), "--state", state)
    assert done.returncode == 0, done.stderr
    here = replay(journal_of(road))
    assert state.read_bytes() == here.state.to_bytes()
    assert hashlib.sha256(state.read_bytes()).hexdigest() in done.stdout
    assert here.digests == 1


def test_mlflow_has_the_run_its_folds_and_the_alias(road):
    from pipelines.tracking.tracker import mlflow_client

    client = mlflow_client(f"sqlite:///{road.workspace / 'mlflow.db'}")
    (experiment,) = [one for one in client.search_experiments() if one.name == "tiny"]
    runs = client.search_runs([experiment.experiment_id])
    parents = [run for run in runs if "mlflow.parentRunId" not in run.data.tags]
    assert len(parents) == 1
    assert len(runs) == 1 + 7
    assert "oof/ensemble/log_loss" in parents[0].data.metrics
    digest = ModelStore(road.workspace / "store").resolve("tiny", "challenger").digest
    version = client.get_model_version_by_alias("tiny", "challenger")
    assert version.run_id == parents[0].info.run_id
    assert digest in version.tags.values()


def test_the_backtest_command_agrees_with_the_paper_run(road):
    folder, result = result_of(road)
    done = bot4("backtest", folder / "serve.toml", "--workspace", road.workspace)
    assert done.returncode == 0, done.stderr
    shown, paper = done.stdout.splitlines(), result.paper.backtest
    assert shown[0].startswith(f"tiny, bundle {result.bundle.digest[:12]}, from ")
    rows = performance_rows(paper)
    assert shown[2:] == table(("backtest", "after costs", "before costs"), rows).splitlines(), "every row, to the digit"
    (trips,) = [line.split() for line in shown if line.startswith("Round trips")]
    assert trips[2:] == [str(paper.net_performance.trades), str(paper.gross_performance.trades)]
    assert paper.net_performance.trades > 0


PROGRAM = (
    MAIN.replace("main()", "")
    + """
import sys
try:
    main()
finally:
    print([line for line in open("/proc/self/status") if "VmHWM" in line][0])
    print([name for name in ("torch", "lightgbm", "xgboost", "sklearn", "mlflow", "prefect") if name in sys.modules])
"""
)


def serve_config(road, tmp_path, name, **changes):
    folder, _ = result_of(road)
    text = (folder / "serve.toml").read_text()
    first = text.splitlines()[0]
    text = text.replace(first, f'name = "{name}"')
    for old, new in changes.values():
        assert old in text
        text = text.replace(old, new)
    path = tmp_path / f"{name}.toml"
    path.write_text(text)
    return path


def test_the_loop_is_small_and_loads_no_training_library(road, tmp_path):
    config = serve_config(road, tmp_path, "small")
    command = [sys.executable, "-c", PROGRAM, "serve", str(config), "--workspace", str(road.workspace)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    peak, loaded = done.stdout.splitlines()[-3], done.stdout.splitlines()[-1]
    assert int(peak.split()[1]) < 300 * 1024, peak
    assert loaded == "[]"


def test_a_killed_loop_goes_on_from_its_journal_and_ends_with_the_same_bytes(road, tmp_path):
    whole = read_journal(journal_of(road)).events
    config = serve_config(road, tmp_path, "killed", speed=("speed = 0.0", "speed = 900000.0"))
    command = [sys.executable, "-c", MAIN, "serve", str(config), "--workspace", str(road.workspace)]
    journal = road.workspace / "journals" / "killed" / "records.bin"
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        for _ in range(3_000):
            if journal.is_file() and journal.stat().st_size > 128 * len(whole) // 3:
                break
            time.sleep(0.01)
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait()
    before = len(read_journal(journal.parent).events)
    assert 0 < before < len(whole)
    config.write_text(config.read_text().replace("speed = 900000.0", "speed = 0.0"))
    done = bot4("serve", config, "--workspace", road.workspace)
    assert done.returncode == 0, done.stderr
    assert "going on with" in done.stderr
    assert read_journal(journal.parent).events.tobytes() == whole.tobytes()
    assert replay(journal.parent).digests == 1


def test_halt_stops_entries_and_resume_lets_them_through(road, tmp_path):
    config = serve_config(road, tmp_path, "halted", speed=("speed = 0.0", "speed = 20000.0"))
    command = [sys.executable, "-c", MAIN, "serve", str(config), "--workspace", str(road.workspace)]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    status = road.workspace / "journals" / "halted.status"
    try:
        for _ in range(3_000):
            if status.is_file() and read_status(status)["bars"] > 10:
                break
            time.sleep(0.01)
        assert bot4("halt", "halted", "--workspace", road.workspace).returncode == 0
        shown = bot4("status", "halted", "--workspace", road.workspace)
        assert "HALTED" in shown.stdout
        assert bot4("resume", "halted", "--workspace", road.workspace).returncode == 0
    finally:
        process.terminate()
        process.wait()
    events = read_journal(status.with_suffix("")).events
    states = events["p0"][events["kind"] == 36].tolist()
    assert states == [1, 0, 1]
    halted, resumed = np.flatnonzero(events["kind"] == 36)[1:]
    inside = events[halted:resumed]
    assert not ((inside["kind"] == 32) & (inside["p6"] == 1)).any()
    assert replay(status.with_suffix("")).digests == 1


def test_it_obeys_and_stops_while_it_waits_for_a_bar(road, tmp_path):
    config = serve_config(road, tmp_path, "waiting", speed=("speed = 0.0", "speed = 1.0"))
    command = [sys.executable, "-c", MAIN, "serve", str(config), "--workspace", str(road.workspace)]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    status = road.workspace / "journals" / "waiting.status"
    try:
        for _ in range(3_000):
            if status.is_file() and read_status(status)["bars"] == 2:
                break
            time.sleep(0.01)
        done = bot4("halt", "waiting", "--workspace", road.workspace)
        assert done.returncode == 0, done.stderr
        first = read_status(status)
        time.sleep(0.5)
        assert read_status(status)["heartbeat"] > first["heartbeat"]
    finally:
        process.terminate()
        process.wait(timeout=60)
    assert process.returncode == 0
    events = read_journal(status.with_suffix("")).events
    bars, states = events[events["kind"] == 4], events[events["kind"] == 36]
    assert len(bars) == 2, "the next bar is half an hour away"
    assert states["p0"].tolist() == [1, 0]
    assert bars["ts_recv"].max() <= states["ts_recv"][1] < bars["ts_recv"].max() + 30 * 60 * 10**9
    assert replay(status.with_suffix("")).digests == 1


def test_a_request_waits_for_the_bar_that_a_crash_cut_off(road, tmp_path):
    config = load_toml(serve_config(road, tmp_path, "cut"), ServeConfig)
    events = read_journal(journal_of(road)).events
    fills, bars = np.flatnonzero(events["kind"] == 9), np.flatnonzero(events["kind"] == 4)
    cut = next(row + 1 for row in fills if row > bars[2])
    place = Workspace(road.workspace)
    folders, folder = Folders(place.store, place.lake, place.journals), place.journals / "cut"
    loop, stream = bring_up(config, folders, lambda _: None)
    loop.run(stream)
    os.truncate(folder / "records.bin", 128 * int(cut))
    loop, stream = bring_up(config, folders, lambda _: None)
    request(folders.status("cut"), Control.HALT)
    loop.run(stream)
    events = read_journal(folder).events
    halt = np.flatnonzero((events["kind"] == 12) & (events["p0"] == int(Control.HALT)))
    assert len(halt) == 1
    assert (events["kind"][cut : halt[0]] == 4).sum() == 1
    assert replay(folder).digests == 1


@pytest.mark.long
def test_an_unchanged_run_is_found_not_made(road):
    """In its place; `test_second_run` moves it besides."""
    made = {path: path.stat().st_mtime_ns for path in (road.workspace / "artefacts").glob("*/*")}
    done = bot4("train", road.config, "--workspace", road.workspace)
    assert done.returncode == 0, done.stderr
    assert {path: path.stat().st_mtime_ns for path in (road.workspace / "artefacts").glob("*/*")} == made
    assert "(cached)" in done.stdout
    assert [one.version for one in ModelStore(road.workspace / "store").versions("tiny")] == [1]
