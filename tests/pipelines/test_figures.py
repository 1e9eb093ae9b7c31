"""Every figure draws, the same bytes each time, and thinning hides nothing."""

import xml.etree.ElementTree as ElementTree

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipelines.figures.equity import drawdown
from pipelines.figures.folds import purged
from pipelines.figures.gallery import gallery
from pipelines.figures.importance import shares
from pipelines.figures.style import colours, svg, thinned
from pipelines.results import Fold, Span
from tests.pipelines.factory import ROLES, make_result

RESULT = make_result()
NAMES = ("gain", "folds", "gain_by_fold", "reliability", "learning", "importance", "equity", "paper")


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


def test_figures_show_the_data(drawings):
    other = gallery(make_result(seed=2))
    for name in set(NAMES) - {"folds"}:
        assert svg(other[name].figure) != drawings[name], name


def test_a_bare_result_has_no_figures():
    bare = msgspec.structs.replace(
        RESULT, predictors=(), folds=(), reliability=(), learning_curves=(), importances=(), backtest=None, paper=None
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


def test_the_purged_stretch_lies_between_training_and_test():
    after = Fold(0, (Span(0, 5), Span(20, 30)), Span(8, 15), 1, 1.0, 1, 1.0, {})
    touching = Fold(0, (Span(0, 8),), Span(8, 15), 1, 1.0, 1, 1.0, {})
    assert purged(after) == Span(5, 8)
    assert purged(touching) is None


def test_shares_of_nothing_are_nothing():
    assert shares({"a": 0.0}) == {"a": 0.0}
