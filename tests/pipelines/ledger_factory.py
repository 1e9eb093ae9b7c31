"""Small trials for the ledger's tests, and what several of them do to a database."""

import subprocess
import sys

import msgspec
from sqlalchemy import URL, text

from market.time import DAY
from pipelines.ledger.database import open_engine
from pipelines.ledger.store import Ledger
from pipelines.ledger.trial import Outcome, Returns, Stretch, Trial

SPAN = Stretch("binance", "BTCUSDT", 0, 100 * DAY, "15m", "BTC")
APPENDER = """
import sys
from pipelines.ledger.location import parse_url
from pipelines.ledger.store import Ledger
from tests.pipelines.ledger_factory import make_trial
ledger = Ledger(parse_url(sys.argv[1]))
for number in range(25):
    ledger.begin(make_trial(f"{sys.argv[2]}-{number}"))
"""


def make_trial(id="t1", **changes):
    """A manual trial of BTCUSDT's first hundred days."""
    found = Trial(
        id=id,
        created=1_735_689_600_000_000_000,
        person="Ada",
        kind="manual",
        name="spot-15m",
        configuration="c",
        code="k",
        data={"BTCUSDT": "f"},
        touched=(SPAN,),
    )
    return msgspec.structs.replace(found, **changes)


def local_ledger(folder):
    return Ledger(URL.create("sqlite", database=str(folder / "trials.db")))


def finished(ledger, id="t1", returns=None, metrics=None, **changes):
    """A trial appended with its outcome."""
    trial = make_trial(id, **{"configuration": id, **changes})
    ledger.begin(trial)
    ledger.finish(Outcome(trial=id, created=trial.created + 1, metrics=metrics or {}, returns=returns))
    return trial


def daily(values, first=0):
    return Returns(tuple(range(first, first + len(values))), tuple(map(float, values)))


def execute(url, *statements):
    """Raw SQL, each statement in one transaction with the others."""
    with open_engine(url).begin() as connection:
        for statement in statements:
            connection.execute(text(statement))


def append_from_processes(url, processes=4):
    """That many processes at once, 25 trials each."""
    started = [
        subprocess.Popen([sys.executable, "-c", APPENDER, url, str(number)], stderr=subprocess.PIPE, text=True)
        for number in range(processes)
    ]
    for one in started:
        _, said = one.communicate(timeout=240)
        assert one.returncode == 0, said
