"""Local servers are started, waited for, and always stopped."""

import signal
import subprocess
import sys
import time

import pytest

from pipelines.errors import PipelineError
from pipelines.servers import ServerPlan, answers, free_port, running, stop, stopping_on_signals, wait_until_ready

# A parent with a child in its process group, as web servers with workers have.
PARENT = """
import subprocess, sys, time
subprocess.Popen([sys.executable, "-m", "http.server", "{port}", "--bind", "127.0.0.1"])
time.sleep(60)
"""


def plan(port, code=PARENT, name="little"):
    return ServerPlan(name, port, [sys.executable, "-c", code.format(port=port)], {"LITTLE": "yes"}, "/")


def gone(url):
    until = time.monotonic() + 5
    while answers(url) and time.monotonic() < until:
        time.sleep(0.05)
    return not answers(url)


def test_servers_answer_while_the_block_runs_and_are_gone_after(tmp_path):
    plans = [plan(free_port(), name="one"), plan(free_port(), name="two")]
    told = []
    with running(plans, tmp_path / "logs", lambda found, seconds: told.append(found.name)) as processes:
        assert all(answers(one.url) for one in plans)
        assert all(process.poll() is None for process in processes)
    assert told == ["one", "two"]
    assert all(gone(one.url) for one in plans)
    assert sorted(path.name for path in (tmp_path / "logs").iterdir()) == ["one.log", "two.log"]


def test_servers_are_stopped_when_the_block_fails(tmp_path):
    one = plan(free_port())
    with pytest.raises(KeyboardInterrupt), running([one], tmp_path, lambda *_: None):
        raise KeyboardInterrupt
    assert gone(one.url)


def test_a_server_that_ends_is_named_with_the_end_of_its_log(tmp_path):
    broken = plan(free_port(), "import sys; print('the port is taken'); sys.exit(3)", "broken")
    with pytest.raises(PipelineError, match=r"(?s)broken stopped with code 3; .*the port is taken"):
        running([broken], tmp_path, lambda *_: None).__enter__()


def test_a_silent_server_runs_out_of_patience(tmp_path):
    silent = plan(free_port(), "import time; time.sleep(60)", "silent")
    log = tmp_path / "log"
    log.write_text("still thinking\n")
    process = subprocess.Popen(silent.command, start_new_session=True)
    try:
        with pytest.raises(PipelineError, match=r"(?s)silent was not ready after 0 s; .*still thinking"):
            wait_until_ready(silent, process, log, patience=0.3)
    finally:
        stop(process)
    assert process.poll() is not None


def test_one_that_ignores_a_polite_end_is_forced(monkeypatch):
    monkeypatch.setattr("pipelines.servers.GRACE", 0.3)
    code = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('up', flush=True); time.sleep(60)"
    process = subprocess.Popen([sys.executable, "-c", code], start_new_session=True, stdout=subprocess.PIPE)
    process.stdout.readline()
    stop(process)
    assert process.poll() == -signal.SIGKILL


def test_a_polite_kill_ends_the_block_like_an_interrupt():
    before = signal.getsignal(signal.SIGTERM)
    with pytest.raises(KeyboardInterrupt), stopping_on_signals():
        signal.raise_signal(signal.SIGTERM)
    assert signal.getsignal(signal.SIGTERM) is before
