"""Quality gates: what is wrong with bars, by row.

*Errors* cannot be true of any market and refuse an import; *warnings* are suspicious and reported; *info* is
worth knowing. Checks look at rows in the order given, so a shuffled file is seen as one. Bars on no grid (tick,
volume, dollar bars, interval 0) may start at the same time, and none can be missing by the clock: ``duplicate``,
``off_grid`` and ``gap`` are not looked for.

==================  ========  =====================================================================
code                severity  meaning
==================  ========  =====================================================================
misordered          error     a row starts before the row above it
duplicate           error     two rows start at the same time
off_grid            error     start is not on the interval's grid (weeks from Monday, else from 1970)
bad_end             error     end is not start + interval; on no grid, end is before start
overlap             error     on no grid: a row starts before the row above it ends
bad_price           error     open, high, low or close is missing, infinite or not above zero
ohlc                error     low and high do not enclose open and close
bad_volume          error     volume is missing, infinite or negative; any other amount is negative
taker_volume        error     takers bought more than was traded
bad_book            error     a value of book, funding or mark price is infinite, or negative where it may not
vwap_range          warning   quote volume / volume lies outside [low, high] (tolerance 1e-6)
gap                 warning   rows are missing
zero_volume_run     warning   `QualityRules.long_run` or more consecutive bars without volume
outlier             warning   |log return| above a multiple of the robust spread of those before it
zero_volume         info      bars without volume
==================  ========  =====================================================================
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Literal

import numpy as np
import polars as pl
from numpy.typing import NDArray

from market.bars import FIELDS, SIGNED_FIELDS
from market.errors import QualityError
from market.time import DAY, format_interval, format_time

Severity = Literal["error", "warning", "info"]
Mask = NDArray[np.bool_]

TAKER_TOLERANCE: Final = 1e-9
VWAP_TOLERANCE: Final = 1e-6
NORMAL_MAD: Final = 0.6744897501960817
"""The median of |x| for a standard normal x; dividing by it makes a MAD comparable to a standard deviation."""


@dataclass(frozen=True, slots=True)
class QualityRules:
    """Thresholds of the suspicious.

    ``long_run`` bars without volume are a warning. A return is an outlier beyond ``outlier_multiple`` robust
    standard deviations of the ``outlier_window`` returns before it; the spread is not taken below half its
    median over all rows, so that a sleepy night does not make every morning an outlier.
    """

    long_run: int = 10
    outlier_multiple: float = 30.0
    outlier_window: int = 96


@dataclass(frozen=True, slots=True, eq=False)
class Finding:
    """One kind of flaw. ``rows`` are all the rows (from 0) that have it; ``time`` is the first one's start."""

    code: str
    severity: Severity
    rows: NDArray[np.int64]
    time: int
    message: str

    @property
    def row(self) -> int:
        """The first row that has the flaw."""
        return int(self.rows[0])

    @property
    def count(self) -> int:
        """How many rows have it."""
        return len(self.rows)


@dataclass(frozen=True, slots=True, eq=False)
class QualityReport:
    """Everything that was found, errors first."""

    rows: int
    interval: int
    findings: tuple[Finding, ...]

    @property
    def errors(self) -> tuple[Finding, ...]:
        """What refuses an import."""
        return tuple(finding for finding in self.findings if finding.severity == "error")

    @property
    def warnings(self) -> tuple[Finding, ...]:
        """What is suspicious."""
        return tuple(finding for finding in self.findings if finding.severity == "warning")

    def __getitem__(self, code: str) -> Finding:
        for finding in self.findings:
            if finding.code == code:
                return finding
        raise KeyError(code)

    def __contains__(self, code: str) -> bool:
        return any(finding.code == code for finding in self.findings)

    def text(self, lines: NDArray[np.int64] | None = None) -> str:
        """The findings, one a line; ``lines`` are the rows' line numbers in their file."""
        return "\n".join(_describe(finding, lines) for finding in self.findings)

    def raise_if_bad(self, name: str, lines: NDArray[np.int64] | None = None) -> None:
        """Refuse bars that have errors.

        Raises
        ------
        QualityError
            Naming ``name``, the row (or line) of the first of each error, and what to do.
        """
        if self.errors:
            found = "; ".join(_describe(finding, lines) for finding in self.errors)
            raise QualityError(f"{name}: {found}. Nothing was stored; repair these rows or fetch the file again")


