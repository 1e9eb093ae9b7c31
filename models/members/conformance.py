"""What every member must do. ``check_member`` runs it all on panels whose probabilities are known.

A member that passes learns what can be learned and nothing that is not there, listens to sample weights, gives the
same bytes for the same seed, is blind to rows after its training and to the future of a prediction, and refuses
what cannot be learned from with a clear error.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from models.members.errors import MemberError
from models.members.planted import WARM_UP, Planted, planted, with_features, with_samples
from models.members.protocol import FittedMember, Member

Factory = Callable[[], Member]
SEED = 7
EXPORT_ERROR = 2e-6
"""The most that the graph may differ from the native library: float32's rounding."""
NULL_LOSS = 0.01
"""The most that a member may lose on a problem without signal, in nats per row (the signal's gain is 0.13)."""


def check_member(factory: Factory, share: float = 0.5) -> None:
    """Every check, on a fresh member each time.

    Parameters
    ----------
    factory
        Makes the member, with defaults.
    share
        The part of the best possible gain it must reach out of sample: two thirds of the planted signal are linear.

    Raises
    ------
    AssertionError
        With the check that failed and the figures.
    """
    problem = planted(seed=11)
    fitted = check_learns(factory, problem, share)
    check_repeatable_and_blind(factory, problem, fitted)
    check_prediction(fitted, problem)
    check_export(fitted, problem)
    check_null(factory)
    check_weights(factory, problem, 0.75 * share)
    check_constant_feature(factory, problem)
    check_tiny(factory, problem)
    check_refusals(factory, problem)


def fit(factory: Factory, problem: Planted, seed: int = SEED) -> FittedMember:
    """A member fitted on a problem's split."""
    return factory().fit(problem.panel, problem.train, problem.validation, seed)


def predict(fitted: FittedMember, problem: Planted, index: NDArray[np.int64]) -> NDArray[np.float64]:
    """Probabilities of some samples, each series read from its beginning."""
    samples = problem.panel.samples
    out = np.empty(len(index))
    for number, series in enumerate(problem.panel.series):
        mine = samples.instrument[index] == number
        history = fitted.predict(problem.panel, number, np.arange(len(series.features)))
        out[mine] = history[samples.row[index[mine]]]
    return out


def check_learns(factory: Factory, problem: Planted, share: float) -> FittedMember:
    """The member reaches a share of the best possible gain out of sample; progress goes up to one."""
    heard: list[float] = []
    fitted = factory().fit(
        problem.panel, problem.train, problem.validation, SEED, lambda _, fraction: heard.append(fraction)
    )
    assert heard == sorted(heard), f"{fitted.name}: progress goes back"
    assert heard[-1] == 1.0, f"{fitted.name}: progress ends at {heard[-1]}, not at 1"
    gain = problem.gain(predict(fitted, problem, problem.test), problem.test)
    least = share * problem.best_gain
    assert gain >= least, f"{fitted.name} gains {gain:.4f} nats on a learnable problem, less than {least:.4f}"
    return fitted


def check_null(factory: Factory) -> None:
    """Where there is no signal the member says about one half."""
    problem = planted(seed=13, signal=0.0)
    fitted = fit(factory, problem)
    lost = -problem.gain(predict(fitted, problem, problem.test), problem.test)
    assert lost <= NULL_LOSS, f"{fitted.name} loses {lost:.4f} nats where there is nothing to learn"


def check_repeatable_and_blind(factory: Factory, problem: Planted, fitted: FittedMember) -> None:
    """The same seed gives the same bytes, whatever the rows after the validation samples and their labels say."""
    samples, index = problem.panel.samples, np.concatenate([problem.train, problem.validation])
    last = int(samples.row[index].max())
    poisoned = [rows.copy() for rows in (series.features for series in problem.panel.series)]
    for rows in poisoned:
        rows[last + 1 :] = np.where(np.isnan(rows[last + 1 :]), 0.0, -1e6 * rows[last + 1 :])
    label, weight = 1 - samples.label, np.full(len(samples), 1e6)
    label[index], weight[index] = samples.label[index], samples.weight[index]
    again = fit(factory, with_samples(with_features(problem, poisoned), label=label, weight=weight))
    first, second = (predict(member, problem, np.arange(len(samples))) for member in (fitted, again))
    assert first.tobytes() == second.tobytes(), (
        f"{fitted.name}: the same seed gave other predictions (by up to {np.abs(first - second).max():.3g}) "
        "when rows after the training range were changed"
    )


