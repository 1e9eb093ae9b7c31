"""Studies over the workers of a real Dask cluster: the same trials with the same values, each counted once."""

from __future__ import annotations

import os
import shutil
import signal
import sqlite3
import tempfile
import threading
import time
from contextlib import closing, contextmanager
from pathlib import Path
from types import SimpleNamespace

import msgspec
import optuna
import pytest
from sqlalchemy import make_url
from sqlalchemy.exc import SQLAlchemyError

from pipelines.ledger.count import distinct
from pipelines.ledger.location import parse_url
from pipelines.toml import digest
from pipelines.tuning import cluster as cluster_module
from pipelines.tuning.cluster import being_tried, check_losses, run_on_cluster
from pipelines.tuning.config import load_study
from pipelines.tuning.crew import Crew, key
from pipelines.tuning.errors import TuningError
from pipelines.tuning.handout import Handout, differences, hand_out, identity, see
from pipelines.tuning.storage import PROCESS, RETRY_OF, ended, retried
from pipelines.tuning.summary import rows
from pipelines.tuning.trials import losses_of, run_trials, set_up
from pipelines.workspace import Workspace
from tests.pipelines.conftest import bot4
from tests.pipelines.dask_cluster import dask_cluster
from tests.pipelines.ledger_factory import execute
from tests.pipelines.test_ledger_postgresql import BINARIES, server
from tests.pipelines.test_tuning_killed import check_counted, check_tracked, summary_of
from tests.pipelines.tuning_factory import EMBEDDED, tuning_process, write_study

pytestmark = pytest.mark.xdist_group("tuning")
TRIALS = 5
ROOT = Path(__file__).resolve().parent.parent.parent
LINEAR = EMBEDDED.replace("[members.lightgbm]\nrounds = 30\n", "")
SPACE = {"members.linear.clip": {"low": 1.0, "high": 8.0}, "ensemble.ridge": {"low": 0.1, "high": 9.0, "log": True}}
ORDERLESS = {"sampler": "random", "pruner": "none"}
"""What a trial is then depends on the seed and its place alone, and on no other trial."""


@pytest.fixture(autouse=True)
def quiet():
    optuna.logging.set_verbosity(optuna.logging.ERROR)


def study_of(folder, **tuning):
    return load_study(write_study(folder, LINEAR, SPACE, **{"trials": TRIALS, **ORDERLESS, **tuning}), {})


def nothing():
    """What is called again and again while a cluster works."""


def running(workspace, least):
    """The process of a trial from number ``least`` on that is being tried for the first time with a fold done."""
    asked = (
        "SELECT p.value_json FROM trials t JOIN trial_user_attributes p USING (trial_id) "
        "JOIN trial_user_attributes e USING (trial_id) WHERE t.state = 'RUNNING' AND t.number >= ? "
        f"AND p.key = '{PROCESS}' AND e.key = 'bot4.excess' AND NOT EXISTS (SELECT 1 FROM trial_user_attributes r "
        f"WHERE r.trial_id = t.trial_id AND r.key = '{RETRY_OF}')"
    )
    with closing(sqlite3.connect(workspace / "studies.db", timeout=30)) as connection:
        found = connection.execute(asked, (least,)).fetchone()
    return msgspec.json.decode(found[0]) if found else None


class Killer(threading.Thread):
    """Kills workers in the middle of trials: for each number whoever tries one from it on, retries excepted."""

    def __init__(self, workspace, *after):
        super().__init__(daemon=True)
        self.workspace, self.after, self.killed, self.over = workspace, after, [], False

    def run(self):
        for least in self.after:
            while not (found := running(self.workspace, least)) or found in self.killed:
                if self.over:
                    return
                time.sleep(0.01)
            os.kill(found["pid"], signal.SIGKILL)
            self.killed.append(found)

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *_):
        self.over = True
        self.join()


def found_by(bench):
    """What a study tried and found, in the order of what was tried, with the bytes of the losses."""
    return sorted(
        (sorted(one.parameters.items()), one.values, one.excess, one.status, one.metrics, losses(bench, one.number))
        for one in rows(bench)
    )


def losses(bench, number):
    return losses_of(bench.folder, str(number)).read_bytes()


def workers_of(trials):
    return {key(one.user_attrs[PROCESS]) for one in trials}


