"""Progress: weights, nesting, estimates, threads, and quiet where there is no terminal."""

import io
import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipelines.progress import Lines, Terminal, open_display, seconds_text, showing


class Recorder:
    def __init__(self):
        self.seen = []
        self.closed = False

    def show(self, what, fraction, elapsed, left, important):
        self.seen.append((what, fraction, elapsed, left, important))

    def close(self):
        self.closed = True


class Ticks:
    def __init__(self):
        self.now = 0.0

    def __call__(self):
        return self.now


weights = st.dictionaries(st.sampled_from("abcdef"), st.floats(0.1, 100), min_size=1)


@given(weights, st.data())
def test_the_whole_is_the_weighted_mean_of_its_parts_and_never_goes_back(plan, data):
    recorder = Recorder()
    with showing(display=recorder) as whole:
        parts = whole.plan(plan)
        best = dict.fromkeys(plan, 0.0)
        for name in data.draw(st.lists(st.sampled_from(sorted(plan)), min_size=1, max_size=30)):
            fraction = data.draw(st.floats(-0.5, 1.5))
            parts[name](name, fraction)
            best[name] = max(best[name], min(1.0, max(0.0, fraction)))
    expected = sum(plan[name] * best[name] for name in plan) / sum(plan.values())
    shown = [fraction for _, fraction, *_ in recorder.seen]
    assert shown == sorted(shown)
    assert shown[-1] == pytest.approx(expected)


def test_parts_of_parts_share_their_parents_weight():
    with showing(display=Recorder()) as whole:
        parts = whole.plan({"data": 1, "folds": 9})
        folds = parts["folds"].plan({"fold 0": 1, "fold 1": 2})
        parts["data"].finish()
        folds["fold 1"]("lstm", 0.5)
        assert whole.fraction == pytest.approx(0.1 + 0.9 * (2 / 3) * 0.5)
        assert folds["fold 1"].path == "folds · fold 1"


def test_what_is_left_follows_the_pace():
    clock, recorder = Ticks(), Recorder()
    with showing(display=recorder, clock=clock) as whole:
        clock.now = 30.0
        whole("x", 0.25)
        whole("x", 0.005)
    assert recorder.seen[0][2:4] == (30.0, 90.0)
    assert recorder.closed


def test_too_little_done_gives_no_estimate():
    recorder = Recorder()
    with showing(display=recorder, clock=Ticks()) as whole:
        whole("x", 0.005)
    assert recorder.seen[0][3] is None


def test_a_cached_stage_does_not_pretend_that_the_rest_will_be_as_fast():
    clock, recorder = Ticks(), Recorder()
    with showing(display=recorder, clock=clock) as whole:
        parts = whole.plan({"features": 50, "folds": 50})
        clock.now = 0.1
        parts["features"].skip()
        clock.now = 10.1
        parts["folds"]("fold 0", 0.5)
    assert recorder.seen[-1][3] == pytest.approx(10.1)


def test_everything_cached_is_done():
    with showing(display=Recorder()) as whole:
        for part in whole.plan({"a": 1, "b": 2}).values():
            part.skip()
        assert whole.fraction == 1.0


@pytest.mark.parametrize("weight", [0, -1, float("nan")])
def test_a_weight_must_be_positive(weight):
    with showing(display=Recorder()) as whole, pytest.raises(ValueError, match="weight must be above 0"):
        whole.plan({"x": weight})


def test_lines_are_throttled_but_beginnings_and_ends_are_told():
    out, clock = io.StringIO(), Ticks()
    with showing(display=Lines(out, every=5.0), clock=clock) as whole:
        parts = whole.plan({"a": 1, "b": 1})
        for second in range(21):
            clock.now = float(second)
            parts["a"](f"step {second}", second / 20)
    lines = out.getvalue().splitlines()
    assert [line.split()[-1] for line in lines] == ["0", "5", "10", "15", "20"]
    assert "left" in lines[2]


def test_two_threads_at_once_neither_defeat_the_throttle_nor_lose_progress():
    out = io.StringIO()
    with showing(display=Lines(out, every=3600.0)) as whole:
        parts = whole.plan({"a": 1, "b": 1})

        def work(stage):
            for step in range(200):
                stage("step", (step + 1) / 200)

        threads = [threading.Thread(target=work, args=(part,)) for part in parts.values()]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert whole.fraction == 1.0
    assert len(out.getvalue().splitlines()) == 4


def test_a_terminal_gets_one_line_that_goes_away(monkeypatch):
    out = io.StringIO()
    monkeypatch.setattr(out, "isatty", lambda: True)
    monkeypatch.setenv("TERM", "xterm")
    display = open_display(out)
    assert isinstance(display, Terminal)
    with showing(display=display) as whole:
        whole("fitting [lstm]", 0.5)
        display._bar.refresh()
    assert "50 %" in out.getvalue()
    assert "fitting [lstm]" in out.getvalue()


def test_without_a_terminal_there_are_lines():
    assert isinstance(open_display(io.StringIO()), Lines)


def test_the_display_is_closed_when_the_work_fails():
    recorder = Recorder()
    with pytest.raises(RuntimeError), showing(display=recorder):
        raise RuntimeError
    assert recorder.closed


@given(st.floats(0, 1e6))
def test_durations_read_back(seconds):
    units = {"s": 1, "min": 60, "h": 3600}
    words = seconds_text(seconds).split()
    total = sum(int(value) * units[unit] for value, unit in zip(words[::2], words[1::2], strict=True))
    assert abs(total - seconds) <= (0.5 if seconds < 3600 else 60.5)
