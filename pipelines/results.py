"""What a run found: one typed value from which report, tracking and summary are made, and nothing else.

Saved as ``result.json`` with its arrays beside it. An undefined number is None (NaN is written as null); times
are int64 nanoseconds UTC; metrics are named in `METRICS` and are per decision unless their name says otherwise.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import msgspec
import numpy as np
from numpy.typing import NDArray

from pipelines.arrays_json import read_document, write_document
from pipelines.audit.findings import Audit
from pipelines.bets import Bets
from pipelines.ensembles import EnsembleStudy
from pipelines.estimate import Estimate as Estimate
from pipelines.estimate import Number as Number
from pipelines.estimate import WithTotalReturn
from pipelines.estimate import is_known as is_known
from pipelines.feature_study import FeatureStudy
from pipelines.importances import ImportanceStudy
from pipelines.laboratory import Laboratory
from pipelines.ledger.summary import TrialSummary
from pipelines.meta import MetaStudy

if TYPE_CHECKING:
    from models.bundle.machine import Attestation

RESULT_FILE = "result.json"
REPORT_FILE = "report.html"
ENSEMBLE = "ensemble"
EQUAL_PARTS = "all in equal parts"
"""The name of the buy-and-hold reference that holds every instrument with the same initial value."""

METRICS: dict[str, str] = {
    "information_gain": "Information gain (nats per decision, against the base rate)",
    "log_loss": "Log loss (nats per decision)",
    "brier": "Brier score",
    "auc": "Area under the ROC curve (pairs of the same fold)",
    "accuracy": "Accuracy",
    "calibration_error": "Expected calibration error",
    "information_coefficient": "Information coefficient (rank correlation with the move, within folds)",
}
"""Name and meaning of every metric."""

Scores = dict[str, Number]
"""Metric name to value."""


class Stage(msgspec.Struct, frozen=True):
    """One stage of the run and the seconds it took; ``cached`` when its artefact was there already."""

    name: str
    seconds: float
    cached: bool = False


class Finding(msgspec.Struct, frozen=True):
    """One finding of the quality gates, with the number of rows it concerns."""

    severity: str
    check: str
    rows: int
    message: str


class Named(msgspec.Struct, frozen=True):
    """A stretch of an instrument's life under one symbol, ``multiplier`` coins to one unit of quantity."""

    symbol: str
    start: int
    end: int
    multiplier: str = "1"


class SeriesData(msgspec.Struct, frozen=True):
    """One instrument's bars: ``gaps`` holes of ``missing_bars`` bars together between ``start`` and ``end``.

    ``kind`` is ``spot`` or ``perpetual``; empty where it is not known. ``names``: what it was called, if anything else
    than ``symbol``; the bars are in that symbol's unit.
    """

    symbol: str
    venue: str
    interval: str
    rows: int
    start: int
    end: int
    gaps: int
    missing_bars: int
    fingerprint: str
    findings: tuple[Finding, ...] = ()
    kind: str = ""
    names: tuple[Named, ...] = ()


class FeatureList(msgspec.Struct, frozen=True):
    """The features in the model's order, those that are off with the reason, and which bars lack what they read.

    ``events``: the feature at whose bars decisions are made; empty for all bars.
    """

    names: tuple[str, ...]
    digest: str
    disabled: dict[str, str] = {}
    left_out: tuple[str, ...] = ()
    events: str = ""


class SampleSummary(msgspec.Struct, frozen=True):
    """Labelled decisions: how many, how many effectively (sum of average uniqueness), and the share of label 1."""

    count: int
    effective: float
    base_rate: float


class Span(msgspec.Struct, frozen=True):
    """A stretch of time, ``start`` included."""

    start: int
    end: int


class Fold(msgspec.Struct, frozen=True):
    """One fold of the walk-forward: its training and test stretches, row counts, and test scores per predictor.

    ``train`` has several spans when training data also follows the test; the last before it ends where the last label
    that was learned from ends. ``purged`` reaches from the first of the ``purged_rows`` decisions that were taken out
    of training, because their labels reach into the test, to the test's start; None where there were none.
    ``compared`` tells whether the fold's rows are among those on which all predictors are compared.
    """

    index: int
    train: tuple[Span, ...]
    test: Span
    train_rows: int
    train_effective: float
    test_rows: int
    test_effective: float
    scores: dict[str, Scores]
    compared: bool = True
    purged: Span | None = None
    purged_rows: int = 0

    @property
    def number(self) -> int:
        """The fold as people count, from 1."""
        return self.index + 1


class Predictor(msgspec.Struct, frozen=True):
    """One predictor's scores over the comparison rows, which are the same for all."""

    name: str
    role: Literal["member", "baseline", "stacker", "ensemble"]
    scores: dict[str, Estimate]


