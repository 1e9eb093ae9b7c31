"""No verdict without its count: what the summary says of known trials, and what it refuses."""

import msgspec
import numpy as np
import pytest
from sqlalchemy import URL

from market.time import DAY
from pipelines.ledger.chain import Head
from pipelines.ledger.errors import LedgerError
from pipelines.ledger.guard import SHOWN, average_correlation, daily_sharpes, summarise
from pipelines.ledger.summary import TrialSummary
from pipelines.ledger.table import NAME, SQLITE
from pipelines.ledger.trial import Entry, Outcome, Stretch
from tests.pipelines.ledger_factory import SPAN, daily, execute, finished, local_ledger, make_trial


@pytest.fixture
def ledger(tmp_path):
    return local_ledger(tmp_path)


def noise(seed, days=60):
    return np.random.default_rng(seed).normal(0.0, 0.01, days)


def test_a_single_trial_is_one(ledger):
    finished(ledger, "t1", daily(noise(1)))
    found = summarise(ledger, "t1")
    assert (found.records, found.distinct, found.effective, found.unfinished) == (1, 1, 1.0, 0)
    assert (found.sharpe_variance, found.sharpes, found.shown) == (None, 1, ("t1",))
    assert (found.verified, found.judged, found.ledger) == (True, (SPAN,), ledger.label)
    assert found.head == ledger.verify().head


def test_independent_trials_count_nearly_whole_and_copies_once(ledger):
    for seed in range(10):
        finished(ledger, f"t{seed}", daily(noise(seed, 100)))
    independent = summarise(ledger, "t3")
    assert independent.distinct == 10
    assert 9 < independent.effective <= 10
    assert (independent.compared, independent.common_days) == (10, 100)
    for copy in range(10):
        finished(ledger, f"copy{copy}", daily(noise(77, 100)), touched=(Stretch("kraken", "X", 0, 100 * DAY),))
    copies = summarise(ledger, "copy1")
    assert copies.distinct == 10
    assert copies.effective == pytest.approx(1.0)


def test_the_effective_number_is_the_callers_function_within_its_bounds(ledger):
    seen = []

    def clusters(returns):
        seen.append(returns)
        return 2.0

    values = [noise(seed, 30) for seed in range(4)]
    for number, one in enumerate(values):
        finished(ledger, f"t{number}", daily(one))
    found = summarise(ledger, "t0", effective=clusters)
    assert (found.effective, found.method) == (2.0, "clusters")
    np.testing.assert_array_equal(seen[0], np.column_stack(values))
    assert summarise(ledger, "t0", effective=lambda _: 99.0).effective == 4.0
    assert summarise(ledger, "t0", effective=lambda _: 0.0).effective == 1.0


def test_what_is_unknown_counts_whole(ledger):
    for seed in range(3):
        finished(ledger, f"same{seed}", daily(noise(5)))
    ledger.begin(make_trial("killed", configuration="killed"))
    finished(ledger, "silent")
    finished(ledger, "short", daily([0.01, 0.02]))
    found = summarise(ledger, "same0")
    assert (found.distinct, found.unfinished, found.compared) == (6, 1, 3)
    assert found.effective == pytest.approx(4.0)


def test_those_that_never_traded_are_one_together(ledger):
    finished(ledger, "t1", daily(noise(1)))
    for number in range(5):
        finished(ledger, f"flat{number}", daily(np.zeros(60)))
    found = summarise(ledger, "t1")
    assert (found.distinct, found.effective, found.sharpes) == (6, 2.0, 1)


def test_too_few_common_days_compare_nothing(ledger):
    for number in range(3):
        finished(ledger, f"t{number}", daily(noise(5, 9)))
    found = summarise(ledger, "t0")
    assert (found.effective, found.compared, found.common_days) == (3.0, 0, 0)


def test_the_same_trial_again_is_one_more_record_and_no_more_trials(ledger):
    finished(ledger, "t1", daily(noise(1)), configuration="c")
    finished(ledger, "t2", daily(noise(1)), configuration="c")
    found = summarise(ledger, "t1")
    assert (found.records, found.distinct, found.shown) == (2, 1, ("t2",))


def test_the_variance_is_over_daily_sharpe_ratios(ledger):
    series = [noise(seed) + 0.001 * seed for seed in range(3)]
    for number, one in enumerate(series):
        finished(ledger, f"t{number}", daily(one))
    finished(ledger, "told", metrics={"net_sharpe": 0.25})
    finished(ledger, "untold", metrics={"net_sharpe": None})
    expected = [one.mean() / one.std(ddof=1) for one in series] + [0.25]
    found = summarise(ledger, "t0")
    assert found.sharpes == 4
    assert found.sharpe_variance == pytest.approx(np.var(expected, ddof=1))
    # Returns tell more than what was reported of them.
    both = Entry(1, make_trial(), Outcome(trial="t1", created=1, metrics={"net_sharpe": 9.0}, returns=daily(series[0])))
    assert daily_sharpes([both]) == pytest.approx(expected[:1])


