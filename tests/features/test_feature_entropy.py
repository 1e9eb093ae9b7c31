"""Entropies of messages that bars spell: the book's messages, its snippets, and every window length."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from features.catalogue import information
from features.catalogue.information import SIGNS, QuantileFit
from features.conformance import plain_bars, replayed
from features.engine import FeatureEngine
from features.errors import FeatureError
from features.feature import Feature
from features.feature_set import FeatureSet
from features.fitting import fit_features
from features.kernels.entropy import quantile_symbol
from market.time import MINUTE
from models.statistics.entropy import kontoyiannis_entropy, lempel_ziv_complexity, plug_in_entropy

pytestmark = pytest.mark.xdist_group("features")

MAKERS = {
    "shannon": (lambda n: information.shannon(SIGNS, n), lambda m: plug_in_entropy(m, 1)),
    "words of two": (lambda n: information.plug_in(SIGNS, 2, n), lambda m: plug_in_entropy(m, 2)),
    "words of three": (lambda n: information.plug_in(SIGNS, 3, n), lambda m: plug_in_entropy(m, 3)),
    "lempel-ziv": (lambda n: information.lempel_ziv(SIGNS, n), lempel_ziv_complexity),
    "kontoyiannis": (
        lambda n: information.kontoyiannis(SIGNS, n // 2, 1 + n % 2),
        lambda m: kontoyiannis_entropy(m, len(m) // 2),
    ),
    "kontoyiannis, short": (lambda n: information.kontoyiannis(SIGNS, 2, n - 3), lambda m: kontoyiannis_entropy(m, 2)),
}


def spelling(message: str) -> np.ndarray:
    """Bars whose returns fall at 0, rise at 1, and stand still at a dash."""
    bars = plain_bars(len(message) + 1, 1)
    steps = [{"0": -0.001, "1": 0.002, "-": 0.0}[letter] for letter in message]
    for name in ("open", "high", "low", "close"):
        bars[name] = 100.0 * np.exp(np.cumsum([0.0, *steps]))
    for row, step in enumerate(steps):
        if step == 0.0:
            for name in ("open", "high", "low", "close"):
                bars[name][row + 1] = bars[name][row]
    return bars


def engine_of(feature: Feature) -> FeatureEngine:
    return FeatureEngine(FeatureSet((feature.name,), MINUTE, 3, {feature.name: feature}))


MESSAGES = ("11100001", "101010101010", "101010010101", "00000000", "1-1-01-0")


@pytest.mark.parametrize("kind", MAKERS)
@pytest.mark.parametrize("message", MESSAGES)
def test_the_last_row_says_what_the_message_says(kind, message):
    make, say = MAKERS[kind]
    rows = replayed(engine_of(make(len(message))), spelling(message))
    assert np.isnan(rows[:-1]).all()
    assert rows[-1, 0] == pytest.approx(say(message), rel=1e-12, abs=1e-15)


@pytest.mark.parametrize(
    ("kind", "message", "published"),
    [
        ("lempel-ziv", "11100001", 5 / 8),
        ("shannon", "11100001", 1.0),
        ("words of two", "11100001", 0.9212),
        ("shannon", "1111", 0.0),
        ("words of two", "1010", 0.4591),
    ],
)
def test_values_by_hand(kind, message, published):
    """Of 11100001 a reader meets 1, 11, 0, 00, 01; of 1010's three pairs two are alike: (log2 3 - 2/3) / 2."""
    row = replayed(engine_of(MAKERS[kind][0](len(message))), spelling(message))[-1, 0]
    assert row == pytest.approx(published, abs=5e-5)


@settings(max_examples=10, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.text("01-", min_size=60, max_size=120))
@pytest.mark.parametrize("kind", MAKERS)
def test_every_window_of_a_long_message(kind, message):
    """The same engine slides over a message; the twin reads each window by itself."""
    make, say = MAKERS[kind]
    length = 17
    rows = replayed(engine_of(make(length)), spelling(message))[:, 0]
    expected = [say(message[end - length : end]) for end in range(length, len(message) + 1)]
    assert np.isnan(rows[:length]).all()
    np.testing.assert_allclose(rows[length:], expected, rtol=1e-12, atol=1e-15)


