"""Runs side by side: the tests are right, and no run is called better unless they say so."""

import json
import re
import shutil
from functools import cache

import numpy as np
import pytest
from msgspec.structs import replace
from typer.testing import CliRunner

from market.time import DAY, HOUR
from models.bundle.store import ModelStore, Verdict
from models.members.lightgbm import LightgbmConfig
from models.statistics.bootstrap import Interval, time_blocks
from models.statistics.paired import weighted_difference
from models.statistics.snooping import holm
from pipelines.cli import app
from pipelines.comparison.find import Contender, contenders, find
from pipelines.comparison.paired import BLOCK_HORIZONS, DRAWS, SEED, Pair, PairedTest, loss_tests, pairs
from pipelines.comparison.rows import disagreement, shared_rows
from pipelines.comparison.words import headline, winner
from pipelines.errors import StageError
from pipelines.members import with_defaults
from pipelines.predictions import PREDICTIONS_FILE, OutOfFold
from pipelines.report.comparison import comparison
from pipelines.report.write import render_document
from pipelines.results import ENSEMBLE, METRICS, RESULT_FILE, RunResult
from pipelines.workspace import Workspace
from tests.pipelines.factory import BEGIN, make_result
from tests.pipelines.test_report import Page
from tests.pipelines.tiny_bundle import with_bundle, write_bundle

RUNNER = CliRunner()
COUNT = 4_000


def truth(seed=5):
    """Hours of two instruments: what could be known of each, and what happened."""
    random = np.random.default_rng(seed)
    latent = random.normal(size=COUNT)
    return latent, (random.random(COUNT) < 1 / (1 + np.exp(-0.5 * latent))).astype(np.int8)