def check_bars(bars: NDArray[np.void], interval: int, rules: QualityRules | None = None) -> QualityReport:
    """Examine bars.

    Parameters
    ----------
    bars
        Array of `market.bars.BAR`, shape (n,), in the order of their source.
    interval
        In nanoseconds; 0 of bars on no grid.
    rules
        Thresholds; None takes the defaults.

    Examples
    --------
    >>> from market.bars import PRICE_FIELDS, empty_bars
    >>> from market.time import MINUTE
    >>> bars = empty_bars(3)
    >>> bars["start"] = [0, MINUTE, 4 * MINUTE]
    >>> bars["end"] = bars["start"] + MINUTE
    >>> for field in PRICE_FIELDS:
    ...     bars[field] = 100.0
    >>> bars["high"][1] = 99.0
    >>> report = check_bars(bars, MINUTE)
    >>> [(finding.severity, finding.code, finding.row) for finding in report.findings]
    [('error', 'ohlc', 1), ('warning', 'gap', 2)]
    >>> print(report["gap"].message)
    1 gap, 2 bars missing; the longest is 2 bars of 1m before 1970-01-01T00:04:00Z
    """
    rules = rules or QualityRules()
    if not len(bars):
        return QualityReport(0, interval, ())
    on_grid: tuple[Callable[[], Finding | None], ...] = (
        lambda: _duplicate(bars),
        lambda: _off_grid(bars, interval),
        lambda: _bad_end(bars, interval),
    )
    on_none: tuple[Callable[[], Finding | None], ...] = (lambda: _end_before_start(bars), lambda: _overlap(bars))
    checks: tuple[Callable[[], Finding | None], ...] = (
        lambda: _misordered(bars),
        *(on_grid if interval else on_none),
        lambda: _bad_price(bars),
        lambda: _ohlc(bars),
        lambda: _bad_volume(bars),
        lambda: _taker_volume(bars),
        lambda: _bad_book(bars),
        lambda: _vwap_range(bars),
        lambda: _gap(bars, interval) if interval else None,
        lambda: _zero_volume_run(bars, rules),
        lambda: _outlier(bars, rules),
        lambda: _zero_volume(bars),
    )
    with np.errstate(invalid="ignore", divide="ignore", over="ignore"):
        found = tuple(finding for check in checks if (finding := check()) is not None)
    return QualityReport(len(bars), interval, found)


def _finding(
    bars: NDArray[np.void], code: str, severity: Severity, bad: Mask, message: Callable[[int], str]
) -> Finding | None:
    rows = np.flatnonzero(bad)
    if not len(rows):
        return None
    first = int(rows[0])
    return Finding(code, severity, rows, int(bars["start"][first]), message(first))


def _plural(count: int, what: str = "bar") -> str:
    return f"{count} {what}" if count == 1 else f"{count} {what}s"


def _misordered(bars: NDArray[np.void]) -> Finding | None:
    bad = np.diff(bars["start"], prepend=bars["start"][0]) < 0
    count = _plural(int(bad.sum()), "row")
    return _finding(bars, "misordered", "error", bad, lambda row: f"{count} before the row above")


def _duplicate(bars: NDArray[np.void]) -> Finding | None:
    _, first, inverse = np.unique(bars["start"], return_index=True, return_inverse=True)
    bad = first[inverse] != np.arange(len(bars))
    count = _plural(int(bad.sum()), "row")

    def message(row: int) -> str:
        original = int(first[inverse[row]])
        same = "the same" if bars[row].tobytes() == bars[original].tobytes() else "different"
        return f"{count} with a time seen before (this one {_back(row - original)}, with {same} values)"

    return _finding(bars, "duplicate", "error", bad, message)


def _back(rows: int) -> str:
    return f"{_plural(rows, 'row')} earlier"


def anchor(interval: int) -> int:
    """A time at which bars of an interval start, ns UTC; the others lie whole intervals away."""
    # 1970-01-01 was a Thursday; venues start weeks on Monday.
    return 4 * DAY if interval % (7 * DAY) == 0 else 0


