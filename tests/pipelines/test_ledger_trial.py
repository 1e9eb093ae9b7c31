"""What the ledger keeps, and what it refuses to keep."""

import msgspec
import pytest

from pipelines.ledger.errors import LedgerError
from pipelines.ledger.trial import Entry, Outcome, Returns, Stretch
from tests.pipelines.ledger_factory import make_trial


def test_a_trial_and_its_outcome_survive_json():
    trial = make_trial(parameters={"depth": 6, "rate": 0.1})
    outcome = Outcome(
        trial="t1", created=2, metrics={"a": 0.1, "b": None}, returns=Returns((1, 3), (0.1 + 0.2, -1e-17))
    )
    for value in (trial, outcome):
        assert msgspec.json.decode(msgspec.json.encode(value), type=type(value)) == value


def test_identity_is_configuration_data_and_code_and_nothing_else():
    same = make_trial(
        "other", created=5, person="Bob", kind="cv", name="renamed", run="r", note="n", parameters={"a": 1}
    )
    assert same.identity == make_trial().identity
    two = make_trial(data={"a": "1", "b": "2"})
    assert two.identity == make_trial(data={"b": "2", "a": "1"}).identity
    others = [make_trial(configuration="d"), make_trial(code="l"), make_trial(data={"BTCUSDT": "g"}), two]
    assert len({one.identity for one in (make_trial(), *others)}) == 5
    # Fields do not run into each other.
    assert make_trial(configuration="ab", code="c").identity != make_trial(configuration="a", code="bc").identity


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: Stretch("binance", "BTCUSDT", 5, 5), "the stretch of BTCUSDT is empty"),
        (lambda: Stretch("binance", "", 0, 5), "names no symbol"),
        (lambda: Returns((1, 1), (0.0, 0.0)), "must ascend"),
        (lambda: Returns((1, 2), (0.0,)), "1 returns for 2 days"),
        (lambda: Returns((1,), (float("nan"),)), "the return of day 1 is undefined"),
        (lambda: make_trial(touched=()), "touches no data"),
        (lambda: make_trial(kind="By Hand"), "lower-case word"),
        (lambda: Outcome(trial="t", created=0, metrics={"auc": float("inf")}), "metric auc of trial t is inf"),
    ],
)
def test_what_cannot_be_is_refused(make, words):
    with pytest.raises(LedgerError, match=words):
        make()


def test_an_entry_knows_its_status_and_run():
    begun = Entry(1, make_trial(run="early"))
    assert (begun.status, begun.run, begun.returns, begun.metric("auc")) == ("begun", "early", None, None)
    ended = Entry(1, make_trial(run="early"), Outcome(trial="t1", created=1, status="failed", run="late"))
    assert (ended.status, ended.run) == ("failed", "late")
