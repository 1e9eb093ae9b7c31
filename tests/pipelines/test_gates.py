"""No model becomes champion without evidence, and every gate says why."""

import msgspec
import pytest

from models.bundle.bundle import Bundle
from pipelines import gates
from pipelines.results import Estimate, PairedDifference
from tests.pipelines.factory import make_result
from tests.pipelines.tiny_bundle import with_bundle, write_bundle

GOOD = make_result(edge=0.4, drift=4e-4)
BAD = make_result(edge=0.0)
ALL = [
    "certificate",
    "golden rows",
    "parity",
    "prediction",
    "members",
    "profit",
    "trials",
    "deflated Sharpe",
    "overfitting",
]


@pytest.fixture(scope="module")
def bundle(tmp_path_factory):
    folder = tmp_path_factory.mktemp("bundle") / "tiny"
    write_bundle(folder)
    return Bundle.load(folder)


def failed(verdicts):
    return {one.gate for one in verdicts if not one.passed}


def test_a_supported_edge_passes_every_gate(bundle):
    found = gates.verdicts(bundle, "champion", GOOD)
    assert failed(found) == set()
    assert [one.gate for one in found] == ALL
    assert all(one.reason for one in found)


def test_no_edge_fails_prediction_and_profit_only(bundle):
    assert failed(gates.verdicts(bundle, "champion", BAD)) == {"prediction", "profit", "deflated Sharpe"}


def changed(result, **laboratory):
    return msgspec.structs.replace(result, laboratory=msgspec.structs.replace(result.laboratory, **laboratory))


def test_a_ledger_that_is_not_whole_makes_no_champion(bundle):
    trials = msgspec.structs.replace(GOOD.trials, problem="row 7 was changed")
    found = gates.verdicts(bundle, "champion", msgspec.structs.replace(GOOD, trials=trials))
    assert failed(found) == {"trials"}
    assert "row 7 was changed" in next(one.reason for one in found if one.gate == "trials")


@pytest.mark.parametrize(("probability", "passes"), [(0.95, True), (0.9499, False), (None, False)])
def test_the_deflated_sharpe_must_reach_95_per_cent(bundle, probability, passes):
    deflated = msgspec.structs.replace(GOOD.laboratory.deflated, deflated=probability)
    found = failed(gates.verdicts(bundle, "champion", changed(GOOD, deflated=deflated)))
    assert found == (set() if passes else {"deflated Sharpe"})


@pytest.mark.parametrize(("probability", "passes"), [(0.5, True), (0.501, False)])
@pytest.mark.parametrize("which", [0, 1])
def test_choosing_must_be_no_worse_than_a_coin_in_any_set(bundle, which, probability, passes):
    sets = list(GOOD.laboratory.overfitting)
    sets[which] = msgspec.structs.replace(sets[which], probability=probability)
    found = failed(gates.verdicts(bundle, "champion", changed(GOOD, overfitting=tuple(sets))))
    assert found == (set() if passes else {"overfitting"})


def test_overfitting_that_could_not_be_judged_has_not_been_passed(bundle):
    assert failed(gates.verdicts(bundle, "champion", changed(GOOD, overfitting=()))) == {"overfitting"}


def test_a_run_without_laboratory_is_refused_and_told_why(bundle):
    found = gates.verdicts(bundle, "champion", msgspec.structs.replace(GOOD, laboratory=None))
    assert failed(found) == {"deflated Sharpe", "overfitting"}
    assert all("no laboratory" in one.reason for one in found if not one.passed)


def test_a_challenger_needs_no_evidence_but_a_whole_bundle(bundle):
    assert [one.gate for one in gates.verdicts(bundle, "challenger", None)] == ["certificate", "golden rows"]


def test_without_its_run_there_is_no_champion(bundle):
    assert failed(gates.verdicts(bundle, "champion", None)) == {"evidence"}


def test_an_uncertified_bundle_fails(tmp_path):
    write_bundle(tmp_path / "b", passed=False)
    assert "flips: 3" in gates.certificate_gate(Bundle.load(tmp_path / "b")).reason


def test_one_differing_byte_of_paper_trading_fails(bundle):
    part = msgspec.structs.replace(GOOD.paper.parity[0], equal=GOOD.paper.parity[0].rows - 1)
    paper = msgspec.structs.replace(GOOD.paper, parity=(part,))
    assert failed(gates.verdicts(bundle, "champion", msgspec.structs.replace(GOOD, paper=paper))) == {"parity"}
    assert failed(gates.verdicts(bundle, "champion", msgspec.structs.replace(GOOD, paper=None))) == {"parity"}


def test_a_better_member_fails(bundle):
    better = (PairedDifference("lightgbm", "log_loss", Estimate(-0.01, -0.02, -0.005)),)
    found = gates.verdicts(bundle, "champion", msgspec.structs.replace(GOOD, differences=better))
    assert failed(found) == {"members"}


def test_a_run_is_found_by_the_bundle_it_made(tmp_path):
    digest = "ab" * 32
    for number, result in enumerate((BAD, GOOD, BAD)):
        made = with_bundle(msgspec.structs.replace(result, created=number), digest if number < 2 else "cd" * 32)
        made.save(tmp_path / f"run{number}")
    (tmp_path / "unfinished").mkdir()
    assert gates.find_result(tmp_path, digest).created == 1
    assert gates.find_result(tmp_path, "ef" * 32) is None
    assert gates.find_result(tmp_path / "none", digest) is None
