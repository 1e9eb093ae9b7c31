"""The table "How much is needed, how much fits", as plain rows of text."""

from __future__ import annotations

import math
from typing import Any

from pipelines.estimate import Estimate, Number
from pipelines.needed import FEWEST_BETS, TARGET, Needed, needed
from pipelines.results import RunResult
from pipelines.verdict import number, percent

Row = dict[str, Any]


def needed_rows(result: RunResult) -> list[Row]:
    """What is asked, the answer, and what it means; empty where there is nothing to ask it of."""
    found = needed(result)
    if found is None:
        return []
    asset = (result.backtest.asset if result.backtest else "") or "of the ledger asset"
    return [
        {
            "name": "Days until the Sharpe ratio is known to be above 0",
            "value": record(found.record_zero, found.days),
            "meaning": "Minimum track record length at 95 %, if the ratio stays what it is. One trial.",
        },
        {
            "name": "Days until it is known to be above the luck of all trials",
            "value": record(found.record_luck, found.days),
            "meaning": "The same against what the best of all trials would reach without an edge.",
        },
        {
            "name": "Sharpe ratio after the haircut, annual",
            "value": haircut(found),
            "meaning": (
                "What a single test with the same evidence would have shown (Harvey and Liu, Šidák): "
                f"{found.trials:,} different trials in the ledger, as if none were alike."
            ),
        },
        {
            "name": f"Probability that a year misses a Sharpe ratio of {TARGET:g}",
            "value": between(found.risk, found.risk_missing),
            "meaning": (
                "Strategy risk: as many round trips as now, independent, each a gain or a loss of the average size; "
                f"at least {FEWEST_BETS} are asked for. The interval is that of the share with a profit."
            ),
        },
        {
            "name": f"Capacity, {asset}",
            "value": room(found.capacity, found.capacity_missing),
            "meaning": (
                "The capital at which expected profit is zero; it is greatest at 4/9 of it. Assumed: entry and exit "
                "each move the price by the daily volatility times the root of their share in a day's traded value, "
                "on top of the costs that were traded with, and trades grow with the capital."
            ),
        },
    ]


def record(days: Number, there: int) -> str:
    """A minimum track record in words.

    Examples
    --------
    >>> record(99.2, 120), record(400.0, 120), record(float("inf"), 120)
    ('100 (there are 120: enough)', '400 (there are 120: too few)', 'none is long enough: the ratio is not above it')
    """
    if days is None or math.isnan(days):
        return "unknown"
    if math.isinf(days):
        return "none is long enough: the ratio is not above it"
    whole = math.ceil(days)
    return f"{whole:,} (there are {there:,}: {'enough' if there >= whole else 'too few'})"


def haircut(found: Needed) -> str:
    """The ratio before and after, or that there is nothing to cut."""
    if found.haircut_sharpe is None:
        return "none: the ratio is not above 0"
    before, after = (number(one, 2, signed=True) for one in (found.sharpe, found.haircut_sharpe))
    return f"{after} of {before} (p = {number(found.haircut_p_value, 3)})"


def between(estimate: Estimate, missing: str) -> str:
    """A probability with its interval, or why there is none."""
    if missing or estimate.bounds is None:
        return f"unknown: {missing}" if missing else percent(estimate.value)
    low, high = (percent(one) for one in estimate.bounds)
    return f"{percent(estimate.value)} [{low}, {high}]"


def room(estimate: Estimate, missing: str) -> str:
    """A capital with its interval, to two digits, or why there is none.

    Examples
    --------
    >>> room(Estimate(1_234_567.0, 0.0, 9_876_543.0), "")
    '1,200,000 [0, 9,900,000]'
    """
    if missing:
        return f"none: {missing}" if "lose" in missing else f"unknown: {missing}"
    value = rounded(estimate.value)
    return value if estimate.bounds is None else f"{value} [{', '.join(map(rounded, estimate.bounds))}]"


def rounded(value: Number) -> str:
    """A number to two digits.

    Examples
    --------
    >>> rounded(87_654.0), rounded(0.0), rounded(None)
    ('88,000', '0', '–')
    """
    return number(value if not value else float(f"{value:.1e}"), 0)
