"""Every figure draws, the same bytes each time, and thinning hides nothing."""

import xml.etree.ElementTree as ElementTree
from io import BytesIO

import msgspec
import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from matplotlib.colors import to_hex

from pipelines.figures.equity import drawdown, equity, spread
from pipelines.figures.folds import timeline
from pipelines.figures.gain import edge, gain_by_fold
from pipelines.figures.gallery import gallery
from pipelines.figures.importance import shares
from pipelines.figures.learning import learning
from pipelines.figures.reliability import reliability
from pipelines.figures.style import BLUE, INK, VERMILION, colours, svg, thinned
from pipelines.results import LearningCurve, Reliability
from tests.pipelines.factory import ROLES, STEP, make_result

RESULT = make_result()
LABORATORY = ("strategies", "paths", "overfitting", "sensitivity", "regimes")
IMPORTANCES = (
    "permutation",
    "permutation_clusters",
    "single_features",
    "importance_folds",
    "importance_methods",
    "shap_lightgbm",
    "shap_xgboost",
)
FEATURES = ("feature_distributions", "feature_drift", "feature_tree")
NAMES = (
    *("gain", "folds", "gain_by_fold", "reliability", "learning", "importance", "equity", "paper"),
    *LABORATORY,
    *FEATURES,
    *IMPORTANCES,
)


@pytest.fixture(scope="module")
def pictures():
    return gallery(RESULT)


@pytest.fixture(scope="module")
def drawings(pictures):
    return {name: svg(picture.figure) for name, picture in pictures.items()}


@pytest.fixture(scope="module")
def again():
    return gallery(make_result())


def test_a_full_result_has_every_figure(pictures):
    assert tuple(pictures) == NAMES


@pytest.mark.parametrize("name", NAMES)
def test_figures_are_well_formed_and_reproducible(pictures, drawings, again, name):
    assert ElementTree.fromstring(drawings[name]).tag.endswith("svg")
    assert drawings[name] == svg(again[name].figure)
    assert pictures[name].caption.endswith(".")


def test_a_result_is_drawn_once_and_saved_in_any_form(pictures, drawings):
    """The report's drawings and those in MLflow are the same figures, whichever was saved first."""
    result = make_result()
    drawn = gallery(result)
    assert all(gallery(result)[name] is picture for name, picture in drawn.items())
    assert gallery(make_result())["gain"] is not drawn["gain"]
    for name in ("gain", "equity", "regimes"):
        before, after = BytesIO(), BytesIO()
        drawn[name].figure.savefig(before, format="png")
        assert svg(drawn[name].figure) == drawings[name]
        drawn[name].figure.savefig(after, format="png")
        assert before.getvalue() == after.getvalue()


def test_figures_show_the_data(drawings):
    other = gallery(make_result(seed=2))
    for name in set(NAMES) - {"folds", "sensitivity", "regimes"}:
        assert svg(other[name].figure) != drawings[name], name


def test_a_bare_result_has_no_figures():
    bare = msgspec.structs.replace(
        RESULT,
        predictors=(),
        folds=(),
        reliability=(),
        learning_curves=(),
        importances=(),
        backtest=None,
        paper=None,
        laboratory=None,
        importance_study=None,
        feature_study=None,
    )
    assert gallery(bare) == {}


def test_undefined_scores_are_left_out():
    folds = tuple(msgspec.structs.replace(fold, scores={"lstm": {"information_gain": None}}) for fold in RESULT.folds)
    assert "gain_by_fold" in gallery(msgspec.structs.replace(RESULT, folds=folds))


