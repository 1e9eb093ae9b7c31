"""The count of trials that every verdict carries: what a result or a report cannot be made without."""

from __future__ import annotations

import math

import msgspec

from pipelines.ledger.chain import Head
from pipelines.ledger.errors import LedgerError
from pipelines.ledger.trial import Stretch


class TrialSummary(msgspec.Struct, frozen=True, kw_only=True):
    """How many trials touched the data of a verdict; made by `pipelines.ledger.guard.summarise`.

    Parameters
    ----------
    judged
        The data of the verdict.
    by
        Whose trials count together; see `pipelines.ledger.count.By`.
    records, distinct, effective
        Records that touched it; different trials among them; and how many independent ones those amount to.
    method
        How the effective number was found.
    sharpe_variance, sharpes
        Variance (n − 1) over distinct trials of the Sharpe ratio per day after costs, and of how many; None for fewer
        than two.
    common_days, compared
        Days and trials of the matrix of returns from which the effective number comes.
    unfinished
        Distinct trials without an outcome, which count all the same.
    shown
        Ids of distinct trials, the newest first, at most `pipelines.ledger.guard.SHOWN`.
    ledger, head
        Which ledger, and its last row when this was counted: a ledger that lost it is found out.
    problem
        What is wrong with the ledger; empty if its chain is whole and its triggers are there.

    Raises
    ------
    LedgerError
        If the numbers cannot be: a verdict rests on one trial at least, its own.
    """

    judged: tuple[Stretch, ...]
    by: str
    records: int
    distinct: int
    effective: float
    method: str
    sharpe_variance: float | None = None
    sharpes: int = 0
    common_days: int = 0
    compared: int = 0
    unfinished: int = 0
    shown: tuple[str, ...] = ()
    ledger: str
    head: Head
    problem: str = ""

    def __post_init__(self) -> None:
        if not self.judged:
            raise LedgerError("a count of trials needs the data it is about")
        if not 1 <= self.distinct <= self.records:
            raise LedgerError(f"{self.distinct} trials in {self.records} records: a verdict rests on its own at least")
        if not (math.isfinite(self.effective) and 1 <= self.effective <= self.distinct):
            raise LedgerError(f"{self.effective} effective trials of {self.distinct}: it must lie between 1 and those")

    @property
    def verified(self) -> bool:
        """Whether the ledger was whole when this was counted."""
        return not self.problem

    @property
    def sentence(self) -> str:
        """The count in words.

        Examples
        --------
        >>> one = Stretch("binance", "BTCUSDT", 0, 1)
        >>> TrialSummary(judged=(one,), by="instrument", records=3, distinct=2, effective=1.5, method="m",
        ...              ledger="trials.db", head=Head()).sentence
        '2 trials (3 records) touched this data, as many as 1.5 independent ones'
        """
        trials = f"{self.distinct:,} {'trial' if self.distinct == 1 else 'trials'}"
        records = "" if self.records == self.distinct else f" ({self.records:,} records)"
        alone = "; it is the only one" if self.distinct == 1 else f", as many as {self.effective:.1f} independent ones"
        broken = f"; the ledger is not whole: {self.problem}" if self.problem else ""
        return f"{trials}{records} touched this data{alone}{broken}"
