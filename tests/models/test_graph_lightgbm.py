"""LightGBM's graph against the library, bit for bit."""

import lightgbm
import numpy as np
import pytest
from graph_samples import FEATURE_COUNT, lightgbm_booster, output_of, part_outputs, problem

from models.graph.errors import GraphError
from models.graph.lightgbm import ZERO, lightgbm_part
from models.probes import EXTREMES, extreme_rows, threshold_rows

VARIANTS = {
    "plain": {},
    "no missing values": {"use_missing": False},
    "zero is missing": {"zero_as_missing": True},
    "sigmoid": {"sigmoid": 1.7},
    "shallow": {"max_depth": 1, "num_leaves": 2},
    "dart": {"boosting": "dart"},
}


def trying_rows(part, x, seed, count):
    """Threshold rows, extreme rows, and rows full of holes."""
    generator = np.random.default_rng(seed)
    rows = np.concatenate(
        [threshold_rows(part.model, x, seed, count, count), extreme_rows(x, seed, count), x[:count], -x[:count]]
    )
    holes = rows.copy()
    holes[generator.random(rows.shape) < 0.3] = np.nan
    infinite = rows[: count // 4].copy()
    infinite[generator.random(infinite.shape) < 0.2] = generator.choice([-np.inf, np.inf])
    return np.concatenate([rows, holes, infinite, np.full((1, x.shape[1]), np.nan), np.zeros((1, x.shape[1]))])


def check_exact(booster, x, seed, count):
    part = lightgbm_part("lightgbm", booster, x.shape[1])
    rows = trying_rows(part, x, seed, count)
    probability, exponent = part_outputs(part, rows, "probability", output_of(part, "TreeEnsemble"))
    assert np.array_equal(-exponent, booster.predict(rows, raw_score=True, num_threads=1))
    assert np.array_equal(probability, booster.predict(rows, num_threads=1))
    assert len(np.unique(exponent)) > 2


@pytest.mark.parametrize("variant", VARIANTS)
def test_score_and_probability_are_exact(variant):
    x, y = problem(seed=1)
    check_exact(lightgbm_booster(x, y, **VARIANTS[variant]), x, seed=2, count=2_000)


@pytest.mark.long
@pytest.mark.parametrize("seed", range(2))
@pytest.mark.parametrize("variant", VARIANTS)
def test_score_and_probability_are_exact_on_a_hundred_thousand_rows(variant, seed):
    x, y = problem(seed=seed, rows=20_000, features=30)
    parameters = {"num_leaves": 63} | VARIANTS[variant]
    check_exact(lightgbm_booster(x, y, rounds=500, **parameters), x, seed, count=8_000)


def test_data_without_holes_sends_a_nan_where_zero_goes():
    x, y = problem(seed=3, holes=0.0)
    check_exact(lightgbm_booster(x, y), x, seed=4, count=300)


def test_the_zero_band_is_zero():
    """Splits at the edges of the band of values that are read as zero, and values all around them."""
    generator = np.random.default_rng(5)
    x = generator.choice([-1.0, 0.0, 1.0], (900, 2))
    booster = lightgbm_booster(x, (x[:, 0] > 0) ^ (x[:, 1] < 0) ^ (generator.random(900) < 0.1), rounds=20)
    part = lightgbm_part("lightgbm", booster, 2)
    edges = np.array([np.nextafter(side * ZERO, way) for side in (-1, 1) for way in (-np.inf, np.inf)])
    around = np.concatenate([EXTREMES, edges, [ZERO, -ZERO, np.nan]])
    rows = np.stack(np.meshgrid(around, around), axis=-1).reshape(-1, 2)
    assert np.array_equal(part_outputs(part, rows), booster.predict(rows))


def test_a_model_without_a_split_is_its_constant():
    x, y = problem(seed=6, rows=200)
    booster = lightgbm_booster(x, y, rounds=3, min_data_in_leaf=199)
    part = lightgbm_part("lightgbm", booster, FEATURE_COUNT)
    assert np.array_equal(part_outputs(part, x[:20]), booster.predict(x[:20]))


def test_early_stopping_takes_the_best_trees_as_predict_does():
    x, y = problem(seed=7)
    train = lightgbm.Dataset(x[:700], y[:700])
    booster = lightgbm.train(
        {"objective": "binary", "learning_rate": 0.5, "verbosity": -1, "num_threads": 1},
        train,
        200,
        valid_sets=[lightgbm.Dataset(x[700:], y[700:], reference=train)],
        keep_training_booster=True,
        callbacks=[lightgbm.early_stopping(5, verbose=False)],
    )
    assert 0 < booster.best_iteration < booster.current_iteration()
    part = lightgbm_part("lightgbm", booster, FEATURE_COUNT)
    assert np.array_equal(part_outputs(part, x), booster.predict(x))
    reread = lightgbm.Booster(model_str=booster.model_to_string(num_iteration=booster.best_iteration))
    assert lightgbm_part("lightgbm", reread, FEATURE_COUNT).model == part.model


@pytest.mark.parametrize(
    ("parameters", "names"),
    [
        ({"objective": "regression"}, "regression"),
        ({"objective": "multiclass", "num_class": 3}, "multiclass"),
        ({"boosting": "rf", "bagging_freq": 1, "bagging_fraction": 0.5}, "averaged"),
        ({"linear_tree": True}, "linear trees"),
    ],
)
def test_what_has_no_exact_graph_is_refused_by_name(parameters, names):
    x, y = problem(seed=8, rows=300, holes=0.0)
    booster = lightgbm_booster(x, y, rounds=3, **parameters)
    with pytest.raises(GraphError, match=names):
        lightgbm_part("lightgbm", booster, FEATURE_COUNT)


def test_categorical_splits_are_refused_with_the_column():
    generator = np.random.default_rng(9)
    x = np.column_stack([generator.normal(size=900), generator.integers(0, 9, 900)])
    data = lightgbm.Dataset(x, x[:, 1] % 2, feature_name=["trend", "venue"], categorical_feature=["venue"])
    booster = lightgbm.train({"objective": "binary", "verbosity": -1, "min_data_per_group": 1}, data, 3)
    with pytest.raises(GraphError, match="categorical split on 'venue'"):
        lightgbm_part("lightgbm", booster, 2)


def test_zero_that_is_missing_here_and_a_number_there_is_refused():
    class Mixed:
        """A booster whose first split on a feature says something else about zero than the others."""

        def model_to_string(self):
            x, y = problem(seed=10)
            lines = lightgbm_booster(x, y, rounds=5, zero_as_missing=True).model_to_string().split("\n")
            first = next(n for n, line in enumerate(lines) if line.startswith("decision_type="))
            lines[first] = lines[first].replace("=6", "=2").replace("=4", "=0")
            return "\n".join(lines)

    with pytest.raises(GraphError, match="zero is missing in some splits"):
        lightgbm_part("lightgbm", Mixed(), FEATURE_COUNT)


def test_another_number_of_features_is_refused():
    x, y = problem(seed=11, rows=300)
    with pytest.raises(GraphError, match=f"trained on {FEATURE_COUNT} features, the feature set has 9"):
        lightgbm_part("lightgbm", lightgbm_booster(x, y, rounds=2), 9)