def predictions(seen, seed=0, first=0, last=COUNT, symbols=("FAKE1USDT", "FAKE2USDT"), venue="fake", label=None):
    """A predictor that sees some of what could be known, ``seen`` from 0 to 1, on rows ``first`` to ``last``."""
    latent, happened = truth()
    noise = np.random.default_rng(seed).normal(size=COUNT)
    probability = 1 / (1 + np.exp(-0.5 * (seen * latent + 0.02 * noise)))
    time = BEGIN + (np.arange(COUNT) // 2 + 1) * HOUR
    rows = slice(first, last)
    return OutOfFold(
        venue=venue,
        symbols=symbols,
        horizon=4 * HOUR,
        instrument=(np.arange(COUNT) % 2).astype(np.int16)[rows],
        time=time[rows],
        end=time[rows] + 4 * HOUR,
        label=(happened if label is None else label)[rows],
        weight=np.random.default_rng(1).uniform(0.1, 1.0, COUNT)[rows],
        fold=np.zeros(COUNT, np.int16)[rows],
        probability={ENSEMBLE: probability[rows], "linear": np.full(COUNT, 0.5)[rows]},
    )


result_of = cache(make_result)


def contender(label, said, **options):
    return Contender(label, result_of(**options), said)


def losses(said):
    label, probability = said.label, said.probability[ENSEMBLE]
    return -np.where(label == 1, np.log(probability), np.log1p(-probability))


def test_shared_rows_are_those_of_a_join():
    one, other = predictions(1.0, last=3_000), predictions(0.5, first=1_000, symbols=("FAKE2USDT", "FAKE3USDT"))
    found = shared_rows(one, other)
    keys = [
        {(said.symbols[i], int(t)): row for row, (i, t) in enumerate(zip(said.instrument, said.time, strict=True))}
        for said in (one, other)
    ]
    both = sorted(keys[0].keys() & keys[1].keys(), key=lambda key: key[1])
    assert [(int(a), int(b)) for a, b in zip(found.one, found.other, strict=True)] == [
        (keys[0][key], keys[1][key]) for key in both
    ]
    assert len(both) == 1_000
    assert len(shared_rows(one, replace(other, venue="elsewhere")).one) == 0


def test_a_label_or_an_end_that_differs_is_a_disagreement():
    one = predictions(1.0)
    shared = shared_rows(one, one)
    assert disagreement(one, one, shared) == ""
    flipped = one.label.copy()
    flipped[7] ^= 1
    assert "differ on 1 of the 4,000 decisions" in disagreement(one, replace(one, label=flipped), shared)
    assert "differ on 4,000 of" in disagreement(one, replace(one, end=one.end + 1), shared)


def test_the_paired_test_is_that_of_rows_drawn_by_hand():
    one, other = predictions(1.0, last=1_200), predictions(0.3, 1, last=1_200)
    (pair,) = pairs([contender("one", one), contender("other", other)])
    difference = losses(one) - losses(other)
    value = float((difference * one.weight).sum() / one.weight.sum())
    cells = np.unique(one.time // one.horizon, return_inverse=True)[1]
    rows_of = [np.flatnonzero(cells == cell) for cell in range(cells.max() + 1)]
    count = len(rows_of)
    begin = np.random.default_rng(SEED).integers(0, count, (DRAWS, -(-count // BLOCK_HORIZONS)))
    drawn = []
    for starts in begin:
        chosen = [(start + step) % count for start in starts for step in range(BLOCK_HORIZONS)][:count]
        rows = np.concatenate([rows_of[cell] for cell in chosen])
        drawn.append((difference[rows] * one.weight[rows]).sum() / one.weight[rows].sum())
    low, high = np.quantile(drawn, [0.025, 0.975])
    p_value = (1 + sum(abs(one - value) >= abs(value) for one in drawn)) / (1 + DRAWS)
    found = pair.loss
    assert (found.rows, found.effective) == (1_200, pytest.approx(one.weight.sum()))
    assert (found.difference.value, found.difference.low, found.difference.high) == pytest.approx((value, low, high))
    assert found.p_value == pytest.approx(p_value)
    assert found.adjusted == found.p_value


def test_a_planted_model_is_better_than_one_that_sees_nothing_in_either_order():
    good, null = predictions(1.0), predictions(0.0, 1)
    for order, sign in (((good, null), -1), ((null, good), 1)):
        names = ["good", "null"][::-sign]
        tested = pairs([contender(name, said) for name, said in zip(names, order, strict=True)])
        assert tested[0].loss.decided == sign
        assert headline(tested, names).startswith("good predicts better than null: the log loss of ")
        assert f"{tested[0].loss.rows:,} decisions" in headline(tested, names)


def test_a_bound_that_decides_is_never_shown_as_zero():
    tiny = PairedTest(4_000, 900.0, Interval(-2.1e-6, -3.9e-6, -3.2e-7), 0.01, 0.01)
    said = headline([Pair(0, 1, tiny, {}, "nothing traded")], "ab")
    assert "a predicts better than b" in said
    assert "is −0.00000210 [−0.00000390, −0.00000032] nats" in said
    clear = PairedTest(4_000, 900.0, Interval(-0.003, -0.005, -0.001), 0.01, 0.01)
    assert "−0.00300 [−0.00500, −0.00100]" in headline([Pair(0, 1, clear, {}, "nothing traded")], "ab")


def test_equal_models_cannot_be_told_apart():
    same = predictions(1.0)
    tested = pairs([contender("a", same), contender("b", same)])
    assert tested[0].loss.p_value == 1.0
    assert headline(tested, ["a", "b"]).startswith("a and b cannot be told apart by their predictions: ")
    assert winner(tested, 2) is None
    assert "returns differ by a factor only" in tested[0].sharpe


def test_null_models_are_told_apart_as_often_as_chance_has_it():
    found = [predictions(0.0, seed) for seed in range(40)]
    p_values = [
        loss_tests(one, other, shared_rows(one, other))[ENSEMBLE].p_value
        for one, other in zip(found[::2], found[1::2], strict=True)
    ]
    assert sum(value <= 0.05 for value in p_values) <= 4
    assert min(p_values) < 0.3 < max(p_values)


def test_the_best_of_three_must_beat_both_after_adjustment():
    names = ["null", "good", "other null"]
    said = [predictions(0.0, 1), predictions(1.0, 2), predictions(0.0, 3)]
    tested = pairs([contender(name, one) for name, one in zip(names, said, strict=True)])
    assert winner(tested, 3) == 1
    assert headline(tested, names).startswith("good predicts better than each of the other 2: ")
    assert "adjusted for 3 pairs by Holm's method" in headline(tested, names)
    raw = [pair.loss.p_value for pair in tested]
    assert [pair.loss.adjusted for pair in tested] == pytest.approx(holm(np.array(raw)).tolist())
    twins = [said[1], said[1], said[0]]
    tested = pairs([contender(name, one) for name, one in zip("abc", twins, strict=True)])
    assert winner(tested, 3) is None
    assert headline(tested, "abc").startswith("None of a, b and c predicts better than all others: ")
    assert "a predicts better than c" in headline(tested, "abc")
    tested = pairs([contender(name, said[0]) for name in "abc"])
    assert headline(tested, "abc").startswith("No two of a, b and c can be told apart by their predictions")


def test_an_interval_that_excludes_zero_is_not_enough_among_many():
    clear = PairedTest(10, 5.0, predictions_interval(-0.2, -0.1), 0.03, 0.03)
    assert clear.decided == -1
    assert PairedTest(10, 5.0, clear.difference, 0.03, 0.09).decided == 0


def predictions_interval(low, high):
    return weighted_difference(
        np.linspace(low, high, 50), np.zeros(50), np.ones(50), time_blocks(np.arange(50), 1, 2, 99, 1)
    ).difference


def test_holm_is_the_definition():
    random = np.random.default_rng(3)
    for _ in range(50):
        values = random.random(random.integers(1, 8)) ** 3
        order, running = np.argsort(values, kind="stable"), 0.0
        for rank, place in enumerate(order):
            running = max(running, min(1.0, values[place] * (len(values) - rank)))
            assert holm(values)[place] == pytest.approx(running)


@pytest.mark.parametrize(
    ("other", "words"),
    [
        (predictions(0.5, symbols=("FAKE8USDT", "FAKE9USDT")), "they predicted no decision in common"),
        (predictions(0.5, label=1 - truth()[1]), "their labels differ on 4,000"),
        (None, "before predictions were kept"),
        (predictions(0.5, last=60), "too few to resample"),
    ],
)
def test_what_cannot_be_compared_is_refused_and_the_rest_is_still_shown(other, words):
    found = [contender("a", predictions(1.0)), contender("b", other, edge=0.3, seed=2)]
    page = comparison(found)
    assert page.headline.startswith("The predictions of a and b cannot be compared: ")
    assert words in page.headline
    assert page.supported is False
    shown = Page(render_document(page)).text
    assert "Sharpe ratio after costs" in shown
    assert f"{found[1].result.predictor('lstm').scores['auc'].value:.3f}" in shown


@pytest.fixture(scope="module")
def two():
    other = make_result(edge=0.4, drift=4e-4, seed=9)
    config = {**other.config, "members": {"lstm": {"hidden": 64}, "lightgbm": {}}}
    names = (*other.features.names[1:], "sma_3")
    changed = replace(other, config=config, features=replace(other.features, names=names))
    return [Contender("plain", make_result(), predictions(0.0)), Contender("rich", changed, predictions(1.0, 1))]


@pytest.fixture(scope="module")
def page(two):
    return Page(render_document(comparison(two)))


def test_the_page_needs_nothing_else_and_begins_with_the_answer(page, two):
    assert all(link.startswith("#") for link in page.links)
    assert {link.removeprefix("#") for link in page.links} == set(page.identifiers)
    assert all(image.startswith("data:image/svg+xml;base64,") for image in page.images)
    assert len(page.images) == 1
    assert all(page.alternatives)
    text = re.sub(r"\s+", " ", page.text)
    assert text.index("rich predicts better than plain") < text.index("2 runs are compared here")
    assert "plain: No edge is supported" in text
    assert "rich: These statistics support an edge" in text


def test_every_score_trade_and_fold_of_both_is_on_the_page(page, two):
    text = re.sub(r"\s+", " ", page.text)
    for run in two:
        for predictor in run.result.predictors:
            for metric in METRICS:
                value = predictor.scores[metric].value
                shown = (
                    f"{value:+.5f}"
                    if metric == "information_gain"
                    else f"{value:.4f}"
                    if metric in ("log_loss", "brier")
                    else ""
                )
                assert shown.replace("-", "−") in text
        for fold in run.result.folds[2:]:
            assert f"{fold.scores[ENSEMBLE]['information_gain']:+.5f}".replace("-", "−") in text
        assert f"{run.result.backtest.net_performance.fees:,.2f}" in text
        assert run.result.config_digest[:12] in text


def test_only_what_differs_is_listed(two):
    sections = {one.title: one for one in comparison(two).sections}
    settings = sections["Configurations"]
    assert list(settings.tables[0].rows) == [("seed", "1", "9"), ("members.lstm.hidden", "48", "64")]
    defaults = [len(one) for one in with_defaults({"lstm": {}, "lightgbm": {}}).values()]
    count = 4 + sum(defaults)  # name, seed, symbols, interval
    assert settings.sentences == (
        f"{count - 2} of {count} settings are equal; what a member's table leaves out is this version's default.",
    )
    assert settings.points == ()
    features = sections["Features"]
    assert features.points == ("rich against plain: sma_3 added, return_8 removed",)
    assert features.tables[0].rows == (("return_8", "yes", "–"), ("sma_3", "–", "yes"))
    same = {one.title: one for one in comparison([two[0], replace_label(two[0], "again")]).sections}
    assert same["Configurations"].tables == ()
    assert same["Features"].tables == ()


def with_config(one, label, **config):
    return Contender(label, replace(one.result, config={**one.result.config, **config}), one.predictions)


def configurations_of(*compared):
    return {one.title: one for one in comparison(compared).sections}["Configurations"]


def test_a_member_that_is_left_to_its_defaults_is_as_visible_as_one_that_is_not(two):
    lightgbm = {"lightgbm": {"rounds": 60}}
    one = with_config(two[0], "one", members={"tcn": {}, "lightgbm": {}})
    other = with_config(two[0], "other", members=lightgbm)
    found = configurations_of(one, other)
    assert found.points == ("The member tcn is in one, not in other.",)
    shared, alone = found.tables
    assert [name for name, *_ in shared.rows] == ["members.lightgbm.rounds"]
    rows = {name: cells for name, *cells in (*shared.rows, *alone.rows)}
    assert rows["members.lightgbm.rounds"] == [str(LightgbmConfig().rounds), "60"]
    assert rows["members.tcn.kernel"] == ["3", "not set"]
    assert {name.split(".")[1] for name in rows} == {"lightgbm", "tcn"}
    assert [name for name in rows if "lightgbm" in name] == ["members.lightgbm.rounds"]
    assert configurations_of(one, with_config(two[0], "third", members={"lightgbm": {}, "tcn": {}})).tables == ()


def test_a_second_stage_that_only_one_run_has_reads_well(two):
    with_meta = with_config(two[0], "staged", meta={"ridge": 1000.0, "features": [], "sizing": False})
    found = configurations_of(with_config(two[0], "plain", meta=None), with_meta)
    assert found.points == ("The table [meta] is in staged, not in plain.",)
    assert ("meta.ridge", "not set", "1000.0") in found.tables[0].rows
    assert "meta" not in [name for name, *_ in found.tables[0].rows]
    # A run of before there were second stages has the same configuration as one without.
    assert configurations_of(two[0], with_config(two[0], "plain", meta=None)).tables == ()


def test_a_run_with_a_member_that_is_unknown_by_now_is_compared_as_it_was_written(two):
    old = with_config(two[0], "old", members={"gone": {"depth": 3}, "lightgbm": {"strange": 1}})
    found = configurations_of(old, two[1])
    assert ("members.gone.depth", "3", "not set") in found.tables[1].rows
    assert ("members.lightgbm.strange", "1", "not set") in found.tables[0].rows


def replace_label(one, label):
    return Contender(label, one.result, one.predictions)


def test_sharpe_ratios_are_compared_on_the_days_of_both(two):
    (pair,) = pairs(two)
    days = [one.result.laboratory.days for one in two]
    assert pair.sharpe.rows == len(set(days[0].tolist()) & set(days[1].tolist()))
    returns = [next(s.returns for s in one.result.laboratory.strategies if s.name == ENSEMBLE) for one in two]
    ratios = [float(one.mean() / one.std(ddof=1)) for one in returns]
    year = two[0].result.backtest.net_performance.periods_per_year ** 0.5
    assert pair.sharpe.difference.value == pytest.approx(year * (ratios[0] - ratios[1]), rel=1e-6)
    lab = two[1].result.laboratory
    later = replace(two[1].result, laboratory=replace(lab, days=lab.days + 9_999 * DAY))
    (pair,) = pairs([two[0], Contender("later", later, two[1].predictions)])
    assert pair.sharpe == "they traded on no day in common"


def test_a_higher_ratio_of_two_that_lost_speaks_for_neither():
    def with_returns(label, mean, spread):
        lab = result_of().laboratory
        days = len(lab.days)
        returns = mean + spread * np.random.default_rng(days).normal(size=days)
        found = tuple(replace(one, returns=returns + (one.name != ENSEMBLE)) for one in lab.strategies)
        return Contender(label, replace(result_of(), laboratory=replace(lab, strategies=found)), None)

    wild, calm = with_returns("wild", -0.01, 0.05), with_returns("calm", -0.01, 0.005)
    (pair,) = pairs([wild, calm])
    assert pair.sharpe.difference.low > 0
    assert pair.sharpe.p_value < 0.05
    assert (pair.sharpe.lost, pair.sharpe.decided) == (True, 0)
    shown = "".join(comparison([wild, calm]).sections[0].points)
    assert "wild and calm both lost after costs" in shown
    assert "higher" not in shown
    (pair,) = pairs([with_returns("up", 0.01, 0.005), calm])
    assert (pair.sharpe.lost, pair.sharpe.decided) == (False, 1)


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    tmp_path = tmp_path_factory.mktemp("finished")
    store = ModelStore(tmp_path / "store")
    for number, said in ((1, predictions(1.0)), (2, predictions(0.0, 1))):
        digest = write_bundle(tmp_path / f"bundle{number}", intercept=0.1 * number)
        store.put(tmp_path / f"bundle{number}", "tiny")
        found = with_bundle(make_result(seed=number), digest)
        info = replace(found.bundle, name="tiny", version=number)
        found = replace(found, name="tiny", run_id=f"run{number}", created=number, bundle=info)
        folder = tmp_path / "runs" / f"run{number}"
        found.save(folder)
        said.save(folder)
    return tmp_path


@pytest.fixture
def workspace(finished, tmp_path):
    return shutil.copytree(finished, tmp_path / "workspace")


def run(workspace, *arguments):
    return RUNNER.invoke(app, ["compare", *map(str, arguments), "--workspace", str(workspace)], prog_name="bot4")


@pytest.mark.parametrize(
    ("reference", "folder"),
    [("run1", "run1"), ("latest", "run2"), ("tiny", "run2"), ("tiny:1", "run1"), ("tiny@champion", "run1")],
)
def test_runs_are_found_by_every_name(workspace, reference, folder):
    store = ModelStore(workspace / "store")
    store.promote("tiny", 1, "champion", (Verdict("whole", True, "it is"),), "Ada")
    assert find(reference, Workspace(workspace)) == (workspace / "runs" / folder).resolve()
    assert find(str(workspace / "runs" / folder), Workspace(workspace)).name == folder


def test_the_command_says_it_and_writes_the_page(workspace, tmp_path):
    done = run(workspace, "tiny:1", "latest")
    assert done.exit_code == 0, done.output
    assert done.stdout.startswith(
        "tiny:1 predicts better than tiny:2: the log loss of tiny:1 minus that of tiny:2 is −0."
    )
    assert "tiny:1 − tiny:2" in done.stdout
    page = workspace / "comparisons" / "run1-run2.html"
    assert str(page) in done.stdout
    assert "tiny:1 predicts better than tiny:2" in Page(page.read_text(encoding="utf-8")).text
    other = tmp_path / "other.html"
    assert run(workspace, "run2", "run1", "--html", other).exit_code == 0
    assert other.is_file()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("run1",), "nothing to compare run1 with"),
        (("run1", "tiny:1"), "run1 and tiny:1 are the same run, run1"),
        (("run1", "nobody"), "is meant by 'nobody'"),
        (("run1", "tiny@champion"), "has no alias 'champion'"),
        (("run1", "tiny:7"), "has no version 7"),
        (("run1", "tiny:²"), "there is no alias '²'"),
        (("run1", "tiny@champoin"), "did you mean 'champion'?"),
        (("run1", "tinny@champion"), "did you mean 'tiny'?"),
    ],
)
def test_what_cannot_be_meant_is_said(workspace, arguments, words):
    done = run(workspace, *arguments)
    assert done.exit_code == 2
    assert words in done.stderr
    assert not (workspace / "comparisons").exists()


def test_a_result_that_is_cut_off_is_named(workspace):
    """Whichever run is meant: the newest cannot be told without it."""
    damaged = workspace / "runs" / "run1" / RESULT_FILE
    damaged.write_bytes(damaged.read_bytes()[:1000])
    done = run(workspace, "tiny", "latest")
    assert done.exit_code == 2
    assert f"{damaged}: Input data was truncated" in done.stderr
    assert "Traceback" not in done.output


def test_changed_predictions_are_refused(workspace):
    folder = workspace / "runs" / "run1"
    document = json.loads((folder / PREDICTIONS_FILE).read_text())
    victim = folder / document["label"]["npy"]
    content = bytearray(victim.read_bytes())
    content[-1] ^= 1
    victim.write_bytes(content)
    with pytest.raises(StageError, match="was changed after it was written"):
        contenders(["run1", "run2"], Workspace(workspace))


@pytest.mark.xdist_group("road")
def test_a_training_keeps_what_its_scores_were_made_of(road):
    said, result = OutOfFold.load(road.run), RunResult.load(road.run)
    assert len(said.label) == result.comparison_rows
    assert set(said.probability) == {one.name for one in result.predictors}
    for predictor in result.predictors:
        probability = said.probability[predictor.name]
        loss = -np.log(np.where(said.label == 1, probability, 1 - probability))
        assert np.average(loss, weights=said.weight) == pytest.approx(predictor.scores["log_loss"].value, rel=1e-12)
    assert {int(fold) for fold in said.fold} == {fold.index for fold in result.folds if fold.compared}
    assert (said.end > said.time).all()
    assert said.symbols == tuple(one.symbol for one in result.data)


@pytest.mark.xdist_group("road")
def test_a_trained_run_and_its_copy_cannot_be_told_apart(road, tmp_path):
    for name in ("one", "two"):
        shutil.copytree(road.run, tmp_path / "runs" / name)
        replace(RunResult.load(road.run), run_id=name).save(tmp_path / "runs" / name)
    done = run(tmp_path, "one", "two")
    assert done.exit_code == 0, done.output
    assert done.stdout.startswith("one and two cannot be told apart by their predictions")


@pytest.mark.xdist_group("road")
def test_a_training_leaves_its_card(road):
    result = RunResult.load(road.run)
    card = (road.run / "card.md").read_text(encoding="utf-8")
    assert card.startswith("**No edge is supported by these statistics")
    for text in (
        result.lineage.code,
        result.lineage.environment,
        *result.lineage.parents.values(),
        result.config_digest,
    ):
        assert text in card
    assert "It knows bars only, no order book" in card
    Page((road.run / "card.html").read_text(encoding="utf-8"))
