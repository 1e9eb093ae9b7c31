"""Exact products: against Python's own whole numbers, over every size of operand."""

from __future__ import annotations

import random
from fractions import Fraction
from math import ceil, floor

import pytest

from trading.exact import LIMIT, OVERFLOW, mul_div, mul_div_up

EDGES = [0, 1, 2, 3, 7, 2**31 - 1, 2**31, 2**31 + 1, 2**61, 2**62 - 2, 2**62 - 1, 10**9, 10**18, 3**39]


def operands():
    yield from ((a, b, c) for a in EDGES for b in EDGES for c in EDGES[1:])
    draw = random.Random(20)
    for _ in range(20_000):
        a, b, c = (draw.getrandbits(draw.randint(1, 62)) for _ in range(3))
        yield a, b, c or 1
    for _ in range(2_000):  # around the largest result
        b, c = draw.getrandbits(62) | 2**61, draw.getrandbits(62) | 2**61
        yield min((LIMIT - 1) * c // b + draw.randint(-1, 1), LIMIT - 1), b, c
    for _ in range(2_000):  # products that divide
        c, q = draw.getrandbits(draw.randint(1, 31)) or 1, draw.getrandbits(draw.randint(1, 31))
        yield c * q, draw.getrandbits(31), c


def test_quotients_are_those_of_python():
    kinds = set()
    for a, b, c in operands():
        exact = Fraction(a * b, c)
        for function, rounded in ((mul_div, floor(exact)), (mul_div_up, ceil(exact))):
            expected = rounded if rounded < LIMIT else OVERFLOW
            assert function(a, b, c) == expected, (function.__name__, a, b, c)
            kinds.add((function.__name__, expected == OVERFLOW, exact.denominator == 1, a * b >= LIMIT))
    assert len(kinds) == 12  # every mix but an overflow of a small product


@pytest.mark.parametrize("function", [mul_div, mul_div_up])
@pytest.mark.parametrize("bad", [-1, -(2**63), LIMIT, LIMIT + 1, 2**63 - 1])
def test_operands_out_of_range_overflow(function, bad):
    assert function(bad, 1, 1) == function(1, bad, 1) == function(1, 1, bad) == OVERFLOW
    assert function(1, 1, 0) == OVERFLOW
