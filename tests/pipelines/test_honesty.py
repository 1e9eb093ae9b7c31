"""The honesty campaign: what is worthless is not called significant, and what is real is found.

Measured on 200 null markets: the best of twelve worthless trials looks significant by itself on 36 % of them, and after
the ledger's correction on none; the binomial band of 5 % allows 16. Nominally the correction is stricter than 5 %: the
best must be above what the best of so many reaches *on average* by 1.64 standard errors, which the best of twelve
independent ones is with probability 12 · P(z > 1.67 + 1.64) = 0.6 %.

The slice in the suite looks at eight null markets and allows no verdict. The judge exceeds that with probability
1 − 0.994⁸ = 5 % (fixed seeds: he either does or does not); one who had lost the correction stays within it with
probability 0.64⁸ = 3 %, and on these very seeds he does not, which is asserted too.
"""

from __future__ import annotations

from itertools import pairwise

import msgspec
import numpy as np
import pytest
from scipy.stats import binom

from pipelines.gates.trials import deflated_gate
from pipelines.ledger.against import clustered
from pipelines.ledger.guard import summarise
from pipelines.results import ENSEMBLE
from pipelines.stages.judgement import deflated
from tests.pipelines.factory import make_result
from tests.pipelines.factory_laboratory import make_trials
from tests.pipelines.honesty import (
    FULL_HEAD,
    HEAD,
    IDEAS,
    PARAMETERS,
    SIZE,
    allowed,
    full_null,
    hurried,
    learnt,
    null_both,
    null_free,
    on_each,
    power_free,
    power_net,
    rates,
    selection,
    strength,
    worthless,
)
from tests.pipelines.ledger_factory import SPAN, daily, finished, local_ledger

pytestmark = [pytest.mark.xdist_group("honesty"), pytest.mark.timeout(3_600)]


def test_the_band():
    assert (allowed(200), allowed(8)) == (16, 2)
    assert binom.cdf(16, 200, SIZE) >= 0.975 > binom.cdf(15, 200, SIZE)


def test_a_slice_of_the_null_campaign():
    with hurried():
        found = [null_free(seed) for seed in range(8)]
    counted = rates(found)
    print(f"\n{HEAD}\n{counted.row('trading is free')}")
    assert all(one.trials.distinct == 2 * len(IDEAS) and one.trials.verified for one in found)
    assert counted.significant == 0
    # Else the bound would show nothing: one who had lost the correction exceeds it on these very markets.
    assert counted.naive >= 2
    for one in found:
        assert one.verdict.deflated < one.verdict.probabilistic


@pytest.mark.long
def test_the_best_of_many_worthless_ideas_is_rarely_significant():
    both = on_each(null_both, range(1_000, 1_040))
    gross = [one for one, _ in both] + on_each(null_free, range(1_040, 1_200))
    free, costly = rates(gross), rates([net for _, net in both])
    said = "\n".join([HEAD, free.row("trading is free"), costly.row("after costs")])
    print(f"\n{said}")
    assert all(one.trials.distinct == 2 * len(IDEAS) and one.trials.verified for one in gross)
    assert free.significant <= allowed(free.markets), said
    assert costly.significant <= allowed(costly.markets), said
    # Without the correction the same researcher is fooled on far more markets than a band around 5 % holds.
    assert free.naive > 2 * allowed(free.markets), said


@pytest.mark.long
def test_the_whole_pipeline_finds_nothing_on_null_markets():
    found = on_each(full_null, range(2_000, 2_010))
    said = "\n".join([FULL_HEAD, *(one.row() for one in found)])
    print(f"\n{said}")
    for one in found:
        laboratory = one.laboratory
        assert {made.name for made in laboratory.strategies} == {
            "lstm", "lightgbm", "xgboost", "linear", "stacker", ENSEMBLE,
        }  # fmt: skip
        assert one.trials.distinct == 2
        assert len(laboratory.paths.paths) == 3
    assert sum(one.laboratory.deflated.deflated >= 1 - SIZE for one in found) <= allowed(10), said
    assert sum(one.laboratory.snooping[0].spa <= SIZE for one in found) <= allowed(10), said
    assert sum(one.gain.above_zero for one in found) <= allowed(10, SIZE / 2), said


STRENGTHS = (0.05, 0.1, 0.2, 0.3, 0.4)
STRONGEST, MARKETS = 0.6, 60


@pytest.mark.long
def test_power_rises_with_the_edge():
    """Among six ideas, of which some find the edge and some cannot; 60 of 60 are above 95 % at 95 % confidence.

    The price of the correction is seen between: ideas that find the edge beside ideas that do not widen the spread of
    the trials' Sharpe ratios, from which the luck is computed, so that an edge counts as luck until it is a large one.
    """
    jobs = [(edge, 3_000 + seed) for edge in STRENGTHS for seed in range(8)]
    jobs += [(STRONGEST, 3_000 + seed) for seed in range(MARKETS)]
    asked = on_each(power_free, jobs)
    costly = rates(on_each(power_net, [(STRONGEST, 3_000 + seed) for seed in range(6)]))
    lines, power = [f"{'edge':>5} {'nats':>8} {'effective':>9} {'markets':>7} {'uncorrected':>11} {'power':>6}"], {}
    for edge in (*STRENGTHS, STRONGEST):
        counted = rates([one for (mine, _), one in zip(jobs, asked, strict=True) if mine == edge])
        known = strength(edge)
        power[edge] = counted.significant / counted.markets
        lines.append(
            f"{edge:>5} {known.nats:>8.5f} {known.effective:>9.0f} {counted.markets:>7} "
            f"{counted.naive / counted.markets:>11.0%} {power[edge]:>6.0%}"
        )
    lines.append(f"after costs, edge {STRONGEST}: {costly.significant} of {costly.markets}")
    said = "\n".join(lines)
    print(f"\n{said}")
    assert power[STRONGEST] > 0.95, said
    assert power[STRENGTHS[0]] < power[STRONGEST], said
    markets = dict.fromkeys(STRENGTHS, 8) | {STRONGEST: MARKETS}
    for weaker, stronger in pairwise((*STRENGTHS, STRONGEST)):
        assert not falls(power[weaker], markets[weaker], power[stronger], markets[stronger]), said