def test_one_letter_says_nothing_and_equal_shares_say_all():
    silent = engine_of(information.shannon(SIGNS, 9))
    assert replayed(silent, spelling("-" * 9))[-1, 0] == 0.0
    assert replayed(silent, spelling("01-" * 3))[-1, 0] == pytest.approx(np.log2(3), rel=1e-15)


def test_quantiles_are_those_of_all_runs_and_need_enough_rows():
    one, other = np.random.default_rng(1).standard_normal((2, 400, 1))
    ordered = np.sort(np.concatenate([one, other])[:, 0])
    expected = [0.5 * (ordered[k - 1] + ordered[k]) for k in (200, 400, 600)]
    assert QuantileFit(4)([one, other]) == QuantileFit(4)([other, one]) == expected
    with pytest.raises(FeatureError, match="399 returns after warm-up for 4 quantiles need 100 each"):
        QuantileFit(4)([one[:399]])


def test_cuts_lie_between_values_also_where_many_are_alike():
    values = np.repeat([-2.0, 0.0, 3.0], [100, 500, 200])[:, None]
    assert QuantileFit(4)([values]) == [1.5, 1.5, 1.5]
    assert QuantileFit(8)([values]) == [-1.0, 1.5, 1.5, 1.5, 1.5, 1.5, 3.0]
    assert QuantileFit(4)([np.zeros((400, 1))]) == [0.0, 0.0, 0.0]


def test_fitted_letters_come_equally_often_in_training():
    bars = plain_bars(6_000, 3)
    names = ("quantile_entropy_8_96",)
    fitted = fit_features(FeatureSet(names, MINUTE, 3), {"A": bars}, 0, 6_000 * MINUTE)
    cuts = fitted.fitted["return_quantiles_8"]
    assert list(cuts) == sorted(cuts)
    rows = replayed(FeatureEngine(fitted), bars)[:, 0]
    assert np.nanmean(rows) == pytest.approx(3.0 - 7 / (2 * 96 * np.log(2)), abs=0.01)  # Miller and Madow's bias


def letters_of(values, letters):
    """What the feature's own fit and kernel spell of values: fitted on them, like a training window."""
    cuts = np.array(QuantileFit(letters)([values[:, None]]))
    return np.array([quantile_symbol(cuts, 0, x, 0, letters) for x in values], np.int64), cuts


@pytest.mark.parametrize("letters", [2, 4, 8])
@pytest.mark.parametrize("draw", ["uniform", "standard_normal", "standard_cauchy"])
def test_quantile_letters_of_any_returns_say_log2_of_the_letters(draw, letters):
    values = getattr(np.random.default_rng(5), draw)(size=8_000)
    spelt, _ = letters_of(values, letters)
    assert np.bincount(spelt).tolist() == [8_000 // letters] * letters
    assert plug_in_entropy(spelt) == pytest.approx(np.log2(letters), rel=1e-12)
    # Pairs of independent letters say no more a letter, but for the bias of as many kinds of pairs.
    bias = (letters**2 - 1) / (2 * 7_999 * np.log(2)) / 2
    assert plug_in_entropy(spelt, 2) == pytest.approx(np.log2(letters) - bias, abs=0.005)


def test_the_entropy_of_normal_returns_is_that_of_their_quantile_letters_and_widths():
    """A density flat within each letter: log2 of the letters plus the mean log2 width, to half log2 of 2 π e."""
    gaussian = 0.5 * np.log2(2 * np.pi * np.e)
    values = np.sort(np.random.default_rng(6).standard_normal(40_000))
    apart = []
    for letters in (4, 20, 100):
        spelt, cuts = letters_of(values, letters)
        widths = np.diff([values[0], *cuts, values[-1]])
        apart.append(plug_in_entropy(spelt) + float(np.log2(widths).mean()) - gaussian)
    assert apart[0] > apart[1] > apart[2] > 0.0, "what is flat is less certain than what is not"
    assert apart[2] < 0.03
    assert round(gaussian, 4) == 2.0471