def test_a_cluster_that_loses_a_worker_finds_what_one_process_finds_and_counts_each_trial_once(tmp_path):
    study = study_of(tmp_path)
    bench = set_up(study, Workspace(tmp_path / "workspace"))
    with dask_cluster(tmp_path / "cluster") as cluster:
        with Killer(tmp_path / "workspace", 2) as killer:
            recovered, notes = run_on_cluster(bench, Workspace(tmp_path / "workspace"), cluster.address, nothing)
        pids = {one.pid for name, one in cluster.processes.items() if name != "scheduler"}
    trials = bench.study.get_trials()
    (killed,) = killer.killed
    (lost,) = retried(trials)
    assert key(trials[lost].user_attrs[PROCESS]) == key(killed)
    assert (recovered, notes) == (1, ())
    assert {pid for _, pid, _ in workers_of(ended(trials))} == pids, "both have ended trials"
    assert {one.state.name for one in trials} == {"COMPLETE", "FAIL"}
    twin = set_up(study, Workspace(tmp_path / "twin"))
    left = iter(range(TRIALS))
    run_trials(twin, lambda: next(left, None) is not None, 1, lambda *_: None, lambda: None)
    assert found_by(bench) == found_by(twin)
    entries = bench.ledger.entries()
    assert len(distinct(entries)) == len(rows(bench)) == TRIALS
    assert sorted(one.status for one in entries) == ["failed"] + ["finished"] * TRIALS
    assert {one.ledger for one in rows(bench)} == {one.trial.id for one in entries if one.status == "finished"}
    assert bench.ledger.verify().broken is None


@pytest.fixture(scope="module")
def bench(tmp_path_factory):
    """A study of which nothing was tried, and whose files are gone."""
    folder = tmp_path_factory.mktemp("study")
    found = set_up(study_of(folder, cluster="tcp://scheduler:8786"), Workspace(folder / "workspace"))
    (folder / "training.toml").unlink()
    return found


@pytest.fixture(scope="module")
def handout(bench):
    return hand_out(bench, Workspace(bench.folder.parent.parent))


@pytest.fixture(scope="module")
def mine(handout):
    return see(handout)


def test_a_worker_is_given_the_same_study(bench, handout):
    study, given = bench.config, handout
    there = msgspec.msgpack.decode(msgspec.msgpack.encode(given), type=Handout)
    assert there == given
    values = {one.key: one.corners[0] for one in study.space}
    assert digest(there.study.configured(values)) == digest(study.configured(values))
    again = there.bench()
    assert again.base == bench.base, "no file of the study is needed"
    assert again.ground.instruments == bench.ground.instruments
    assert again.study.user_attrs == bench.study.user_attrs


def test_a_worker_that_differs_is_told_apart(handout, mine):
    assert mine.data.keys() == {"BTC"}
    assert mine.ledger == identity(make_url(f"sqlite:///{handout.workspace}/trials.db"))
    assert differences(mine, mine) == []
    for change, said in [
        ({"code": "0" * 64}, f"other code of bot4 (digest 000000000000, here {mine.code[:12]})"),
        ({"features": ("f",)}, "features of one's own"),
        ({"python": "3.11.0"}, "Python 3.11.0"),
        ({"libraries": {**mine.libraries, "numpy": "numpy 1.0"}}, "it has numpy 1.0 for numpy"),
        ({"data": {"BTC": "f"}}, "other bars of BTC"),
        ({"studies": "the file /studies.db of machine b"}, "named by BOT4_STUDIES_URL"),
        ({"ledger": "the file /trials.db of machine b"}, "named by BOT4_LEDGER_URL"),
    ]:
        (reason,) = differences(mine, msgspec.structs.replace(mine, **change))
        assert said in reason
    assert differences(mine, msgspec.structs.replace(mine, machine=("riscv",))) == [], "it may take part"


def trial(number, state, process=None, retry_of=None, **params):
    attributes = {PROCESS: process} if process else {}
    attributes |= {} if retry_of is None else {RETRY_OF: retry_of}
    return SimpleNamespace(number=number, state=SimpleNamespace(name=state), user_attrs=attributes, params=params)


def process(pid):
    return {"host": "alpha", "pid": pid, "began": 1.0, "ticket": "a"}


def test_no_more_is_given_out_than_is_missing():
    crew = SimpleNamespace(trying=frozenset({key(process(1)), key(process(2))}))
    trials = [trial(0, "RUNNING", process(1)), trial(1, "COMPLETE", process(2))]
    assert being_tried(trials, crew) == 2, "what worker 2 was given is not there yet"
    trials += [trial(2, "RUNNING", process(3)), trial(3, "RUNNING"), trial(4, "WAITING")]
    assert being_tried(trials, crew) == 4, "what a lost worker left is queued again or ends"