def falls(before, tried_before, after, tried_after):
    """Whether a share of successes falls by more than 1.96 binomial errors of both; none or all of them has one too.

    The errors are Agresti and Caffo's: of the shares with one success and one failure added to each.
    """
    shares = [(share * tried + 1) / (tried + 2) for share, tried in ((before, tried_before), (after, tried_after))]
    variances = [one * (1 - one) / (tried + 2) for one, tried in zip(shares, (tried_before, tried_after), strict=True)]
    return shares[0] - shares[1] > 1.96 * sum(variances) ** 0.5


def test_a_fall_of_power_would_be_seen():
    assert falls(1.0, 8, 0.25, 8)
    assert falls(1.0, 8, 0.5, 60)
    assert not falls(0.5, 8, 0.375, 8)
    assert not falls(0.0, 8, 0.0, 60)


SIZES = (500, 1_000, 2_000, 4_000, 8_000, 16_000, 32_000)


@pytest.mark.long
def test_information_gain_approaches_the_optimum_as_data_grows():
    """A fit of k parameters to n effective rows loses about k / 2n nats of the gain G: its share is 1 − k / 2nG."""
    repeats = 6
    found = on_each(learnt, [(bars, 4_000 + seed) for bars in SIZES for seed in range(repeats)])
    lines = [
        f"{'bars':>6} {'effective':>9} {'optimum':>8} {'gain':>8} {'share':>6} {'excess':>8} {'k / 2n':>8} {'says':>6}"
    ]
    shares, promised = [], []
    for number, bars in enumerate(SIZES):
        part = found[number * repeats : (number + 1) * repeats]
        effective, gain, possible = (
            float(np.mean([getattr(one, name) for one in part])) for name in ("effective", "gain", "possible")
        )
        excess = PARAMETERS / (2.0 * effective)
        shares.append(gain / possible)
        promised.append(1.0 - excess / possible)
        lines.append(
            f"{bars:>6} {effective:>9.0f} {possible:>8.5f} {gain:>8.5f} {shares[-1]:>6.1%} {possible - gain:>8.5f} "
            f"{excess:>8.5f} {promised[-1]:>6.1%}"
        )
    said = "\n".join(lines)
    print(f"\n{said}")
    assert shares[0] < shares[2] < shares[4] < 1.05, said
    assert promised[-1] > 0.98, said
    assert shares[-1] >= 0.95, said


def passes_the_gate(judged):
    """Whether promotion's gate passes a run whose laboratory judged its profit so."""
    run = make_result(count=600)
    laboratory = msgspec.structs.replace(run.laboratory, deflated=judged)
    return deflated_gate(msgspec.structs.replace(run, laboratory=laboratory)).passed


def test_the_gate_passes_what_is_far_beyond_the_luck_of_its_trials():
    strong = np.random.default_rng(1).normal(0.004, 0.01, 365)
    assert passes_the_gate(deflated(strong, make_trials(distinct=12, effective=4.5)))


def test_the_best_of_a_thousand_worthless_strategies_passes_no_gate():
    found = [selection(seed) for seed in range(40)]
    assert not any(passes_the_gate(one.judged) for one in found)
    table = np.array([[one.naive, one.deflated, one.overfitting, one.spa, one.stepdown] for one in found])
    naive, luck, overfit, spa, step = table.T
    print(
        f"\nbest of 1,000, 40 times: PSR at least {naive.min():.3f}, deflated at most {luck.max():.3f}, PBO "
        f"{overfit.mean():.3f} ± {overfit.std() / 40**0.5:.3f}, SPA below 5 % {(spa <= SIZE).sum()}, "
        f"StepM {(step <= SIZE).sum()} times"
    )
    # Everybody who looks at the best alone is fooled, every time.
    assert (naive >= 1 - SIZE).all()
    # P(the best of 1,000 passes) is about 1,000 · P(z > 3.26 + 1.64) = 0.0005 a time.
    assert (luck < 1 - SIZE).all()
    assert abs(overfit.mean() - 0.5) < 0.1
    assert (spa <= SIZE).sum() <= allowed(40)
    assert (step <= SIZE).sum() <= allowed(40)


@pytest.mark.long
def test_the_ledger_counts_a_thousand_strategies(tmp_path):
    ledger, returns = local_ledger(tmp_path), worthless(seed=77, days=90)
    best = int(np.argmax(returns.mean(axis=0) / returns.std(axis=0)))
    for number, one in enumerate(returns.T):
        finished(ledger, f"t{number}", daily(one))
    trials = summarise(ledger, f"t{best}", [SPAN])
    verdict = deflated(returns[:, best], trials)
    assert trials.verified
    assert (trials.distinct, trials.compared) == (1_000, 1_000)
    assert 500 < trials.effective < 1_000
    assert not passes_the_gate(verdict)
    as_the_flow_counts = summarise(ledger, f"t{best}", [SPAN], effective=clustered)
    assert not passes_the_gate(deflated(returns[:, best], as_the_flow_counts))
    assert verdict.probabilistic >= 1 - SIZE
    assert verdict.deflated < 1 - SIZE
    assert verdict.by_all <= verdict.deflated
