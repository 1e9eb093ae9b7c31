"""What is left when every trial is counted: shown whole, with its caveats, and a broken ledger shouted."""

import re

import msgspec
import numpy as np
import pytest

from pipelines.commands.training_run import summary
from pipelines.figures.overfitting import bars
from pipelines.figures.paths import paths_figure
from pipelines.figures.regimes import regimes_figure
from pipelines.figures.sensitivity import by_costs, by_latency, sensitivity_figure
from pipelines.figures.style import VERMILION
from pipelines.laboratory import Snooping
from pipelines.report.card import card
from pipelines.report.laboratory import laboratory_lines, laboratory_view, snooping_rows
from pipelines.report.limits import limits
from pipelines.report.markdown import markdown
from pipelines.report.paths import paths_trade
from pipelines.report.view import reference_rows
from pipelines.report.write import render
from pipelines.results import Estimate
from pipelines.verdict import percent, percent_between, verdict
from tests.pipelines.factory import make_result

RESULT = make_result()
LAB = RESULT.laboratory


@pytest.fixture(scope="module")
def text():
    html = render(RESULT)
    section = html[html.index('id="trials"') : html.index('id="paper"')]
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>|data:image[^\"]*", " ", section))


def with_laboratory(**changes):
    return msgspec.structs.replace(RESULT, laboratory=msgspec.structs.replace(LAB, **changes))


def test_every_part_is_in_the_section(text):
    assert RESULT.trials.sentence in text
    for words in (
        "FAKE1USDT, FAKE2USDT and FAKE3USDT on fake",
        "Deflated Sharpe: probability that the true ratio is above that luck",
        "Not a track record",
        "probability of overfitting",
        "singled out at 5 %",
        "their p-values are somewhat too small",
        "one in twenty excludes",
    ):
        assert words in text, words
    for one in LAB.strategies:
        assert f"{one.sharpe.value:+.2f}".replace("-", "−") in text
    for one in LAB.regimes:
        assert f"{one.kind}: {one.name}" in text
    every = (*LAB.strategies, *LAB.paths.paths, *LAB.sensitivities, *LAB.regimes)
    for low, high in (one.total_return_estimate.bounds for one in every):
        assert f"{percent(low, 1, signed=True)} to {percent(high, 1, signed=True)}" in text


def test_holding_has_intervals_too():
    for one, row in zip(RESULT.backtest.references, reference_rows(RESULT.backtest), strict=True):
        low, high = one.total_return_estimate.bounds
        assert row["return"].endswith(f"[{percent(low, 1, signed=True)}, {percent(high, 1, signed=True)}]")
        assert row["drawdown"].endswith("%]")
    said = " ".join(verdict(RESULT).sentences)
    for one in (RESULT.backtest.references[0], RESULT.backtest.net_performance, RESULT.paper.backtest.net_performance):
        digits = 0 if one is RESULT.backtest.references[0] else 1
        assert percent_between(one.total_return_estimate, digits, signed=True) in said


def test_a_return_whose_interval_is_unknown_stands_alone():
    bare = with_laboratory(strategies=(msgspec.structs.replace(LAB.strategies[0], total_return_interval=None),))
    assert laboratory_view(bare)["strategies"][0]["return"]["interval"] == ""


@pytest.mark.usefixtures("undrawn")
def test_a_broken_ledger_is_shouted_everywhere():
    trials = msgspec.structs.replace(RESULT.trials, problem="row 9 was changed")
    broken = msgspec.structs.replace(RESULT, trials=trials)
    html = render(broken)
    assert html.count('class="shout"') == 2
    assert "not to be trusted: the ledger of trials is NOT WHOLE" in html
    assert "THE LEDGER OF TRIALS IS NOT WHOLE" in html
    assert "LEDGER NOT WHOLE: row 9 was changed" in summary(broken)


def test_a_whole_ledger_is_not(text):
    assert "NOT WHOLE" not in text
    assert "not whole" not in text


def test_nothing_singled_out_is_said_to_be_none():
    rows = snooping_rows((Snooping("cash", "lstm", 0.2, 0.3, 0.1, 0.0004, ()),))
    assert rows[0]["superior"] == "none"
    assert rows[0]["bounds"] == "0.100 to < 0.001"


def test_few_days_are_marked():
    days = {one["name"]: one["few"] for one in laboratory_view(RESULT)["regimes"]}
    assert set(days.values()) == {True}
    quiet = msgspec.structs.replace(LAB.strategies[-1], returns=np.repeat([0.01, 0.0], [18, 263]))
    found = laboratory_view(with_laboratory(strategies=(*LAB.strategies[:-1], quiet)))
    assert [one["few"] for one in found["strategies"]] == [False] * 5 + [True]
    assert found["strategies"][-1]["active"] == "18 of 281"
    assert "18 of 281 days" in found["few_sentence"]


def test_the_terminal_has_the_laboratory_in_a_few_lines():
    lines = dict(laboratory_lines(RESULT))
    assert lines["trials on this data"] == "12, as many as 4.5 independent ones; ledger verified"
    assert lines["annual Sharpe on CPCV paths of the members' mean"] == "median +0.30, from −0.40 to +1.60, of 5 paths"
    assert lines["deflated Sharpe probability"].endswith("95 % needed)")
    assert list(lines) == list(dict.fromkeys(lines))
    assert all(f"{name:<30}"[:20] in summary(RESULT) for name in lines)


