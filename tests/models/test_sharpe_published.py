"""Sharpe ratios, their haircuts and the lengths they need, against the numbers printed in the papers."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.errors import ModelError
from models.statistics.selection import (
    adjusted_p_values,
    expected_maximum,
    haircut_sharpe,
    haircut_sharpes,
    minimum_backtest_length,
    most_trials,
)
from models.statistics.sharpe import (
    deflated_sharpe,
    expected_best_sharpe,
    minimum_track_record,
    probabilistic_sharpe,
    sharpe_variance,
)
from models.statistics.sharpe_intervals import annual_factor


@pytest.mark.parametrize(
    ("sharpe", "months", "printed"), [(0.5, 12, 0.306), (0.5, 24, 0.217), (0.5, 60, 0.137), (1.0, 60, 0.158)]
)
def test_the_error_of_normal_returns_is_lo_2002_table_1(sharpe, months, printed):
    assert (sharpe_variance(sharpe, 0.0, 3.0) / months) ** 0.5 == pytest.approx(printed, abs=5e-4)


@pytest.mark.parametrize(("skewness", "kurtosis", "printed"), [(-2.448, 10.164, 0.913), (0.0, 3.0, 0.982)])
def test_psr_of_the_hedge_fund_in_bailey_and_lopez_de_prado_2012(skewness, kurtosis, printed):
    assert probabilistic_sharpe(0.458, 24, skewness, kurtosis) == pytest.approx(printed, abs=5e-4)


@pytest.mark.parametrize(
    ("per_year", "skewness", "kurtosis", "printed"),
    [(252, 0, 3, 2.73), (52, 0, 3, 2.83), (12, 0, 3, 3.24), (12, -0.72, 5.78, 4.99)],
)
def test_minimum_track_record_of_bailey_and_lopez_de_prado_2012(per_year, skewness, kurtosis, printed):
    root = per_year**-0.5
    years = minimum_track_record(2 * root, skewness, kurtosis, benchmark=root) / per_year
    assert years == pytest.approx(printed, abs=5e-3)


@settings(deadline=None)
@given(
    st.floats(0.01, 0.5),
    st.floats(-2, 2),
    st.floats(0, 10),
    st.floats(-0.5, 0.0),
    st.floats(0.55, 0.999),
)
def test_at_the_minimum_track_record_psr_is_its_confidence(sharpe, skewness, more, benchmark, confidence):
    kurtosis = 1 + skewness**2 + more
    length = minimum_track_record(sharpe, skewness, kurtosis, benchmark, confidence)
    assert probabilistic_sharpe(sharpe, length, skewness, kurtosis, benchmark) == pytest.approx(confidence, abs=1e-6)


def test_no_record_is_long_enough_below_the_benchmark():
    assert minimum_track_record(0.1, 0, 3, 0.1) == np.inf
    assert np.isnan(minimum_track_record(float("nan"), 0, 3, 0.1))
    with pytest.raises(ModelError, match="is not between"):
        minimum_track_record(0.1, 0, 3, confidence=0.5)


def test_excess_kurtosis_is_refused_where_it_cannot_be_raw():
    with pytest.raises(ModelError, match="in excess of 3"):
        probabilistic_sharpe(0.1, 100, -1.0, 0.4)


@pytest.mark.parametrize(("trials", "printed"), [(100, 0.9004), (46, 0.9505)])
def test_dsr_of_bailey_and_lopez_de_prado_2014(trials, printed):
    assert deflated_sharpe(2.5 / 250**0.5, 1250, -3, 10, trials, 0.5 / 250) == pytest.approx(printed, abs=5e-5)


def test_sr0_of_bailey_and_lopez_de_prado_2014():
    assert expected_best_sharpe(100, 0.5 / 250) == pytest.approx(0.1132, abs=5e-5)


def test_annualised_ratios_or_excess_kurtosis_would_not_give_the_paper_s_dsr():
    wrong = deflated_sharpe(2.5 / 250**0.5, 1250, -3, 10 + 3, 100, 0.5 / 250)
    assert abs(wrong - 0.9004) > 1e-3
    assert deflated_sharpe(2.5, 1250, -3, 10, 100, 0.5) > 0.999


def test_five_years_bear_45_trials_in_bailey_borwein_lopez_de_prado_and_zhu_2014():
    assert minimum_backtest_length(45) < 5.0 < minimum_backtest_length(46)
    assert most_trials(5.0) == 45


def test_the_best_of_ten_reaches_1_57_in_bailey_borwein_lopez_de_prado_and_zhu_2014():
    assert expected_best_sharpe(10, 1.0) == pytest.approx(1.57, abs=5e-3)


@settings(deadline=None)
@given(st.integers(2, 10_000), st.floats(0.2, 3))
def test_minbtl_is_below_its_bound_and_most_trials_inverts_it(trials, sharpe):
    years = minimum_backtest_length(trials, sharpe)
    assert years < 2 * np.log(trials) / sharpe**2
    assert most_trials(years * (1 + 1e-9), sharpe) == trials
    assert most_trials(years * (1 - 1e-6), sharpe) == trials - 1


def test_minbtl_needs_an_expected_ratio():
    with pytest.raises(ModelError, match="not positive"):
        minimum_backtest_length(10, 0.0)


@pytest.mark.parametrize(
    ("trials", "exact"),
    [(1, 0.0), (2, np.pi**-0.5), (3, 1.5 * np.pi**-0.5), (5, 1.162964473640519), (10, 1.538752730835)],
)
def test_the_exact_expected_maximum_is_that_of_order_statistics(trials, exact):
    """Closed forms for 2 and 3; Harter (1961), table 1, to 5 digits (1.16296, 1.53875)."""
    assert expected_maximum(trials) == pytest.approx(exact, abs=1e-9)


@pytest.mark.parametrize("trials", [7, 50, 1000])
def test_the_exact_expected_maximum_is_what_a_simulation_finds(trials):
    best = np.random.default_rng(1).normal(size=(20_000, trials)).max(axis=1)
    assert expected_maximum(trials) == pytest.approx(best.mean(), abs=4 * best.std() / 20_000**0.5)


@settings(deadline=None)
@given(st.floats(5, 1e6))
def test_the_approximation_of_the_expected_maximum_is_a_little_high(trials):
    assert 1.0 < expected_best_sharpe(trials, 1.0) / expected_maximum(trials) < 1.035


def test_no_trial_has_no_maximum():
    with pytest.raises(ModelError, match="at least one"):
        expected_maximum(0.5)


@pytest.mark.parametrize(("rho", "printed"), [(0.0, 3.46), (0.2, 2.88)])
def test_eta_of_monthly_returns_is_lo_2002_table_2(rho, printed):
    assert annual_factor(rho ** np.arange(1, 12), 12) == pytest.approx(printed, abs=5e-3)


def test_the_haircut_is_the_example_of_harvey_and_liu_2015():
    """SR 0.75 over 240 months: p = 0.0008; of 200 tests p = 0.15, which is a ratio of 0.32."""
    found = haircut_sharpe(0.75 / 12**0.5, 240, 200)
    assert found.p_value == pytest.approx(0.0008, abs=5e-5)
    assert found.adjusted_p_value == pytest.approx(0.15, abs=5e-3)
    assert found.sharpe * 12**0.5 == pytest.approx(0.32, abs=5e-3)
    assert found.haircut == pytest.approx(1 - found.sharpe * 12**0.5 / 0.75)


P_VALUES = np.array([0.06, 0.005, 0.0135, 0.009, 0.045, 0.0128])
ADJUSTED = {
    "bonferroni": [0.36, 0.03, 0.081, 0.054, 0.27, 0.0768],
    "sidak": [0.31013021894399995, 0.029627490643734374, 0.07831496195842912, 0.05279948193876256,
              0.24138708948998436, 0.07438394244400226],
    "holm": [0.09, 0.03, 0.0512, 0.045, 0.09, 0.0512],
    "benjamini_yekutieli": [0.147, 0.0496125, 0.0496125, 0.0496125, 0.1323, 0.0496125],
}  # fmt: skip


@pytest.mark.parametrize("method", ADJUSTED)
def test_adjusted_p_values_are_statsmodels_0_15(method):
    """Of the six p-values of Harvey and Liu (2015), by ``statsmodels.stats.multitest.multipletests``."""
    assert adjusted_p_values(P_VALUES, method) == pytest.approx(np.array(ADJUSTED[method]), rel=1e-12)


@settings(deadline=None)
@given(st.lists(st.floats(1e-12, 1), min_size=1, max_size=30), st.sampled_from(sorted(ADJUSTED)))
def test_adjusting_raises_p_values_keeps_their_order_and_depends_on_no_order(p_values, method):
    given_values = np.array(p_values)
    found = adjusted_p_values(given_values, method)
    assert (found >= given_values * (1 - 1e-9)).all()
    assert (found <= 1).all()
    order = np.argsort(given_values, kind="stable")
    assert (np.diff(found[order]) >= 0).all()
    assert adjusted_p_values(given_values[::-1], method)[::-1] == pytest.approx(found, rel=1e-12)
    if method != "benjamini_yekutieli":
        assert (adjusted_p_values(given_values, "holm") <= adjusted_p_values(given_values, "bonferroni") + 1e-15).all()


def test_holm_keeps_the_family_wise_error_rate():
    p_values = np.random.default_rng(2).uniform(size=(4000, 10))
    wrong = np.mean([adjusted_p_values(one, "holm").min() <= 0.05 for one in p_values])
    assert wrong == pytest.approx(0.05, abs=0.012)


def test_the_best_haircut_of_many_is_bonferroni_s_by_holm():
    many = np.array([0.05, 0.3, -0.1, 0.12])
    alone = haircut_sharpe(0.3, 120, 4, "bonferroni")
    assert haircut_sharpes(many, 120, "holm")[1].sharpe == pytest.approx(alone.sharpe, rel=1e-12)
    assert all(abs(one.sharpe) <= abs(given) for one, given in zip(haircut_sharpes(many, 120), many, strict=True))
    assert haircut_sharpes(np.array([-0.3, 0.1]), 120)[0].sharpe < 0


def test_one_trial_gets_no_haircut():
    assert haircut_sharpe(0.2, 100, 1).haircut == 0


@pytest.mark.parametrize(
    ("values", "method"), [([0.1, 1.2], "holm"), ([], "holm"), ([0.1], "tukey"), ([np.nan], "holm")]
)
def test_what_is_no_p_value_or_no_method_is_refused(values, method):
    with pytest.raises(ModelError):
        adjusted_p_values(np.array(values), method)
    with pytest.raises(ModelError):
        haircut_sharpe(0.1, 10, 0)
    with pytest.raises(ModelError):
        haircut_sharpe(0.1, 10, 5, "holm")