def test_trials_on_other_data_do_not_count(ledger):
    finished(ledger, "t1")
    finished(ledger, "elsewhere", touched=(Stretch("binance", "ETHUSDT", 0, DAY),))
    finished(ledger, "later", touched=(Stretch("binance", "BTCUSDT", SPAN.stop, SPAN.stop + DAY),))
    finished(ledger, "cousin", touched=(Stretch("kraken", "XBTUSD", 0, DAY, asset="BTC"),))
    assert summarise(ledger, "t1").distinct == 1
    assert summarise(ledger, "t1", by="asset").distinct == 2


def test_a_narrower_judgement_counts_those_that_touched_it(ledger):
    finished(ledger, "t1")
    finished(ledger, "early", touched=(Stretch("binance", "BTCUSDT", 0, DAY),))
    late = Stretch("binance", "BTCUSDT", 50 * DAY, 60 * DAY)
    assert summarise(ledger, "t1").distinct == 2
    assert summarise(ledger, "t1", [late]).distinct == 1


def test_nothing_unregistered_is_judged(ledger):
    with pytest.raises(LedgerError, match="nothing unregistered is judged"):
        summarise(ledger, "t1")
    finished(ledger, "t1")
    with pytest.raises(LedgerError, match="never touched the data it is judged on"):
        summarise(ledger, "t1", [Stretch("binance", "ETHUSDT", 0, DAY)])


def test_a_broken_ledger_is_said_in_every_count(ledger, tmp_path):
    heads = [ledger.begin(make_trial(f"t{number}", configuration=str(number))) for number in range(3)]
    url = URL.create("sqlite", database=str(tmp_path / "trials.db"))
    execute(url, f"DROP TRIGGER {NAME}_no_update")
    found = summarise(ledger, "t0")
    assert not found.verified
    assert f"{NAME}_no_update" in found.problem
    execute(url, *(f"DROP TRIGGER {name}" for name in SQLITE if not name.endswith("no_update")))
    execute(url, f"DELETE FROM {NAME} WHERE sequence = 3")
    assert "row 3 is gone" in summarise(ledger, "t0", known=heads).problem
    execute(url, f"UPDATE {NAME} SET created = 1 WHERE sequence = 1")
    found = summarise(ledger, "t0")
    assert "row 1" in found.problem
    assert "not whole" in found.sentence


def test_at_most_so_many_are_shown_the_newest_first(tmp_path):
    class Fake:
        label = "fake"

        def rows(self):
            from pipelines.ledger.chain import next_row

            rows, head = [], Head()
            for number in range(SHOWN + 20):
                trial = make_trial(str(number), configuration=str(number))
                rows.append(next_row(head, trial.id, "begun", 0, msgspec.json.encode(trial).decode()))
                head = rows[-1].head
            return rows

        def missing_triggers(self):
            return ()

    found = summarise(Fake(), "0")
    assert found.distinct == found.effective == found.unfinished == SHOWN + 20
    assert found.shown == tuple(str(number) for number in range(SHOWN + 19, 19, -1))


def correlated(rho, trials, days=200_000):
    generator = np.random.default_rng(4)
    common = generator.normal(size=(days, 1))
    return np.sqrt(rho) * common + np.sqrt(1 - rho) * generator.normal(size=(days, trials))


@pytest.mark.parametrize("rho", [0.0, 0.3, 0.9])
def test_average_correlation_is_the_papers(rho):
    returns = correlated(rho, 20)
    matrix = np.corrcoef(returns, rowvar=False)
    average = matrix[np.triu_indices(20, 1)].mean()
    assert average_correlation(returns) == pytest.approx(max(average, 0) + (1 - max(average, 0)) * 20)
    assert average_correlation(returns) == pytest.approx(rho + (1 - rho) * 20, abs=0.2)


def test_opposites_count_whole():
    one = noise(3)
    assert average_correlation(np.column_stack([one, -one])) == 2.0
    assert average_correlation(one[:, None]) == 1.0


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"distinct": 0}, "its own at least"),
        ({"distinct": 4}, "4 trials in 3 records"),
        ({"effective": 2.5}, "must lie between 1 and those"),
        ({"effective": float("nan")}, "must lie between 1 and those"),
        ({"judged": ()}, "needs the data"),
    ],
)
def test_a_count_that_cannot_be_is_refused(changes, words):
    good = {
        "judged": (SPAN,),
        "by": "instrument",
        "records": 3,
        "distinct": 2,
        "effective": 1.5,
        "method": "m",
        "ledger": "l",
        "head": Head(),
    }
    assert TrialSummary(**good).verified
    with pytest.raises(LedgerError, match=words):
        TrialSummary(**{**good, **changes})
    with pytest.raises(TypeError):
        TrialSummary(**{key: value for key, value in good.items() if key != "distinct"})


def test_a_count_survives_json(ledger):
    finished(ledger, "t1", daily(noise(1)))
    found = summarise(ledger, "t1")
    assert msgspec.json.decode(msgspec.json.encode(found), type=TrialSummary) == found
    assert found.sentence == "1 trial touched this data; it is the only one"
