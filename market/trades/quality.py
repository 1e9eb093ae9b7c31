"""Quality gates of trades: what is wrong with them, by row, in the order given.

*Errors* cannot be true of any venue and refuse an import; see `market.quality`.

==================  ================  =============================================================
code                severity          meaning
==================  ================  =============================================================
misordered          error             a trade's time is before that of the row above
bad_time            error             a time outside 1970 to 2116
bad_price           error             a price that is missing, infinite, or not within the schema's bounds
bad_quantity        error             a quantity that is
bad_side            error             a side that is none of 1, -1 and 0
bad_count           error             a row that stands for no trade, or for too many
bad_id              error             an id below zero, or missing in some rows and not in others
repeated            error             an id that is not above that of the row above
id_gap              error or warning  an id that is more than one above: trades are missing
sideless            info              trades whose side the source does not say
==================  ================  =============================================================
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from market.quality import Finding, QualityReport, Severity
from market.time import format_time
from market.trades.schema import LARGEST_COUNT, LATEST, LEAST, MOST, NO_ID

GapRule = Literal["refuse", "report"]
Mask = NDArray[np.bool_]


def check_trades(trades: NDArray[np.void], gaps: GapRule = "refuse") -> QualityReport:
    """Examine trades, shape (n,) of `market.trades.schema.TRADE`, in the order of their source.

    Parameters
    ----------
    trades
        In the order of their source.
    gaps
        Whether left-out ids are an error or a warning.

    Returns
    -------
    QualityReport
        Its ``interval`` is 0: trades have none.

    Examples
    --------
    >>> from market.trades.schema import empty_trades
    >>> trades = empty_trades(3)
    >>> trades["price"], trades["quantity"], trades["side"], trades["id"] = 5.0, [1.0, 0.0, 1.0], 1, [7, 8, 11]
    >>> [(finding.severity, finding.code, finding.row) for finding in check_trades(trades).findings]
    [('error', 'bad_quantity', 1), ('error', 'id_gap', 2)]
    >>> print(check_trades(trades)["id_gap"].message)
    1 gap, 2 ids missing; the largest is 2 ids before id 11
    """
    if not len(trades):
        return QualityReport(0, 0, ())
    found = (_finding(trades, *check) for check in _checks(trades, gaps))
    return QualityReport(len(trades), 0, tuple(finding for finding in found if finding is not None))


Check = tuple[str, Severity, Mask, Callable[[int], str]]


def _checks(trades: NDArray[np.void], gaps: GapRule) -> Iterator[Check]:
    times, ids, side, count = trades["time"], trades["id"], trades["side"], trades["count"]

    def said(name: str, what: str) -> Callable[[int], str]:
        return lambda row: f"{name} {trades[name][row].item()!r} {what}"

    def before(row: int) -> str:
        return f"{format_time(int(times[row]))} is before {format_time(int(times[row - 1]))} in the row above"

    bounds = f"is not between {LEAST:g} and {MOST:g}"
    yield "bad_time", "error", (times < 0) | (times > LATEST), said("time", "is not between 1970 and 2116")
    yield "misordered", "error", np.diff(times, prepend=times[0]) < 0, before
    for name in ("price", "quantity"):
        yield f"bad_{name}", "error", ~((trades[name] >= LEAST) & (trades[name] <= MOST)), said(name, bounds)
    yield "bad_side", "error", ~np.isin(side, (-1, 0, 1)), said("side", "is none of 1, -1 and 0")
    limit = f"is not between 1 and {LARGEST_COUNT}"
    yield "bad_count", "error", (count < 1) | (count > LARGEST_COUNT), said("count", limit)
    yield from _id_checks(ids, gaps)
    yield "sideless", "info", side == 0, lambda row: "the source does not say the taker's side"


def _id_checks(ids: NDArray[np.int64], gaps: GapRule) -> Iterator[Check]:
    known = ids >= 0
    some = known.any()
    bad = ~known if some else ids < NO_ID
    yield "bad_id", "error", bad, lambda row: f"id {ids[row]} is below zero, where other rows have one"
    steps = np.diff(ids, prepend=ids[0] - 1)
    steps[~known | ~np.concatenate([[True], known[:-1]])] = 1
    yield "repeated", "error", steps < 1, lambda row: f"id {ids[row]} is not above id {ids[row - 1]} in the row above"
    gap = steps > 1
    largest = int(np.argmax(steps))

    def missing(row: int) -> str:
        number, left_out = int(gap.sum()), int((steps[gap] - 1).sum())
        gaps = "1 gap" if number == 1 else f"{number} gaps"
        return f"{gaps}, {left_out} ids missing; the largest is {steps[largest] - 1} ids before id {ids[largest]}"

    yield "id_gap", "error" if gaps == "refuse" else "warning", gap, missing


def _finding(
    trades: NDArray[np.void], code: str, severity: Severity, bad: Mask, message: Callable[[int], str]
) -> Finding | None:
    rows = np.flatnonzero(bad)
    if not len(rows):
        return None
    first = int(rows[0])
    more = f" ({len(rows)} such rows)" if len(rows) > 1 and code not in ("id_gap",) else ""
    return Finding(code, severity, rows, int(trades["time"][first]), message(first) + more)