def test_a_trial_that_kills_its_workers_is_not_given_to_all_of_them():
    trials = [trial(0, "FAIL", process(9), clip=3.5)]
    trials += [trial(n, "FAIL" if n < 3 else "WAITING", process(n), retry_of=n - 1, clip=3.5) for n in (1, 2, 3)]
    bench = SimpleNamespace(study=SimpleNamespace(get_trials=lambda deepcopy: trials))
    check_losses(bench, SimpleNamespace(lost={key(process(n)) for n in (1, 2, 3)}))
    with pytest.raises(TuningError, match=r"trial 0 was broken off 3 times.*clip = 3.5"):
        check_losses(bench, SimpleNamespace(lost={key(process(n)) for n in (1, 2, 9)}))


class Scheduler:
    """A client that knows some workers and never hears of a task again."""

    def __init__(self):
        self.workers, self.cancelled = {}, []

    def scheduler_info(self, n_workers):
        assert n_workers == -1, "all of them"
        return {"workers": {one: {"local_directory": place} for one, place in self.workers.items()}}

    def submit(self, function, *_, workers, allow_other_workers, **__):
        assert not allow_other_workers
        return SimpleNamespace(
            name=(function.__name__, *workers), done=lambda: False, cancel=lambda: self.cancelled.append(workers[0])
        )


def test_a_process_that_took_a_dead_ones_address_is_looked_at_anew(handout, mine):
    client = Scheduler()
    crew = Crew(client, handout)
    client.workers = {"tcp://a:1": "/w/1", "tcp://b:1": "/w/2"}
    crew.muster()
    assert crew.looking
    for number, hand in enumerate(crew.hands.values()):
        hand.task, hand.sight = None, msgspec.structs.replace(mine, process={**mine.process, "pid": number})
    crew.give(1)
    crew.give(5)
    assert [one.task.name for one in crew.hands.values()] == [("try_one", one) for one in crew.hands]
    assert {pid for _, pid, _ in crew.trying} == {0, 1}
    dead = key(crew.hands["tcp://a:1"].sight.process)
    client.workers["tcp://a:1"] = "/w/3"
    crew.muster()
    assert crew.lost == {dead}
    assert client.cancelled == ["tcp://a:1"]
    assert crew.hands["tcp://a:1"].task.name == ("look", "tcp://a:1")
    assert dead not in crew.trying


def test_an_address_without_a_scheduler_is_told(bench, monkeypatch):
    monkeypatch.setattr(cluster_module, "ANSWER", 0.5)
    with pytest.raises(TuningError, match=r"no Dask scheduler answers at tcp://127.0.0.1:1 .*`dask scheduler`"):
        run_on_cluster(bench, Workspace(bench.folder.parent.parent), "tcp://127.0.0.1:1", nothing)
    assert bench.ledger.entries() == []


def test_an_address_that_is_none_is_told(tmp_path):
    path = write_study(tmp_path, LINEAR, SPACE)
    done = bot4("tune", path, "--workspace", tmp_path / "workspace", "--cluster", "scheduler")
    assert done.returncode == 2
    assert "Traceback" not in done.stderr
    assert "cluster is 'scheduler'; it must be a Dask scheduler's address such as tcp://scheduler:8786" in done.stderr


@contextmanager
def other_code(folder):
    """A copy of the rooms in which one line of a model's source is another, first on a worker's path."""
    for room in ("market", "features", "models", "trading", "serving", "pipelines"):
        shutil.copytree(ROOT / room, folder / room, ignore=shutil.ignore_patterns("__pycache__"))
    with open(folder / "models" / "blas.py", "a") as source:
        source.write("# Not the line that was tested.\n")
    yield {"PYTHONPATH": str(folder)}


@pytest.mark.long
def test_a_worker_with_other_code_or_data_is_refused_by_name_before_anything_is_tried(tmp_path, bench):
    workspace = Workspace(bench.folder.parent.parent)
    lake = tmp_path / "lake"
    with other_code(tmp_path / "code") as strange, dask_cluster(tmp_path / "cluster", workers=()) as cluster:
        for environment, said in [
            (strange, "it runs other code of bot4"),
            ({"MLFLOW_TRACKING_URI": f"sqlite:///{lake}.db"}, "its ledger would be the file .*lake.db of machine"),
            ({"BOT4_STUDIES_URL": f"sqlite:///{lake}.db"}, "its studies would be the file .*lake.db of machine"),
            ({"BOT4_STUDIES_URL": "postgresql://127.0.0.1:1/none"}, ".*Connection refused$"),
        ]:
            cluster.start_worker("eve", environment=environment)
            with pytest.raises(TuningError, match=rf"worker tcp://127.0.0.1:\d+ cannot try trials .*{said}"):
                run_on_cluster(bench, workspace, cluster.address, nothing)
            cluster.kill("eve")
    assert bench.ledger.entries() == []
    assert ended(bench.study.get_trials()) == []


