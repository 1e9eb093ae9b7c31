"""Names of the bars that lie on no grid of time: what the lake calls their series."""

from __future__ import annotations

import re
from decimal import Decimal
from typing import Final

from market.bar_builders.spec import KINDS, Adaptive, BarKind, BarSpec
from market.errors import MarketError
from market.time import format_interval

ADAPTIVE: Final = "adaptive-"
TICK_RULE: Final = "-tick-rule"
NUMBER: Final = r"\d+(?:\.\d+)?"
RULE: Final = re.compile(rf"(\d+):({NUMBER}):({NUMBER}):(\d+):(\d+)")
BY_NAME: Final[dict[str, BarKind]] = {
    kind.replace("_", "-"): kind for kind in sorted(KINDS, key=len, reverse=True) if kind != "time"
}
"""Kinds by their spelling in names, those that begin with others' first."""


def spec_name(spec: BarSpec) -> str:
    """The one name of bars: an interval for time bars; else the kind, what ends a bar, and how sides are known.

    Raises
    ------
    MarketError
        If time bars take sides from the tick rule: their name has no place for it.

    Examples
    --------
    >>> spec_name(BarSpec("dollar", threshold=1e6))
    'dollar-1000000'
    >>> rule = Adaptive(expected_ticks=500, bar_span=20.0, trade_span=2e3, least_ticks=50, most_ticks=5000)
    >>> spec_name(BarSpec("tick_run", adaptive=rule, sides="tick_rule"))
    'tick-run-adaptive-500:20:2000:50:5000-tick-rule'
    """
    if spec.interval is not None:
        if spec.sides != "source":
            raise MarketError("time bars that take sides from the tick rule have no name: their series says the time")
        return format_interval(spec.interval)
    end = plain(spec.threshold) if spec.threshold is not None else ADAPTIVE + rule_text(spec.adaptive)
    return f"{spec.kind.replace('_', '-')}-{end}{TICK_RULE if spec.sides == 'tick_rule' else ''}"


def is_spec_name(name: str) -> bool:
    """Whether a name begins as those of bars on no grid do; it may still be wrong."""
    return any(name.startswith(f"{kind}-") for kind in BY_NAME)


def parse_spec(name: str) -> BarSpec:
    """The bars that a name of `spec_name` means; not of time bars, whose name is an interval.

    Raises
    ------
    MarketError
        If it is no such name, or not the one that these bars have.

    Examples
    --------
    >>> parse_spec("volume-imbalance-2.5").threshold
    2.5
    >>> parse_spec("dollar-1e6")
    Traceback (most recent call last):
    market.errors.MarketError: 'dollar-1e6' names no bars: its end is neither a plain number nor adaptive-A:B:C:D:E
    """
    kind = next((kind for kind in BY_NAME if name.startswith(f"{kind}-")), None)
    if kind is None:
        raise MarketError(f"{name!r} names no bars; names begin with one of {', '.join(BY_NAME)}")
    end = name.removeprefix(f"{kind}-")
    by_rule = end.endswith(TICK_RULE)
    end = end.removesuffix(TICK_RULE)
    threshold = float(end) if re.fullmatch(NUMBER, end) else None
    if threshold is None and not end.startswith(ADAPTIVE):
        raise MarketError(f"{name!r} names no bars: its end is neither a plain number nor {ADAPTIVE}A:B:C:D:E")
    adaptive = parse_rule(end.removeprefix(ADAPTIVE)) if threshold is None else None
    spec = BarSpec(BY_NAME[kind], None, threshold, adaptive, "tick_rule" if by_rule else "source")
    if spec_name(spec) != name:
        raise MarketError(f"{name!r} is not how these bars are named; write {spec_name(spec)!r}")
    return spec


def parse_rule(text: str) -> Adaptive:
    """An adaptive threshold's five numbers, in the order of `market.bar_builders.spec.Adaptive`.

    Raises
    ------
    MarketError
        If they are not five plain numbers, or out of order.

    Examples
    --------
    >>> parse_rule("500:20:2000:50:5000").most_ticks
    5000
    """
    match = RULE.fullmatch(text)
    if match is None:
        raise MarketError(
            f"{text!r} is not expected_ticks:bar_span:trade_span:least_ticks:most_ticks, such as 500:20:2000:50:5000"
        )
    expected, bar_span, trade_span, least, most = match.groups()
    return Adaptive(int(expected), float(bar_span), float(trade_span), int(least), int(most))


def rule_text(rule: Adaptive | None) -> str:
    """The text that `parse_rule` reads back."""
    if rule is None:
        raise MarketError("bars without a threshold have an adaptive rule")
    spans = (plain(rule.bar_span), plain(rule.trade_span))
    return ":".join([str(rule.expected_ticks), *spans, str(rule.least_ticks), str(rule.most_ticks)])


def plain(number: float) -> str:
    """The shortest decimal that reads back as the number, without exponent."""
    text = format(Decimal(repr(float(number))), "f")
    return text.rstrip("0").rstrip(".") if "." in text else text
