"""No model becomes champion without evidence, and every gate says why."""

from dataclasses import replace

import msgspec
import numpy as np
import pytest

from market.time import DAY
from models.bundle.bundle import Bundle
from pipelines import gates
from pipelines.audit.findings import Audit
from pipelines.errors import ConfigError
from pipelines.gates import expiry, latency, research, whole
from pipelines.gates.drift import Drift, drift_gate
from pipelines.gates.evidence import BASE_RATE, CHAMPION, Evidence
from pipelines.gates.rivals import RETURN, Lead
from pipelines.ledger.errors import LedgerError
from pipelines.results import Estimate, PairedDifference, Reliability
from tests.pipelines.factory import make_result
from tests.pipelines.factory_audit import CAUGHT, make_audit
from tests.pipelines.tiny_bundle import with_bundle, write_bundle

GOOD = make_result(edge=0.4, drift=4e-4)
BAD = make_result(edge=0.0)
CONFIG = gates.GateConfig()
ALL = [
    "certificate",
    "golden rows",
    "leakage audit",
    "parity",
    "prediction",
    "members",
    "calibration",
    "profit",
    "trials",
    "deflated Sharpe",
    "overfitting",
    "better than the base rate",
    "latency",
    "drift",
    "expiry",
]
LEAD = Lead(0.004, 0.001, 0.002, 0.003, 4_000, 900.0, 20)
EARNED = Lead(0.0004, -0.0002, 0.0001, 0.0009, 4_000, 4_000.0, 20, RETURN)
USUAL = np.linspace(0.05, 0.2, 19)


@pytest.fixture(scope="module")
def bundle(tmp_path_factory):
    folder = tmp_path_factory.mktemp("bundle") / "tiny"
    write_bundle(folder)
    return Bundle.load(folder)


def evidence(result=GOOD, **changes):
    """All that a champion needs, but for what is changed."""
    found = Evidence(
        result=result,
        now=result,
        rival=BASE_RATE,
        lead=LEAD,
        earned=None,
        latency=latency.Latency(60.0, 150.0, 2_000, 300),
        drift=Drift(0.1, USUAL, DAY, 400, ()),
        moment=10**18 + DAY,
        config=CONFIG,
    )
    return replace(found, **changes)


def failed(verdicts):
    return {one.gate for one in verdicts if not one.passed}


def champion(bundle, *arguments, **changes):
    return gates.verdicts(bundle, "champion", evidence(*arguments, **changes))


def only(verdicts, gate):
    return next(one for one in verdicts if one.gate == gate)


def test_a_supported_edge_passes_every_gate(bundle):
    found = champion(bundle)
    assert failed(found) == set()
    assert [one.gate for one in found] == ALL
    assert all(one.reason and one.needed for one in found)


def test_no_edge_fails_prediction_and_profit_only(bundle):
    assert failed(champion(bundle, BAD)) == {"prediction", "profit", "deflated Sharpe"}


def changed(result, **laboratory):
    return msgspec.structs.replace(result, laboratory=msgspec.structs.replace(result.laboratory, **laboratory))


def test_a_ledger_that_is_not_whole_makes_no_champion(bundle):
    trials = msgspec.structs.replace(GOOD.trials, problem="row 7 was changed")
    found = champion(bundle, msgspec.structs.replace(GOOD, trials=trials))
    assert failed(found) == {"trials"}
    assert "row 7 was changed" in only(found, "trials").reason


def test_a_ledger_without_the_run_leaves_nothing_of_the_trials_judged(bundle):
    found = champion(bundle, now=LedgerError("run x is not in the ledger"))
    assert failed(found) == {"trials", "deflated Sharpe", "overfitting"}
    assert {only(found, gate).word for gate in failed(found)} == {"not enough evidence"}


@pytest.mark.parametrize(("probability", "passes"), [(0.95, True), (0.9499, False), (None, False)])
def test_the_deflated_sharpe_must_reach_95_per_cent(bundle, probability, passes):
    deflated = msgspec.structs.replace(GOOD.laboratory.deflated, deflated=probability)
    found = champion(bundle, changed(GOOD, deflated=deflated))
    assert failed(found) == (set() if passes else {"deflated Sharpe"})
    assert only(found, "deflated Sharpe").judged is (probability is not None)


@pytest.mark.parametrize(("probability", "passes"), [(0.5, True), (0.501, False)])
@pytest.mark.parametrize("which", [0, 1])
def test_choosing_must_be_no_worse_than_a_coin_in_any_set(bundle, which, probability, passes):
    sets = list(GOOD.laboratory.overfitting)
    sets[which] = msgspec.structs.replace(sets[which], probability=probability)
    found = failed(champion(bundle, changed(GOOD, overfitting=tuple(sets))))
    assert found == (set() if passes else {"overfitting"})