@pytest.mark.long
def test_a_scheduler_without_workers_and_one_whose_workers_are_gone_are_told(tmp_path, monkeypatch):
    monkeypatch.setattr(cluster_module, "PATIENCE", 3.0)
    bench = set_up(study_of(tmp_path), Workspace(tmp_path / "workspace"))
    with dask_cluster(tmp_path / "cluster", workers=()) as cluster:
        with pytest.raises(TuningError, match="has no workers: start some with `dask worker tcp://127"):
            run_on_cluster(bench, Workspace(tmp_path / "workspace"), cluster.address, nothing)
        monkeypatch.setattr(cluster_module, "PATIENCE", 60.0)
        cluster.start_worker("ada")
        with Killer(tmp_path / "workspace", 1), pytest.raises(TuningError, match="no worker is left at tcp://127"):
            run_on_cluster(bench, Workspace(tmp_path / "workspace"), cluster.address, nothing)
        cluster.start_worker("bob")
        assert run_on_cluster(bench, Workspace(tmp_path / "workspace"), cluster.address, nothing) == (0, ())
    assert len(ended(bench.study.get_trials())) == len(distinct(bench.ledger.entries())) == TRIALS


@pytest.mark.long
def test_the_command_goes_on_while_workers_are_killed_and_started_again(tmp_path):
    workspace, path = tmp_path / "workspace", write_study(tmp_path, LINEAR, SPACE, trials=TRIALS)
    with dask_cluster(tmp_path / "cluster", workers=()) as cluster:
        for name in ("ada", "bob"):
            cluster.start_worker(name, "--nanny")
        process = tuning_process(path, workspace, "--cluster", cluster.address)
        wait_for(workspace / "studies.db", process)
        with Killer(workspace, 1, 2) as killer:
            said, told = process.communicate()
    assert process.returncode == 0, told
    assert len(killer.killed) == 2
    assert "Broken off before and tried again: 2." in said
    summary = summary_of(workspace)
    assert summary.compared == len(summary.of("finished"))
    check_counted(workspace, kills=2, abroad=1)
    check_tracked(workspace, summary)


def wait_for(path, process):
    while not path.is_file():
        assert process.poll() is None, process.communicate()
        time.sleep(0.05)
    time.sleep(1.0)


def answering(url):
    """Wait until a PostgreSQL server answers."""
    until = time.monotonic() + 60
    while True:
        try:
            return execute(parse_url(url), "SELECT 1")
        except SQLAlchemyError:
            assert time.monotonic() < until
            time.sleep(0.2)


@pytest.mark.long
def test_workers_with_workspaces_of_their_own_share_a_study_in_postgresql(tmp_path, monkeypatch):
    if not BINARIES:
        pytest.skip("no PostgreSQL server in /usr/lib/postgresql: apt-get install postgresql")
    with tempfile.TemporaryDirectory(prefix="bot4-cluster-") as folder, server(Path(folder)) as port:
        url = f"postgresql://ada@127.0.0.1:{port}/postgres"
        answering(url)
        urls = {"BOT4_STUDIES_URL": url, "BOT4_LEDGER_URL": url}
        for name, value in urls.items():
            monkeypatch.setenv(name, value)
        places = {name: {**urls, "BOT4_WORKSPACE": str(tmp_path / name)} for name in ("ada", "bob")}
        here = Workspace(tmp_path / "here")
        bench = set_up(study_of(tmp_path), here)
        with dask_cluster(tmp_path / "cluster", environment=places) as cluster:
            assert run_on_cluster(bench, here, cluster.address, nothing) == (0, ())
        assert len(workers_of(ended(bench.study.get_trials()))) == 2
        assert len(distinct(bench.ledger.entries())) == len(bench.ledger.entries()) == TRIALS
        found = found_by(bench)
        assert not (tmp_path / "here" / "artefacts" / "fit").exists(), "nothing was fitted here"
        for name in urls:
            monkeypatch.delenv(name)
        twin = set_up(bench.config, Workspace(tmp_path / "twin"))
        left = iter(range(TRIALS))
        run_trials(twin, lambda: next(left, None) is not None, 1, lambda *_: None, lambda: None)
        assert found == found_by(twin)