def _off_grid(bars: NDArray[np.void], interval: int) -> Finding | None:
    bad = (bars["start"] - anchor(interval)) % interval != 0
    count = _plural(int(bad.sum()))
    return _finding(
        bars, "off_grid", "error", bad, lambda row: f"{count} not starting on a multiple of {format_interval(interval)}"
    )


def _bad_end(bars: NDArray[np.void], interval: int) -> Finding | None:
    bad = bars["end"] - bars["start"] != interval
    count = _plural(int(bad.sum()))
    return _finding(bars, "bad_end", "error", bad, lambda row: f"{count} not ending one interval after the start")


def _end_before_start(bars: NDArray[np.void]) -> Finding | None:
    bad = bars["end"] < bars["start"]
    count = _plural(int(bad.sum()))
    return _finding(bars, "bad_end", "error", bad, lambda row: f"{count} ending before the start")


def _overlap(bars: NDArray[np.void]) -> Finding | None:
    bad = bars["start"] < np.concatenate([bars["start"][:1], bars["end"][:-1]])
    count = _plural(int(bad.sum()), "row")
    return _finding(bars, "overlap", "error", bad, lambda row: f"{count} starting before the row above ends")


def _bad_price(bars: NDArray[np.void]) -> Finding | None:
    bad = np.zeros(len(bars), bool)
    for field in ("open", "high", "low", "close"):
        bad |= ~(np.isfinite(bars[field]) & (bars[field] > 0))
    count = _plural(int(bad.sum()))
    return _finding(
        bars,
        "bad_price",
        "error",
        bad,
        lambda row: f"{count} with a price that is no number above zero: {_ohlc_of(bars, row)}",
    )


def _ohlc_of(bars: NDArray[np.void], row: int) -> str:
    return ", ".join(f"{field} {bars[field][row].item()!r}" for field in ("open", "high", "low", "close"))


def _ohlc(bars: NDArray[np.void]) -> Finding | None:
    top = np.maximum(bars["open"], bars["close"])
    bottom = np.minimum(bars["open"], bars["close"])
    bad = (bars["high"] < top) | (bars["low"] > bottom) | (bars["high"] < bars["low"])
    count = _plural(int(bad.sum()))

    def message(row: int) -> str:
        low, high, first, last = (bars[field][row].item() for field in ("low", "high", "open", "close"))
        return f"{count} whose low {low!r} and high {high!r} do not enclose open {first!r} and close {last!r}"

    return _finding(bars, "ohlc", "error", bad, message)


def _bad_volume(bars: NDArray[np.void]) -> Finding | None:
    bad = ~np.isfinite(bars["volume"])
    for field in ("volume", "quote_volume", "trade_count", "taker_buy_volume"):
        bad |= (bars[field] < 0) | np.isinf(bars[field])
    count = _plural(int(bad.sum()))

    def message(row: int) -> str:
        return f"{count} with a missing, infinite or negative volume or count (volume {bars['volume'][row].item()!r})"

    return _finding(bars, "bad_volume", "error", bad, message)


def _taker_volume(bars: NDArray[np.void]) -> Finding | None:
    taker, volume = bars["taker_buy_volume"], bars["volume"]
    bad = taker > volume * (1 + TAKER_TOLERANCE)
    count = _plural(int(bad.sum()))

    def message(row: int) -> str:
        return f"{count} with taker-buy volume {taker[row].item()!r} above volume {volume[row].item()!r}"

    return _finding(bars, "taker_volume", "error", bad, message)


def _bad_book(bars: NDArray[np.void]) -> Finding | None:
    fields = FIELDS[FIELDS.index("spread") :]
    wrong = {name: np.isinf(bars[name]) | ((bars[name] < 0) & (name not in SIGNED_FIELDS)) for name in fields}
    bad = np.any(list(wrong.values()), axis=0)
    count = _plural(int(bad.sum()))

    def message(row: int) -> str:
        name = next(name for name in fields if wrong[name][row])
        return (
            f"{count} with an infinite or negative value of the book or the funding ({name} {bars[name][row].item()!r})"
        )

    return _finding(bars, "bad_book", "error", bad, message)