class PairedDifference(msgspec.Struct, frozen=True):
    """Another predictor's score minus the ensemble's, paired row by row and bootstrapped in time blocks."""

    other: str
    metric: str
    difference: Estimate


class Reliability(msgspec.Struct, frozen=True, eq=False):
    """Mean predicted probability against the observed share of label 1, in bins of equal evidence; shapes (bins,).

    ``count`` is a bin's effective rows, rounded. ``histogram`` says what was predicted: decisions by probability, in
    equal parts of [0, 1]; empty in results of before it was kept.
    """

    predictor: str
    predicted: NDArray[np.float64]
    observed: NDArray[np.float64]
    count: NDArray[np.int64]
    histogram: NDArray[np.int64] = msgspec.field(default_factory=lambda: np.zeros(0, np.int64))


class LearningCurve(msgspec.Struct, frozen=True, eq=False):
    """A loss along a fit, shape (n,), of one member in one fold (-1: the final refit).

    ``axis`` says along what (epochs, rounds, penalties); the first value stands at ``first``: 0 is before training.
    """

    fold: int
    member: str
    name: str
    values: NDArray[np.float64]
    first: int = 1
    axis: str = "step"

    @property
    def steps(self) -> NDArray[np.int64]:
        """Where along the axis the values stand, shape (n,)."""
        return np.arange(self.first, self.first + len(self.values), dtype=np.int64)


class Importance(msgspec.Struct, frozen=True):
    """What a member's fits say about its inputs; ``kind`` names the measure."""

    member: str
    kind: str
    values: dict[str, float]


class Curve(msgspec.Struct, frozen=True, eq=False):
    """Wealth over time; arrays of shape (n,), in the ledger asset."""

    time: NDArray[np.int64]
    equity: NDArray[np.float64]


class Performance(WithTotalReturn, frozen=True):
    """A strategy's summary. ``sharpe`` is per period of the returns (a day), ``sharpe_annual`` per year of it.

    ``probabilistic_sharpe`` is the probability that the true Sharpe ratio is above zero (Bailey and López de
    Prado 2012), before anything that was tried is counted: see `pipelines.laboratory.Deflated`.
    Fees and slippage are in the ledger asset; turnover is traded value over mean equity.

    ``max_drawdown_interval`` is of the same kind as the return's; ``hit_ratio_interval`` is Wilson's, as if round trips
    were independent. None where there is too little to tell, and in results of before they were kept; so is ``bets``.
    """

    sharpe: Estimate
    sharpe_annual: Estimate
    periods_per_year: float
    probabilistic_sharpe: Number
    max_drawdown: Number
    time_under_water: int
    trades: int
    hit_ratio: Number
    turnover: Number
    fees: Number
    slippage: Number
    max_drawdown_interval: tuple[float, float] | None = None
    hit_ratio_interval: tuple[float, float] | None = None
    bets: Bets | None = None

    @property
    def estimates(self) -> dict[str, Estimate]:
        """Total return, greatest drawdown and hit ratio, each with its interval if that is known."""
        return {
            "total_return": self.total_return_estimate,
            "max_drawdown": Estimate(self.max_drawdown, *(self.max_drawdown_interval or ())),
            "hit_ratio": Estimate(self.hit_ratio, *(self.hit_ratio_interval or ())),
        }


class Reference(WithTotalReturn, frozen=True, eq=False):
    """Buying and holding over the same stretch, without costs: one instrument, or `EQUAL_PARTS`."""

    name: str
    curve: Curve
    sharpe_annual: Estimate
    max_drawdown: Number
    max_drawdown_interval: tuple[float, float] | None = None

    @property
    def max_drawdown_estimate(self) -> Estimate:
        """The greatest drawdown with its interval, if that is known."""
        return Estimate(self.max_drawdown, *(self.max_drawdown_interval or ()))


class Backtest(msgspec.Struct, frozen=True, eq=False):
    """A stretch of trading: after costs (``net``), the same before costs (``gross``), and buy-and-hold.

    It began with ``capital`` of the ledger asset ``asset``. Funding of perpetuals is charged for each of the
    ``funding_events`` it was given, and for nothing else. None and empty are unknown.
    """

    net: Curve
    gross: Curve
    net_performance: Performance
    gross_performance: Performance
    references: tuple[Reference, ...] = ()
    capital: Number = None
    asset: str = ""
    funding_events: int | None = None

    @property
    def stretch(self) -> Span | None:
        """The time it covers, from the first to the last point of its curve."""
        time = self.net.time
        return Span(int(time[0]), int(time[-1])) if len(time) else None


class Parity(msgspec.Struct, frozen=True):
    """How many rows of the live loop were compared with research, and how many agreed in every byte."""

    what: str
    rows: int
    equal: int


