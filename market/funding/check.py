"""Quality gates of funding rates.

==================  ========  =====================================================================
code                severity  meaning
==================  ========  =====================================================================
misordered          error     a funding does not come after the row above it
bad_rate            error     the rate is missing, infinite, or 100 % or more of the position
bad_mark            error     the mark price is infinite or not above zero
large_rate          warning   the rate is beyond `LARGE`; venues cap it near that
gap                 warning   more than `LONGEST` between two fundings
==================  ========  =====================================================================
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from market.quality import Finding, QualityReport, QualityRules, Severity
from market.time import HOUR, MINUTE

LARGE: Final = 0.04
LONGEST: Final = 8 * HOUR + MINUTE
"""The longest time between two fundings: the usual 8 hours, and what settlements are late."""


def check_funding(bars: NDArray[np.void], interval: int = 0, rules: QualityRules | None = None) -> QualityReport:
    """Examine fundings, in the order of their source.

    Parameters
    ----------
    bars
        As `market.funding.read.read_funding` gives them, shape (n,).
    interval, rules
        Not used: fundings have no fixed interval.
    """
    rate, mark, steps = bars["funding_rate"], bars["mark_price"], np.diff(bars["start"])
    after = np.concatenate([[False], steps <= 0]) if len(bars) else np.zeros(0, bool)
    holes = np.concatenate([[False], steps > LONGEST]) if len(bars) else np.zeros(0, bool)
    with np.errstate(invalid="ignore"):
        bad_rate = ~(np.abs(rate) < 1.0)
        bad_mark = ~np.isnan(mark) & ~(np.isfinite(mark) & (mark > 0))
        large = ~bad_rate & (np.abs(rate) > LARGE)
    checks: tuple[tuple[str, Severity, NDArray[np.bool_], str], ...] = (
        ("misordered", "error", after, "not after the row above"),
        ("bad_rate", "error", bad_rate, "whose rate is no number within 100 %"),
        ("bad_mark", "error", bad_mark, "whose mark price is no number above zero"),
        ("large_rate", "warning", large, f"with a rate beyond {LARGE:.0%}"),
        ("gap", "warning", holes, f"more than {LONGEST / HOUR:.3g} h after the one before"),
    )
    found = tuple(_finding(bars, *check) for check in checks if check[2].any())
    return QualityReport(len(bars), interval, found)


def _finding(bars: NDArray[np.void], code: str, severity: Severity, bad: NDArray[np.bool_], what: str) -> Finding:
    rows = np.flatnonzero(bad)
    first = int(rows[0])
    rate = bars["funding_rate"][first].item()
    noun = "funding" if len(rows) == 1 else "fundings"
    return Finding(code, severity, rows, int(bars["start"][first]), f"{len(rows)} {noun} {what} (rate {rate!r})")
