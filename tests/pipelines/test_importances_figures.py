"""Pictures of importances: what stands in them is what the values say, and the same values give the same bytes."""

from __future__ import annotations

import numpy as np
import pytest

from models.importance.clusters import Clusters, cluster_features
from models.importance.shap import Contributions
from models.importance.stability import stability
from models.importance.table import Importances
from pipelines.figures.cells import LONGEST_NAME
from pipelines.figures.importances import (
    LINE,
    MARGIN,
    cluster_map,
    fold_agreement,
    importance_bars,
    method_agreement,
    shap_summary,
    swarm,
)
from pipelines.figures.style import SKY, svg

NAMES = tuple(f"feature_{number}" for number in range(12))


def table(seed=1, rows=5, method="demo"):
    random = np.random.default_rng(seed)
    return Importances(method, "nats", NAMES, np.linspace(1, 0, 12) + 0.15 * random.standard_normal((rows, 12)))


def contributions(seed=1, rows=60):
    random = np.random.default_rng(seed)
    values = random.standard_normal((rows, 12)) * np.linspace(2, 0.1, 12)
    return Contributions(NAMES, values.copy(), values, np.zeros(rows), values.sum(axis=1), np.ones(rows))


def clusters(features=12):
    random = np.random.default_rng(2)
    X = np.repeat(random.standard_normal((200, features // 3)), 3, axis=1) + 0.2 * random.standard_normal(
        (200, features)
    )
    return cluster_features(X, [f"feature_{number}" for number in range(features)])


def texts(axes):
    return [text.get_text() for text in axes.texts]


def rows_of(axes):
    return [label.get_text() for label in axes.get_yticklabels()]


def test_bars_are_the_leading_features_and_pale_where_the_interval_holds_zero():
    one = table()
    axes = importance_bars(one, shown=12).axes[0]
    assert rows_of(axes) == list(one.sorted().names)
    bars = [patch for patch in axes.patches if patch.get_height() > 0.5]
    assert [bar.get_width() for bar in bars] == one.sorted().mean.tolist()
    low, high = one.sorted().interval()
    pale = [tuple(bar.get_facecolor())[:3] for bar in bars]
    sky = tuple(int(SKY[place : place + 2], 16) / 255 for place in (1, 3, 5))
    assert [np.allclose(colour, sky) for colour in pale] == ((low <= 0) & (high >= 0)).tolist()
    assert 0 < sum(np.allclose(colour, sky) for colour in pale) < 12


def test_a_summary_shows_the_largest_contributions_first_and_every_row():
    found = contributions()
    axes = shap_summary(found, shown=4).axes[0]
    order = np.argsort(-np.abs(found.values).mean(axis=0))[:4]
    assert rows_of(axes) == [NAMES[column] for column in order]
    for place, (points, column) in enumerate(zip(axes.collections, order, strict=True)):
        x, y = points.get_offsets().T
        np.testing.assert_array_equal(x, found.values[:, column])
        assert (np.abs(y - place) < 0.5).all()
        assert np.corrcoef(points.get_array(), found.features[:, column])[0, 1] > 0.9


def test_folds_say_their_ranks_and_how_they_agree():
    one = table()
    left, right = fold_agreement(one, shown=3).axes
    rank = np.argsort(np.argsort(-one.values, axis=1), axis=1) + 1
    assert texts(left) == [str(value) for value in rank[:, one.order()[:3]].T.ravel()]
    found = stability(one)
    assert texts(right)[1] == f"{found.rank_correlation[0, 1]:.2f}"
    assert f"W {found.concordance.w:.2f}" in right.get_xlabel()
    assert f"{found.overlap.mean:.1f} (by chance {found.overlap.expected:.1f})" in right.get_xlabel()


def test_methods_are_matched_by_feature_names():
    one = table()
    other = one.take(np.arange(12)[::-1])
    axes = method_agreement({"first": one, "second": other}, shown=12).axes[0]
    ranks = np.array(texts(axes)).reshape(12, 2)
    assert (ranks[:, 0] == ranks[:, 1]).all()
    assert ranks[:, 0].tolist() == [str(number + 1) for number in range(12)]


@pytest.mark.parametrize(("features", "shown"), [(12, "names"), (60, "titles")])
def test_a_map_has_a_box_a_cluster(features, shown):
    found = clusters(features)
    left = cluster_map(found).axes[0]
    assert len(left.patches) == len(found)
    order = np.argsort(found.label, kind="stable")
    expected = [found.names[column] for column in order] if shown == "names" else list(found.titles)
    assert [text.strip() for text in texts(left)] == expected
    places = np.array([text.get_position()[1] for text in left.texts])
    assert np.diff(places).min() > 0.9 * LINE * features / (left.figure.get_figheight() - MARGIN)
    np.testing.assert_array_equal(left.images[0].get_array(), found.distance[np.ix_(order, order)])


def test_points_that_coincide_stand_apart():
    aside = swarm(np.zeros(5), span=1.0)
    assert len(set(aside.tolist())) == 5
    assert np.abs(aside).max() == 0.38
    assert (swarm(np.arange(5.0), span=4.0) == 0).all()


def test_the_same_values_give_the_same_bytes_and_others_do_not():
    drawn = [
        lambda seed: importance_bars(table(seed), shown=3),
        lambda seed: fold_agreement(table(seed), shown=3),
        lambda seed: shap_summary(contributions(seed), shown=3),
        lambda seed: method_agreement({"one": table(seed), "two": table(3)}, shown=3),
    ]
    for draw in drawn:
        first, second, other = svg(draw(1)), svg(draw(1)), svg(draw(2))
        assert first == second
        assert first != other


def test_long_names_are_cut():
    names = ("a" * 60, "b", "c")
    distance = 1 - np.eye(3)
    found = Clusters(names, np.array([0, 0, 1]), np.zeros(3), distance)
    assert [len(text.strip()) for text in texts(cluster_map(found).axes[0])] == [LONGEST_NAME, 1, 1]