@pytest.mark.parametrize(
    ("config", "words"),
    [
        ({}, "without the stacker and the calibration:"),
        (
            {"members": {"lstm": {}, "tcn": {}, "linear": {}}},
            "without the members lstm and tcn, the stacker and the calibration:",
        ),
        (
            {"members": {"lstm": {}}, "ensemble": {"one_sided": True}, "meta": None},
            "the member lstm, the stacker, the calibration and the prediction sets that say where this run trades:",
        ),
        ({"meta": {"sizing": True}}, "the stacker, the calibration and the second stage that sizes its bets:"),
        ({"meta": {"sizing": False}, "ensemble": {"one_sided": False}}, "without the stacker and the calibration:"),
    ],
)
def test_paths_say_what_of_the_live_strategy_they_lack(config, words):
    result = msgspec.structs.replace(RESULT, config=config)
    said = paths_trade(result, LAB.paths)
    assert said.startswith("The combinatorial paths trade the plain mean of lightgbm, xgboost and linear, ")
    assert words in said
    assert said.endswith("their numbers are not of the strategy that goes live.")
    assert said in limits(result)


def test_report_and_card_say_what_the_paths_trade(text):
    said = paths_trade(RESULT, LAB.paths)
    assert "Combinatorial paths of the members’ mean" in text
    assert said in text
    assert said in markdown(card(RESULT))
    assert "combinatorial" not in markdown(card(msgspec.structs.replace(RESULT, laboratory=None)))


@pytest.mark.usefixtures("undrawn")
def test_without_a_laboratory_the_trials_are_still_counted():
    bare = msgspec.structs.replace(RESULT, laboratory=None)
    assert [name for name, _ in laboratory_lines(bare)] == ["trials on this data"]
    html = render(bare)
    assert RESULT.trials.sentence in html
    assert "there is nothing else to judge" in html


def test_a_laboratory_that_could_judge_little_still_makes_a_page():
    poor = with_laboratory(paths=None, overfitting=(), snooping=(), sensitivities=(), regimes=())
    html = render(poor)
    assert "Too few days or strategies" in html
    assert "Combinatorial paths" not in html


def drawn(figure):
    """How many of a figure's markers stand at a number."""
    lines = [line for axes in figure.axes for line in axes.lines if line.get_marker() not in ("None", "", None)]
    return sum(int(np.isfinite(np.asarray(line.get_xydata(), float)).all(axis=1).sum()) for line in lines)


def test_an_undefined_ratio_is_left_out_of_figures():
    unknown, paths = Estimate(None), LAB.paths
    none = msgspec.structs.replace(
        paths,
        paths=tuple(msgspec.structs.replace(one, sharpe=unknown) for one in paths.paths),
        information_gain=(None,) * len(paths.paths),
        information_gain_interval=(),
    )
    worlds = tuple(msgspec.structs.replace(one, sharpe=unknown) for one in LAB.sensitivities)
    regimes = tuple(
        msgspec.structs.replace(one, sharpe=unknown, auc=unknown, information_gain=unknown) for one in LAB.regimes
    )
    for some, empty in (
        (paths_figure(paths, Estimate(0.5, -1, 2), unknown), paths_figure(none, unknown, unknown)),
        (sensitivity_figure(LAB.sensitivities), sensitivity_figure(worlds)),
        (regimes_figure(LAB.regimes), regimes_figure(regimes)),
    ):
        assert drawn(some) > 0
        assert drawn(empty) == 0


def test_many_paths_fit_one_figure():
    one = LAB.paths
    many = msgspec.structs.replace(
        one,
        paths=one.paths * 33,
        information_gain=one.information_gain * 33,
        information_gain_interval=one.information_gain_interval * 33,
    )
    figure = paths_figure(many, Estimate(0.5, -1, 2), Estimate(0.001, 0, 0.002))
    assert figure.get_size_inches()[1] < 9
    assert [one.get_text() for one in figure.axes[0].get_yticklabels()] == ["walk-forward"]


def test_the_share_at_or_below_the_median_is_the_probability():
    random = np.random.default_rng(1)
    for logits in (random.normal(size=4000), random.choice([-1.0, 0.0, 1.0], 300)):
        place, share, _ = bars(logits)
        assert share.sum() == pytest.approx(100)
        assert share[place <= 0].sum() == pytest.approx(100 * (logits <= 0).mean())


def test_red_is_what_is_at_or_below_the_median():
    from matplotlib.colors import to_hex

    from pipelines.figures.overfitting import overfitting_figure

    axes = overfitting_figure(LAB.overfitting).axes[0]
    red = sum(bar.get_height() for bar in axes.patches if to_hex(bar.get_facecolor()) == VERMILION)
    assert red == pytest.approx(100 * LAB.overfitting[0].probability)


def test_worlds_are_split_by_what_varies_and_share_the_runs_own():
    costs, latencies = by_costs(LAB.sensitivities), by_latency(LAB.sensitivities)
    assert [one.costs for one in costs] == [0.0, 0.5, 1.0, 2.0, 3.0]
    assert {one.latency_ms for one in costs} == {50.0}
    assert [one.latency_ms for one in latencies] == [0.0, 50.0, 1e3, 1e4, 6e4]
    assert {one.costs for one in latencies} == {1.0}