def _vwap_range(bars: NDArray[np.void]) -> Finding | None:
    traded = (bars["volume"] > 0) & (bars["quote_volume"] > 0)
    vwap = np.where(traded, bars["quote_volume"] / bars["volume"], np.nan)
    bad = (vwap < bars["low"] * (1 - VWAP_TOLERANCE)) | (vwap > bars["high"] * (1 + VWAP_TOLERANCE))
    count = _plural(int(bad.sum()))

    def message(row: int) -> str:
        low, high = bars["low"][row].item(), bars["high"][row].item()
        return f"{count} with quote volume / volume {vwap[row].item()!r} outside [{low!r}, {high!r}]"

    return _finding(bars, "vwap_range", "warning", bad, message)


def _gap(bars: NDArray[np.void], interval: int) -> Finding | None:
    steps = np.diff(bars["start"], prepend=bars["start"][0] - interval)
    missing = np.where(steps > interval, (steps - 1) // interval, 0)
    longest = int(np.argmax(missing))
    when = format_time(int(bars["start"][longest]))

    def message(row: int) -> str:
        gaps = _plural(int((missing > 0).sum()), "gap")
        size = f"{_plural(int(missing[longest]))} of {format_interval(interval)}"
        return f"{gaps}, {_plural(int(missing.sum()))} missing; the longest is {size} before {when}"

    return _finding(bars, "gap", "warning", missing > 0, message)


def zero_volume_runs(bars: NDArray[np.void]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """First rows and lengths of the runs of bars without volume."""
    quiet = np.concatenate([[False], bars["volume"] == 0, [False]])
    edges = np.flatnonzero(quiet[1:] != quiet[:-1])
    return edges[::2], edges[1::2] - edges[::2]


def _zero_volume_run(bars: NDArray[np.void], rules: QualityRules) -> Finding | None:
    starts, lengths = zero_volume_runs(bars)
    long = lengths >= rules.long_run
    bad = np.zeros(len(bars), bool)
    bad[starts[long]] = True

    def message(row: int) -> str:
        longest = int(np.argmax(lengths))
        runs = _plural(int(long.sum()), "run")
        when = format_time(int(bars["start"][starts[longest]]))
        return f"{runs} of {rules.long_run} or more bars without volume; the longest is {lengths[longest]} from {when}"

    return _finding(bars, "zero_volume_run", "warning", bad, message)


def _zero_volume(bars: NDArray[np.void]) -> Finding | None:
    bad = bars["volume"] == 0
    count = _plural(int(bad.sum()))
    return _finding(bars, "zero_volume", "info", bad, lambda row: f"{count} without volume")


def _outlier(bars: NDArray[np.void], rules: QualityRules) -> Finding | None:
    moves = np.abs(np.diff(np.log(bars["close"]), prepend=np.nan))
    moves[~np.isfinite(moves)] = np.nan
    # The median of |return| stands for the MAD: the median return of a bar is zero for every purpose here.
    table = pl.Series(moves, nan_to_null=True)
    spread = table.rolling_median(rules.outlier_window, min_samples=rules.outlier_window // 4).shift(1)
    scale = spread.fill_null(np.nan).to_numpy() / NORMAL_MAD
    known = scale[np.isfinite(scale)]
    if not len(known):
        return None
    scale = np.maximum(scale, np.median(known) / 2)
    # Where most bars do not move at all (coarse ticks) there is no spread to judge by.
    bad = (scale > 0) & (moves > rules.outlier_multiple * scale)
    count = _plural(int(bad.sum()))

    def message(row: int) -> str:
        worst = int(np.nanargmax(np.where(bad, moves / scale, 0.0)))
        when = format_time(int(bars["start"][worst]))
        return (
            f"{count} with a return beyond {rules.outlier_multiple:g} robust standard deviations;"
            f" the largest is {moves[worst] / scale[worst]:.0f} ({moves[worst]:.1%}) at {when}"
        )

    return _finding(bars, "outlier", "warning", bad, message)


def _describe(finding: Finding, lines: NDArray[np.int64] | None) -> str:
    place = f"row {finding.row}" if lines is None else f"line {int(lines[finding.row])}"
    return f"{finding.severity} {finding.code}: {place}, {format_time(finding.time)}: {finding.message}"