def check_prediction(fitted: FittedMember, problem: Planted) -> None:
    """NaN rows give NaN, other rows a probability; a prediction does not know what comes after it."""
    series = problem.panel.series[1]
    rows = np.arange(len(series.features))
    history = fitted.predict(problem.panel, 1, rows)
    missing = np.isnan(series.features).any(axis=1)
    assert np.array_equal(np.isnan(history), missing), f"{fitted.name}: NaN where rows are whole, or the reverse"
    good = history[~missing]
    assert ((good > 0.0) & (good < 1.0)).all(), f"{fitted.name}: a probability is not between 0 and 1"
    stop = len(rows) // 2
    changed = with_features(problem, [_after(one.features, stop, 1e3) for one in problem.panel.series])
    blind = fitted.predict(changed.panel, 1, rows)[:stop]
    assert blind.tobytes() == history[:stop].tobytes(), f"{fitted.name}: predictions saw the features of later rows"
    part = fitted.predict(problem.panel, 1, rows[:stop])
    assert np.allclose(part, history[:stop], atol=1e-6, rtol=0, equal_nan=True), f"{fitted.name}: length matters"


def check_export(fitted: FittedMember, problem: Planted, rows: int = 300) -> None:
    """The graph, stepped bar by bar with its state, says what the native library says."""
    import onnxruntime

    part = fitted.part()
    session = onnxruntime.InferenceSession(part.model.SerializeToString(), providers=["CPUExecutionProvider"])
    state = {spec.name: np.zeros(spec.shape, spec.dtype) for spec in part.state}
    names = ["probability", *(f"next_{name}" for name in state)]
    stretch = np.arange(WARM_UP, WARM_UP + rows)
    said = np.empty(rows)
    for place, row in enumerate(problem.panel.series[0].features[stretch]):
        probability, *after = session.run(names, {"features": row[np.newaxis], **state})
        said[place], state = probability.item(), dict(zip(state, after, strict=True))
    native = fitted.predict(problem.panel, 0, stretch)
    worst = float(np.abs(said - native).max())
    assert worst <= EXPORT_ERROR, f"{fitted.name}: the graph differs from the library by {worst:.3g}"


def check_weights(factory: Factory, problem: Planted, share: float) -> None:
    """Half of the labels are reversed with almost no weight: they are not believed."""
    samples = problem.panel.samples
    wrong = np.random.default_rng(5).random(len(samples)) < 0.5
    label = np.where(wrong, 1 - samples.label, samples.label)
    weight = np.where(wrong, 1e-9, samples.weight)
    fitted = fit(factory, with_samples(problem, label=label, weight=weight))
    gain = problem.gain(predict(fitted, problem, problem.test), problem.test)
    least = share * problem.best_gain
    assert gain >= least, f"{fitted.name} believes labels without weight: gains {gain:.4f} nats, less than {least:.4f}"


def check_constant_feature(factory: Factory, problem: Planted) -> None:
    """A feature that never changes, or nearly always is the same, does no harm."""
    features = [series.features.copy() for series in problem.panel.series]
    for rows in features:
        whole = ~np.isnan(rows).any(axis=1)
        rows[whole, 4] = 3.0
        rows[whole, 5] = (rows[whole, 5] > 2.5).astype(np.float64)
    changed = with_features(problem, features)
    gain = changed.gain(predict(fit(factory, changed), changed, changed.test), changed.test)
    assert gain > 0.25 * problem.best_gain, f"a constant feature leaves only {gain:.4f} nats"


def check_tiny(factory: Factory, problem: Planted) -> None:
    """Eight rows are learned from, or refused with the room's error; never a NaN."""
    tiny = replace(problem, train=problem.train[:8], validation=problem.validation[:2])
    try:
        fitted = fit(factory, tiny)
    except MemberError:
        return
    said = predict(fitted, problem, problem.test)
    assert ((said > 0.0) & (said < 1.0)).all(), f"{fitted.name}: eight rows give {said.min()} to {said.max()}"


def check_refusals(factory: Factory, problem: Planted) -> None:
    """No rows, one class, no weight, a NaN in a sample: each is refused with the room's error."""
    nothing = np.empty(0, np.int64)
    samples = problem.panel.samples
    holes = [series.features.copy() for series in problem.panel.series]
    holes[int(samples.instrument[problem.train[0]])][int(samples.row[problem.train[0]]), 0] = np.nan
    cases = {
        "no training rows": replace(problem, train=nothing),
        "no validation rows": replace(problem, validation=nothing),
        "one class": with_samples(problem, label=np.zeros_like(samples.label)),
        "weights of zero": with_samples(problem, weight=np.zeros_like(samples.weight)),
        "a NaN in a training row": with_features(problem, holes),
    }
    for what, case in cases.items():
        try:
            fit(factory, case)
        except MemberError:
            continue
        raise AssertionError(f"{what}: not refused")


def _after(features: NDArray[np.float64], row: int, value: float) -> NDArray[np.float64]:
    changed = features.copy()
    changed[row:] = value
    return changed