@given(st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=400), st.integers(2, 60))
def test_thinning_keeps_ends_and_extremes(values, limit):
    values = np.array(values)
    keep = thinned(values, limit)
    assert (np.diff(keep) > 0).all()
    assert keep[0] == 0
    assert keep[-1] == len(values) - 1
    assert {values.min(), values.max()} <= set(values[keep])
    assert len(keep) <= max(limit, 2 * (limit // 2) + 2)


@given(st.lists(st.floats(1.0, 1e6), min_size=1, max_size=60))
def test_drawdown_equals_the_loss_from_the_best_so_far(equity):
    expected = [equity[n] / max(equity[: n + 1]) - 1 for n in range(len(equity))]
    assert drawdown(np.array(equity)) == pytest.approx(expected, abs=1e-14)


@given(st.lists(st.sampled_from([*ROLES, "new one", "another"]), unique=True, min_size=1))
def test_predictors_keep_their_colour_and_never_share_one(names):
    found = colours(names)
    assert list(found) == names
    assert len(set(found.values())) == len(names)
    assert all(found[name] == colours([name])[name] for name in names if name in ROLES)


def bars_of(axes, colour):
    return [bar for bar in axes.patches if to_hex(bar.get_facecolor()) == colour]


def test_the_purge_is_seen_in_a_close_up_in_hours(pictures):
    close = pictures["folds"].figure.axes[1]
    red = bars_of(close, VERMILION)
    assert len(red) == len(RESULT.folds)
    for bar, fold in zip(red, RESULT.folds, strict=True):
        hours = (fold.test.start - fold.purged.start) / 3.6e12
        assert (bar.get_x(), bar.get_width()) == pytest.approx((-hours, hours))
        assert bar.get_width() > 0.15 * np.ptp(close.get_xlim())
    assert [text.get_text().strip() for text in close.texts] == [str(fold.purged_rows) for fold in RESULT.folds]
    ends = {round(bar.get_x() + bar.get_width(), 9) for bar in bars_of(close, BLUE)}
    assert ends == {-STEP / 3.6e12}
    assert "70 to 76 a fold" in pictures["folds"].caption


def test_nothing_purged_is_nothing_red():
    folds = tuple(msgspec.structs.replace(fold, purged=None, purged_rows=0) for fold in RESULT.folds)
    figure = timeline(folds)
    assert len(figure.axes) == 1
    assert not bars_of(figure.axes[0], VERMILION)
    assert "purged" not in gallery(msgspec.structs.replace(RESULT, folds=folds))["folds"].caption


def test_folds_are_counted_from_one(pictures):
    expected = [f"fold {number}" for number in range(1, 8)]
    assert [text.get_text() for text in pictures["folds"].figure.axes[0].get_yticklabels()][:7] == expected
    assert [text.get_text() for text in pictures["gain_by_fold"].figure.axes[0].get_xticklabels()] == expected


def test_one_bad_fold_does_not_press_the_others_flat():
    bad = msgspec.structs.replace(RESULT.folds[1], scores={"lstm": {"information_gain": -9.0}})
    axes = gain_by_fold((RESULT.folds[0], bad, *RESULT.folds[2:])).axes[0]
    assert axes.get_ylim()[0] > -9000 / 10
    assert "−9000" in [text.get_text() for text in axes.texts]


@given(st.lists(st.floats(-1e3, 1e3), max_size=20))
@example([0.0, 0.0, 0.5])
def test_an_axis_reaches_no_farther_than_its_values(values):
    found = edge(np.array(values))
    assert found > 0
    assert found <= max([abs(value) for value in values if value], default=1.0)


def test_the_strategy_fills_an_axis_of_its_own():
    net, held = RESULT.backtest.net, RESULT.backtest.references[0]
    quiet = msgspec.structs.replace(net, equity=100_000 * (1 + 0.017 * np.linspace(0, 1, len(net.time))))
    wild = msgspec.structs.replace(held, curve=msgspec.structs.replace(net, equity=np.linspace(1, 2.5, len(net.time))))
    backtest = msgspec.structs.replace(RESULT.backtest, net=quiet, gross=quiet, references=(wild,))
    top, _, bottom = equity(backtest).axes
    assert top.get_ylim()[1] == pytest.approx(1.7, abs=0.2)
    assert bottom.get_ylim()[1] > 150
    assert {text.get_text() for text in bottom.texts} == {"strategy", held.name}


def test_returns_are_of_the_capital():
    halved = msgspec.structs.replace(RESULT.backtest, capital=50_000.0)
    net = equity(halved).axes[0].lines[-1].get_ydata()
    assert net[0] == pytest.approx(100 * (RESULT.backtest.net.equity[0] / 50_000 - 1))


@given(st.lists(st.floats(-100, 100), min_size=1, max_size=12), st.floats(0.01, 20))
def test_names_at_the_curves_ends_keep_apart_and_in_order(places, room):
    found = spread(places, room)
    order = np.argsort(places, kind="stable")
    assert (np.diff(np.array(found)[order]) >= room * (1 - 1e-9)).all()
    assert np.mean(found) == pytest.approx(np.mean(places), abs=1e-6)


def test_how_often_what_was_predicted_is_counted_in_equal_widths():
    predicted, observed, count = np.array([0.3, 0.4]), np.array([0.2, 0.5]), np.array([50, 50])
    histogram = np.zeros(100, np.int64)
    histogram[[30, 31, 44]] = 10, 20, 70
    _, below = reliability((Reliability("ensemble", predicted, observed, count, histogram),)).axes
    heights = {round(bar.get_x(), 9): bar.get_height() for bar in below.patches if bar.get_height()}
    assert heights == {0.3: 10.0, 0.31: 20.0, 0.44: 70.0}
    assert len(reliability((Reliability("ensemble", predicted, observed, count),)).axes) == 1


def test_validation_begins_before_training_where_it_was_measured_there():
    train = LearningCurve(0, "lstm", "train_log_loss", np.array([0.6, 0.5]), axis="epoch")
    validation = LearningCurve(0, "lstm", "validation_log_loss", np.array([0.7, 0.65, 0.66]), 0, "epoch")
    (axes,) = learning((train, validation)).axes
    assert [line.get_xdata().tolist() for line in axes.lines] == [[1, 2], [0, 1, 2]]
    assert axes.get_xlabel() == "epoch"


def test_the_final_refits_curves_can_be_told_apart(pictures):
    final = [line for line in pictures["learning"].figure.axes[0].lines if line.get_color() == INK]
    assert len({line.get_linestyle() for line in final}) == len(final) == 2


def test_shares_of_nothing_are_nothing():
    assert shares({"a": 0.0}) == {"a": 0.0}
