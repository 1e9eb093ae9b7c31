"""What the ledger keeps: a trial as it begins, its outcome, and the two together.

Times are int64 nanoseconds UTC. Nothing here holds an undefined number: what is not known is None.
"""

from __future__ import annotations

import hashlib
import math
import re
import uuid
from dataclasses import dataclass
from operator import lt
from typing import Any, Literal

import msgspec

from pipelines.ledger.errors import LedgerError

Status = Literal["finished", "failed", "pruned"]
KIND = re.compile(r"[a-z][a-z0-9-]*")
SHARPE = "net_sharpe"
"""The metric that is the Sharpe ratio per day after costs; what the spread over trials is taken of without returns."""


class Stretch(msgspec.Struct, frozen=True):
    """One instrument's time [start, stop).

    ``interval`` is the bars' (information only: bars of any size show the same prices). ``asset`` is the base asset,
    where it is known, such as BTC of BTCUSDT.

    Raises
    ------
    LedgerError
        If it is empty or names no instrument.
    """

    venue: str
    symbol: str
    start: int
    stop: int
    interval: str = ""
    asset: str = ""

    def __post_init__(self) -> None:
        if not self.symbol:
            raise LedgerError("a stretch of data names no symbol")
        if self.start >= self.stop:
            raise LedgerError(f"the stretch of {self.symbol} is empty: it starts at {self.start}, stops at {self.stop}")


class Returns(msgspec.Struct, frozen=True):
    """Net simple returns by UTC day, out of sample: days since 1970-01-01, ascending, and as many values.

    Raises
    ------
    LedgerError
        If the days do not ascend, the lengths differ, or a return is undefined.

    Examples
    --------
    >>> Returns((18_000, 18_001), (0.01, -0.002)).values
    (0.01, -0.002)
    """

    days: tuple[int, ...]
    values: tuple[float, ...]

    def __post_init__(self) -> None:
        if len(self.days) != len(self.values):
            raise LedgerError(f"there are {len(self.values)} returns for {len(self.days)} days")
        if not all(map(lt, self.days, self.days[1:])):
            raise LedgerError("the days of returns must ascend, each once")
        if not all(map(math.isfinite, self.values)):
            day = next(day for day, one in zip(self.days, self.values, strict=True) if not math.isfinite(one))
            raise LedgerError(f"the return of day {day} is undefined; leave out a day without one")


class Trial(msgspec.Struct, frozen=True, kw_only=True):
    """A trial as it is registered before anybody has seen its result.

    Parameters
    ----------
    id
        Names this record; see `fresh_id`.
    created
        When it began, ns.
    kind
        How it came about: ``manual``, ``optuna``, ``backtest``, ``cross-validation``, or another word in lower
        case.
    name
        The configuration's name.
    configuration, code
        Digests of what was tried, and of the code that tried it.
    data
        Fingerprint of the data by symbol.
    touched
        Every stretch of data it reads, tests and untouched stretches included: whatever its author could look at.
    parameters
        What distinguishes it for a reader, such as a study's suggestions.
    run
        The run's id, where it is known already.

    Raises
    ------
    LedgerError
        If it touches nothing, or its kind is no lower-case word.
    """

    id: str
    created: int
    person: str
    kind: str
    name: str
    configuration: str
    code: str
    data: dict[str, str]
    touched: tuple[Stretch, ...]
    parameters: dict[str, Any] = {}
    run: str = ""
    note: str = ""

    def __post_init__(self) -> None:
        if not self.touched:
            raise LedgerError(f"trial {self.name!r} touches no data: name the instruments and the time it reads")
        if KIND.fullmatch(self.kind) is None:
            raise LedgerError(f"a trial's kind is a lower-case word such as manual or optuna, not {self.kind!r}")

    @property
    def identity(self) -> str:
        """What makes two records the same trial: configuration, data and code, nothing else."""
        content = [self.configuration, sorted(self.data.items()), self.code]
        return hashlib.sha256(msgspec.json.encode(content)).hexdigest()


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """What came of a trial: the second of its two records.

    ``metrics`` are scores out of sample by name; `SHARPE` among them is per day. ``bundle`` is the content digest of
    the exported model, if there is one.

    Raises
    ------
    LedgerError
        If a metric is not a finite number or None.
    """

    trial: str
    created: int
    status: Status = "finished"
    metrics: dict[str, float | None] = {}
    returns: Returns | None = None
    bundle: str = ""
    run: str = ""
    note: str = ""

    def __post_init__(self) -> None:
        for name, value in self.metrics.items():
            if value is not None and not math.isfinite(value):
                raise LedgerError(f"metric {name} of trial {self.trial} is {value}; an unknown number is None")


@dataclass(frozen=True, slots=True)
class Entry:
    """A trial with its outcome, if it has one, and its place among the ledger's records."""

    sequence: int
    trial: Trial
    outcome: Outcome | None = None

    @property
    def status(self) -> str:
        """``begun`` until there is an outcome: a trial that was killed stays so, and counts."""
        return "begun" if self.outcome is None else self.outcome.status

    @property
    def run(self) -> str:
        """The run's id; empty if neither record names one."""
        return self.outcome.run if self.outcome is not None and self.outcome.run else self.trial.run

    @property
    def returns(self) -> Returns | None:
        """The returns out of sample, if they are known."""
        return None if self.outcome is None else self.outcome.returns

    def metric(self, name: str) -> float | None:
        """One of the outcome's metrics; None if it is not known."""
        return None if self.outcome is None else self.outcome.metrics.get(name)


def fresh_id() -> str:
    """A name for a new record, like no other.

    Examples
    --------
    >>> len(fresh_id()), fresh_id() != fresh_id()
    (16, True)
    """
    return uuid.uuid4().hex[:16]