def test_overfitting_that_could_not_be_judged_has_not_been_passed(bundle):
    found = champion(bundle, changed(GOOD, overfitting=()))
    assert failed(found) == {"overfitting"}
    assert only(found, "overfitting").word == "not enough evidence"


def test_a_run_without_laboratory_is_refused_and_told_why(bundle):
    found = champion(bundle, msgspec.structs.replace(GOOD, laboratory=None))
    assert failed(found) == {"deflated Sharpe", "overfitting"}
    assert all("no laboratory" in one.reason for one in found if not one.passed)


def test_a_challenger_needs_no_evidence_but_a_whole_bundle(bundle):
    assert [one.gate for one in gates.verdicts(bundle, "challenger", None)] == ["certificate", "golden rows"]


def test_without_its_run_there_is_no_champion(bundle):
    assert failed(gates.verdicts(bundle, "champion", None)) == {"evidence"}


def test_an_uncertified_bundle_fails(tmp_path):
    write_bundle(tmp_path / "b", passed=False)
    assert "flips: 3" in whole.certificate_gate(Bundle.load(tmp_path / "b")).reason


@pytest.mark.parametrize(
    ("audit", "word"),
    [
        (make_audit(), "passed"),
        (make_audit(CAUGHT), "FAILED"),
        (Audit("sampled", 7, (), (), ()), "not enough evidence"),
        (None, "not enough evidence"),
    ],
)
def test_a_leak_or_no_audit_makes_no_champion(bundle, audit, word):
    found = only(champion(bundle, msgspec.structs.replace(GOOD, audit=audit)), "leakage audit")
    assert found.word == word
    assert ("centred_mean_21" in found.reason) is (word == "FAILED")


def test_one_differing_byte_of_paper_trading_fails(bundle):
    part = msgspec.structs.replace(GOOD.paper.parity[0], equal=GOOD.paper.parity[0].rows - 1)
    paper = msgspec.structs.replace(GOOD.paper, parity=(part,))
    assert failed(champion(bundle, msgspec.structs.replace(GOOD, paper=paper))) == {"parity"}
    assert failed(champion(bundle, msgspec.structs.replace(GOOD, paper=None))) == {"parity"}


def test_a_better_member_fails(bundle):
    better = (PairedDifference("lightgbm", "log_loss", Estimate(-0.01, -0.02, -0.005)),)
    assert failed(champion(bundle, msgspec.structs.replace(GOOD, differences=better))) == {"members"}


