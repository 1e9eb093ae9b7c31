"""The benchmarks' arithmetic: medians of alternating repetitions, rates as well as times, each beside a peer."""

from __future__ import annotations

import doctest
import pkgutil
from importlib import import_module
from pathlib import Path

import pytest

import benchmarks
from benchmarks import harness
from benchmarks.__main__ import SHARED, main
from benchmarks.features_expensive import written
from benchmarks.harness import Result, compare, compare_steps, line, median_of
from features.catalogue import costs


def test_both_sides_are_medians_of_alternating_repetitions(monkeypatch):
    clock, calls = [0.0], []
    monkeypatch.setattr(harness.time, "perf_counter", lambda: clock[0])

    def takes(side, *durations):
        left = list(durations)

        def call():
            calls.append(side)
            clock[0] += left.pop(0)

        return call

    # The first call of each warms up.
    result = compare(
        "x", "bar", takes("ours", 99.0, 2.0, 4.0, 60.0), "y", takes("peer", 99.0, 8.0, 70.0, 6.0), 4, 3, peer_work=2
    )
    assert calls == ["ours", "peer"] * 4
    assert (result.ours, result.peer, result.ratio) == (1.0, 4.0, 4.0)


def test_a_measured_median():
    assert median_of(3, iter([5.0, 1.0, 2.0]).__next__) == 2.0


def test_steps_are_timed_one_by_one_and_the_median_is_of_steps(monkeypatch):
    """One slow step of five changes a loop's mean, and not its p50; the first run of each warms up."""
    clock, calls = [0.0], []
    monkeypatch.setattr(harness.time, "perf_counter", lambda: clock[0])

    def takes(side, durations):
        def step(place):
            calls.append(side)
            clock[0] += 1_000.0 if len(calls) <= 10 else durations[place]

        return step

    slow, even = [1.0, 2.0, 3.0, 900.0, 2.0], [8.0] * 5
    made = compare_steps("x", "bar", takes("ours", slow), "y", takes("peer", even), range(5), 3, bar=2.5, least=4.0)
    assert calls == (["ours"] * 5 + ["peer"] * 5) * 4
    assert (made.ours, made.peer, made.ratio, made.work) == (2.0, 8.0, 4.0, 1)
    assert [one.strip() for one in line(made).splitlines()[1:]] == [
        "whole 2 s, bar 2.5 s: 0.80 of it, meets the bar",
        "ratio 4.0, bar 4: meets the bar",
    ]


def test_a_ratio_that_is_too_low_is_called_so():
    assert (
        line(Result("x", "bar", 1.0, "y", 3.9, least=4.0)).splitlines()[1].strip() == "ratio 3.9, bar 4: misses the bar"
    )


def test_a_line_has_rates_times_and_the_ratio():
    text = line(Result("replay", "value", 4e-9, "TA-Lib", 8e-9))
    assert text.split() == ["replay", "value", "250", "M/s", "125", "M/s", "2.00x", "4", "ns", "8", "ns", "TA-Lib"]


def test_where_a_bar_is_set_the_whole_stands_beside_it():
    row, whole = line(Result("label", "event", 2e-8, "pandas", 8e-8, work=100_000, bar=0.004)).splitlines()
    assert row == line(Result("label", "event", 2e-8, "pandas", 8e-8))
    assert whole.strip() == "whole 2 ms, bar 4 ms: 0.50 of it, meets the bar"
    over = line(Result("start", "start", 4.5, "imports", 1.0, bar=3.0)).splitlines()[1]
    assert over.strip() == "whole 4.5 s, bar 3 s: 1.50 of it, misses the bar"


def test_a_new_table_of_costs_replaces_the_old_one_and_nothing_else():
    source = Path(costs.__file__).read_text()
    assert written(source, costs.NANOSECONDS) == source
    names = {}
    exec(written(source, {"b": 41.4}), names)  # noqa: S102  (our own module)
    assert names["NANOSECONDS"] == {"b": 41}


def test_a_comparison_knows_its_whole_and_its_bar():
    made = compare("x", "bar", lambda: None, "y", lambda: None, work=8, repetitions=1, bar=0.5)
    assert (made.work, made.bar) == (8, 0.5)
    assert compare("x", "bar", lambda: None, "y", lambda: None, work=8, repetitions=1).bar is None


def test_the_table_has_every_row_of_the_modules_asked_for(monkeypatch, capsys):
    class Module:
        @staticmethod
        def run():
            return [Result("one", "bar", 1e-3, "naive", 2e-3), Result("two", "event", 1e-6, "naive", 2e-6)]

    monkeypatch.setattr("sys.argv", ["benchmarks", "some"])
    monkeypatch.setattr("importlib.import_module", lambda name: {"benchmarks.some": Module}[name])
    main()
    said = capsys.readouterr().out.splitlines()
    assert "units/s" in said[1]
    assert [row.split()[0] for row in said[2:]] == ["one", "two"]


def test_examples():
    assert doctest.testmod(harness).failed == 0


@pytest.mark.parametrize("name", [one.name for one in pkgutil.iter_modules(benchmarks.__path__)])
def test_every_module_can_be_run(name):
    assert hasattr(import_module(f"benchmarks.{name}"), "main" if name == "__main__" else "run") or name in SHARED
