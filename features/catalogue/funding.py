"""Funding: rates, what they add up to, the time to the next one, and where the price stands to the mark.

Needs bars with funding fields (`market.funding`, ``bot4 data funding``). Fundings are found from the moments that the
bars name; of several in one bar, or in a hole between bars, only one is seen.
"""

from __future__ import annotations

from features.blocks import INVERSE_VOLATILITY, apply, lookback, span_ewma
from features.catalogue.volume import z_feature
from features.feature import Feature
from features.kernels import book, funding, ratios
from features.nodes import CLOSE, END, Field, Node, Part, Value

RATE = apply(funding.rate_of, Field("funding_rate"))
RATE_BPS = apply(ratios.linear, RATE, params=(1e4, 0.0))
SCHEDULE = Node(funding.schedule, (END, Field("funding_in")), ints=2, outputs=3, recursive=True)
INTERVAL, LEFT, SETTLED = (Part(SCHEDULE, index) for index in range(3))
CARRY = apply(funding.annual, RATE, INTERVAL)
CLOCK = apply(funding.clock, INTERVAL, LEFT, outputs=3)
RECENT = Node(
    funding.recent,
    (RATE_BPS, SETTLED, END),
    floats=funding.CAPACITY + 3,
    ints=funding.CAPACITY + 2,
    outputs=3,
    recursive=True,
)
BASIS = apply(book.gap, Field("mark_price"), CLOSE)
BASIS_BPS = apply(ratios.linear, BASIS, params=(1e4, 0.0))
PREMIUM_BPS = apply(ratios.linear, BASIS, params=(-1e4, 0.0))

RATE_MEANING = (
    "funding rate per funding interval, the last one published by the bar's end, in basis points, within 10,000"
)
CARRY_MEANING = (
    "funding rate * 365 days / funding interval, without compounding; the interval is the distance of the last two"
    " moments of fundings, 8 hours until one has been seen"
)
BASIS_MEANING = "log(mark price / close) in basis points, the last mark published by the bar's end; 0 without a mark"
TURN_MEANING = "of one turn from the last funding to the next, at the bar's end; see funding_left for the interval"


def smoothed(name: str, value: Value, span: int, unit: str, meaning: str) -> Feature:
    """An exponential average of one of them."""
    text = f"exponential average, span {span}, of: {meaning}"
    return Feature(f"{name}_ewma_{span}", span_ewma(value, span), 1.0, unit, text, "own", {"span": span})


def basis_change(bars: int) -> Feature:
    """How the basis moved."""
    node = apply(ratios.difference, BASIS_BPS, lookback(BASIS_BPS, bars))
    text = f"change over {bars} bars of: {BASIS_MEANING}"
    return Feature(f"basis_change_{bars}", node, 1.0, "bps", text, "own", {"bars": bars})


def sums() -> tuple[Feature, ...]:
    """What the fundings of the last days add up to."""
    return tuple(
        Feature(
            f"funding_sum_{days}d",
            Part(RECENT, index),
            1.0,
            "bps",
            f"sum of the rates of the fundings of the last {days * 24} hours up to the bar's end, in basis points, each"
            " within 10,000; of those seen since the state was empty, so too few until that long has passed, and of at"
            f" most the last {funding.CAPACITY}",
            "own",
        )
        for index, days in enumerate((1, 3, 7))
    )


FEATURES = (
    Feature("funding_bps", RATE_BPS, 1.0, "bps", RATE_MEANING, "own"),
    smoothed("funding_bps", RATE_BPS, 96, "bps", RATE_MEANING),
    smoothed("funding_bps", RATE_BPS, 384, "bps", RATE_MEANING),
    z_feature("funding", RATE_BPS, "funding_bps", "own", 384),
    Feature("funding_carry", CARRY, 1.0, "1 a year", CARRY_MEANING, "own"),
    smoothed("funding_carry", CARRY, 96, "1 a year", CARRY_MEANING),
    *sums(),
    Feature(
        "funding_left",
        Part(CLOCK, 0),
        1.0,
        "1",
        "time from the bar's end to the next funding / funding interval, at most 1; the interval as in funding_carry",
        "own",
    ),
    Feature("funding_turn_sin", Part(CLOCK, 1), 1.0, "1", f"sine {TURN_MEANING}", "own"),
    Feature("funding_turn_cos", Part(CLOCK, 2), 1.0, "1", f"cosine {TURN_MEANING}", "own"),
    Feature("basis_bps", BASIS_BPS, 1.0, "bps", BASIS_MEANING, "own"),
    smoothed("basis_bps", BASIS_BPS, 16, "bps", BASIS_MEANING),
    z_feature("basis", BASIS_BPS, "basis_bps", "own", 96),
    basis_change(1),
    basis_change(8),
    Feature(
        "premium_sigma",
        apply(ratios.scaled, PREMIUM_BPS, INVERSE_VOLATILITY, params=(1e-4,)),
        1.0,
        "standard deviations",
        "log(close / mark price) / ewma_volatility_96; 0 without a mark or volatility",
        "own",
    ),
    Feature(
        "premium_trend_8_96",
        apply(ratios.difference, span_ewma(PREMIUM_BPS, 8), span_ewma(PREMIUM_BPS, 96)),
        1.0,
        "bps",
        "exponential average of span 8 minus that of span 96, of: log(close / mark price) in bps, 0 without a mark",
        "own",
        {"fast": 8, "slow": 96},
    ),
)