def reliable(shift, count, bins=10):
    """A run whose ensemble says ``shift`` too much in every bin."""
    observed = np.linspace(0.4, 0.6, bins)
    curve = Reliability("ensemble", observed + shift, observed, np.full(bins, count // bins))
    return msgspec.structs.replace(GOOD, reliability=(curve,))


@pytest.mark.parametrize(
    ("shift", "rows", "word"),
    [
        (0.0, 5_000, "passed"),
        (0.019, 100_000, "passed"),  # seen beyond doubt, and too small to matter
        (0.03, 100_000, "FAILED"),
        (0.03, 1_000, "passed"),  # no more than chance
        (0.25, 150, "FAILED"),
        (0.03, 150, "not enough evidence"),
    ],
)
def test_a_calibration_error_is_held_against_what_chance_explains(shift, rows, word):
    assert research.calibration_gate(reliable(shift, rows), CONFIG).word == word


def test_calibration_without_a_curve_is_not_judged():
    found = research.calibration_gate(msgspec.structs.replace(GOOD, reliability=()), CONFIG)
    assert found.word == "not enough evidence"


def test_the_chance_level_is_what_calibrated_models_show():
    """Of calibrated models whose outcomes are drawn by another generator, 95 % are below it."""
    rows, predicted = 80, np.linspace(0.3, 0.7, 10)
    level = research.chance_level(Reliability("e", predicted, predicted, np.full(10, rows)), 4_000, seed=7)
    random = np.random.default_rng(11)
    happened = (random.random((4_000, 10, rows)) < predicted[:, None]).mean(axis=2)
    below = (np.abs(happened - predicted).mean(axis=1) < level).mean()
    assert below == pytest.approx(0.95, abs=0.015)


@pytest.mark.parametrize(
    ("found", "word"),
    [
        (LEAD, "passed"),
        (replace(LEAD, surely=-0.0049), "passed"),
        (replace(LEAD, surely=-0.0051), "FAILED"),
        (replace(LEAD, visible=0.0051), "not enough evidence"),
        ("too few decisions", "not enough evidence"),
    ],
)
def test_a_successor_must_surely_not_be_worse_by_the_margin(bundle, found, word):
    said = champion(bundle, rival=CHAMPION, lead=found)
    assert only(said, "not worse than the champion").word == word


@pytest.mark.parametrize(
    ("found", "word"),
    [
        (replace(LEAD, likely=1e-6), "passed"),
        (replace(LEAD, likely=-1e-6), "FAILED"),
        (replace(LEAD, visible=0.0051), "not enough evidence"),
        ("too few decisions", "not enough evidence"),
    ],
)
@pytest.mark.parametrize("rival", [CHAMPION, BASE_RATE])
def test_a_successor_must_likely_be_better(bundle, rival, found, word):
    assert only(champion(bundle, rival=rival, lead=found), f"better than {rival}").word == word


@pytest.mark.parametrize(
    ("found", "word"),
    [
        (EARNED, "passed"),
        (replace(EARNED, surely=-0.00099), "passed"),
        (replace(EARNED, surely=-0.00101), "FAILED"),
        (replace(EARNED, visible=0.00101), "not enough evidence"),
        ("the two strategies differ in 2 blocks", "not enough evidence"),
    ],
)
def test_a_successor_must_surely_not_earn_less_by_the_margin(bundle, found, word):
    said = only(champion(bundle, rival=CHAMPION, earned=found), "earns no less than the champion")
    assert said.word == word
    assert said.needed == "above −0.100 % at 95 %, and 0.100 % visible"


@pytest.mark.parametrize(("p50", "p99", "passes"), [(500, 2_000, True), (501, 900, False), (90, 2_001, False)])
def test_latency_has_a_budget_for_the_usual_and_the_rare(bundle, p50, p99, passes):
    found = champion(bundle, latency=latency.Latency(p50, p99, 2_000, 300))
    assert failed(found) == (set() if passes else {"latency"})


def test_latency_is_measured_over_every_golden_row(bundle):
    """By a clock that goes on by 7 µs a look, and at every thirtieth decision by 1 ms."""
    looks, now = 0, 0

    def clock():
        nonlocal looks, now
        looks += 1
        now += 1_000_000 if looks % 60 == 0 else 7_000
        return now

    found = latency.measure_latency(bundle, clock)
    assert (found.p50, found.p99) == (7.0, pytest.approx(1_000.0, rel=0.02))
    assert found.decisions >= latency.DECISIONS
    assert found.rows == int(np.isfinite(bundle.golden().features).all(axis=1).sum())


@pytest.mark.parametrize(
    ("distance", "word"), [(0.2, "passed"), (0.2001, "FAILED"), ("no bars behind it", "not enough evidence")]
)
def test_the_newest_data_must_not_be_the_farthest_of_all(distance, word):
    found = distance if isinstance(distance, str) else Drift(distance, USUAL, DAY, 400, ("rsi_14",))
    said = drift_gate(found, CONFIG)
    assert said.word == word
    assert ("rsi_14" in said.reason) is (word != "not enough evidence")


@pytest.mark.parametrize(("days", "passes"), [(0, True), (90, True), (90.001, False), (400, False)])
def test_a_model_expires_half_a_window_after_its_training(bundle, days, passes):
    training = msgspec.structs.replace(bundle.manifest.training, start=0, trained_through=180 * DAY)
    found = expiry.expiry_gate(training, int((180 + days) * DAY), CONFIG)
    assert found.passed is passes


def test_a_run_is_found_by_the_bundle_it_made(tmp_path):
    digest = "ab" * 32
    for number, result in enumerate((BAD, GOOD, BAD)):
        made = with_bundle(msgspec.structs.replace(result, created=number), digest if number < 2 else "cd" * 32)
        made.save(tmp_path / f"run{number}")
    (tmp_path / "unfinished").mkdir()
    assert gates.find_result(tmp_path, digest).created == 1
    assert gates.find_result(tmp_path, "ef" * 32) is None
    assert gates.find_result(tmp_path / "none", digest) is None


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("margin = -1.0", "margin is -1.0"),
        ("return_margin = 0.0", "return_margin is 0.0"),
        ("better = 0.2", "better is 0.2"),
        ("drift = 0.9", "drift is 0.9"),
        ("draws = 3", "draws is 3"),
        ("blocks = 1", "blocks is 1"),
        ("marginn = 1.0", "did you mean `margin`"),
    ],
)
def test_thresholds_that_cannot_be_are_named(tmp_path, text, words):
    (tmp_path / "gates.toml").write_text(text)
    with pytest.raises(ConfigError, match=words):
        gates.load_gates(tmp_path / "gates.toml")


def test_thresholds_come_from_their_file_alone(tmp_path, monkeypatch):
    monkeypatch.setenv("BOT4__MARGIN", "9.0")
    (tmp_path / "gates.toml").write_text("margin = 0.02")
    assert gates.load_gates(tmp_path / "gates.toml") == gates.GateConfig(margin=0.02)
    assert gates.load_gates(None) == gates.GateConfig()