class PaperRun(msgspec.Struct, frozen=True, eq=False):
    """The untouched last stretch, traded on paper through the serving loop, and its parity with the backtest."""

    backtest: Backtest
    parity: tuple[Parity, ...]

    @property
    def identical(self) -> bool:
        """Whether something was compared and everything compared agreed; a model that never traded has no orders."""
        return any(part.rows > 0 for part in self.parity) and all(part.rows == part.equal for part in self.parity)


class BundleInfo(msgspec.Struct, frozen=True):
    """The exported bundle: its name, version and aliases in the model store, content digest and folder."""

    name: str
    version: int | None
    digest: str
    folder: str
    aliases: tuple[str, ...] = ()


class Latency(msgspec.Struct, frozen=True):
    """What a decision of the bundle's graph took where it was made: seconds at the median and the 99th percentile.

    Of ``rows`` distinct real rows, one after another on one thread of ``machine``.
    """

    p50: float
    p99: float
    rows: int
    machine: str

    @classmethod
    def attested(cls, found: Attestation) -> Latency | None:
        """What a bundle was written with; None if it was not measured."""
        measured, machine = found.measurements.get("latency"), found.machine
        if measured is None:
            return None
        return cls(measured["p50"], measured["p99"], measured["rows"], machine.processor or machine.architecture)


class Lineage(msgspec.Struct, frozen=True):
    """What a model descends from, as digests.

    ``code``: the sources that decide a stage's bits. ``environment``: every installed distribution with its version.
    ``parents``: the artefacts that the bundle was made from, by what they are.
    """

    code: str
    environment: str
    parents: dict[str, str] = {}


class RunResult(msgspec.Struct, frozen=True, eq=False, kw_only=True):
    """Everything a run found. See the module for conventions.

    ``trained_through``: the latest time that anything of the model has seen, labels included; what follows in ``data``
    is untouched. None in results of before it was kept. ``trained_on``: on which device, and in which numbers, the last
    fit of each member was made that may choose.
    """

    name: str
    run_id: str
    created: int
    command: str
    config: dict[str, Any]
    config_digest: str
    versions: dict[str, str]
    git_commit: str | None = None
    trained_through: int | None = None
    stages: tuple[Stage, ...]
    confidence: float = 0.95
    interval_method: str = "a bootstrap that draws blocks of time, all instruments together"
    sharpe_method: str = "the normal approximation of Lo (2002) from daily returns"
    data: tuple[SeriesData, ...]
    features: FeatureList
    samples: SampleSummary
    folds: tuple[Fold, ...]
    comparison_rows: int
    comparison_effective: float
    predictors: tuple[Predictor, ...]
    differences: tuple[PairedDifference, ...]
    reliability: tuple[Reliability, ...] = ()
    learning_curves: tuple[LearningCurve, ...] = ()
    importances: tuple[Importance, ...] = ()
    importance_study: ImportanceStudy | None = None
    feature_study: FeatureStudy | None = None
    ensemble_study: EnsembleStudy | None = None
    meta_study: MetaStudy | None = None
    weights: dict[str, float] = {}
    trained_on: dict[str, str] = {}
    backtest: Backtest | None = None
    paper: PaperRun | None = None
    certificate: dict[str, Any] = {}
    bundle: BundleInfo | None = None
    latency: Latency | None = None
    trials: TrialSummary
    laboratory: Laboratory | None = None
    audit: Audit | None = None
    lineage: Lineage | None = None

    def predictor(self, name: str) -> Predictor:
        """One predictor by name.

        Raises
        ------
        KeyError
            If there is none of this name.
        """
        for found in self.predictors:
            if found.name == name:
                return found
        raise KeyError(f"no predictor {name!r}; there are {', '.join(found.name for found in self.predictors)}")

    @property
    def without_funding(self) -> bool:
        """Whether perpetuals were traded without any funding being charged or received."""
        perpetual = any(one.kind == "perpetual" for one in self.data)
        return perpetual and self.backtest is not None and not self.backtest.funding_events

    @property
    def compared_stretch(self) -> Span | None:
        """The test stretches on which the predictors are compared, from the first's start to the last's end."""
        tests = [fold.test for fold in self.folds if fold.compared]
        return Span(min(one.start for one in tests), max(one.end for one in tests)) if tests else None

    @property
    def seconds(self) -> float:
        """The seconds of all stages together."""
        return sum(stage.seconds for stage in self.stages)

    def save(self, folder: Path) -> Path:
        """Write the result into a run's folder; returns the document's path."""
        return write_document(self, folder, RESULT_FILE)

    @classmethod
    def load(cls, folder: Path) -> RunResult:
        """Read the result of a run's folder.

        Raises
        ------
        StageError
            If there is none, or it was changed since.
        """
        return read_document(cls, folder, RESULT_FILE)
