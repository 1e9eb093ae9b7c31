"""Exact products of int64 numbers: two-limb intermediates, one division, a stated rounding.

Compiled int64 arithmetic wraps silently. Here a product is kept in two limbs of 62 bits and divided once; what
does not fit is `OVERFLOW`, never a wrong number.
"""

from __future__ import annotations

from typing import Final

from market.jit import kernel

LIMB: Final = 62
LIMIT: Final = 2**62
"""Operands and results lie in [0, LIMIT)."""
HALF: Final = 31
HALF_MASK: Final = 2**31 - 1
LIMB_MASK: Final = 2**62 - 1
OVERFLOW: Final = -1


@kernel
def mul_div(a: int, b: int, divisor: int) -> int:
    """``floor(a * b / divisor)``, exactly.

    Parameters
    ----------
    a, b
        Not negative, below `LIMIT`.
    divisor
        Positive, below `LIMIT`.

    Returns
    -------
    int
        The quotient, or `OVERFLOW` if it is not below `LIMIT` or an operand is out of range.

    Examples
    --------
    >>> int(mul_div(2**61, 10**9, 2 * 10**9)) == 2**60
    True
    >>> int(mul_div(2**61, 2**61, 3))
    -1
    """
    if a < 0 or b < 0 or divisor <= 0 or a >= LIMIT or b >= LIMIT or divisor >= LIMIT:
        return OVERFLOW
    a1, a0 = a >> HALF, a & HALF_MASK
    b1, b0 = b >> HALF, b & HALF_MASK
    middle = a1 * b0 + a0 * b1
    low = a0 * b0 + ((middle & HALF_MASK) << HALF)
    high = a1 * b1 + (middle >> HALF) + (low >> LIMB)
    low = low & LIMB_MASK
    if high == 0:
        return low // divisor
    if high >= divisor:
        return OVERFLOW
    quotient, rest = 0, high
    for bit in range(LIMB - 1, -1, -1):
        rest = (rest << 1) | ((low >> bit) & 1)
        quotient = quotient << 1
        if rest >= divisor:
            rest -= divisor
            quotient |= 1
    return quotient


@kernel
def mul_div_up(a: int, b: int, divisor: int) -> int:
    """``ceil(a * b / divisor)``, exactly; as `mul_div`.

    Examples
    --------
    >>> int(mul_div_up(7, 3, 2)), int(mul_div_up(4, 3, 2))
    (11, 6)
    """
    floor = mul_div(a, b, divisor)
    if floor == OVERFLOW:
        return OVERFLOW
    # The remainder modulo 2**62 decides: it lies in [0, divisor).
    a1, a0 = a >> HALF, a & HALF_MASK
    low = (((a1 * (b & HALF_MASK) + a0 * (b >> HALF)) & HALF_MASK) << HALF) + a0 * (b & HALF_MASK)
    q1, q0 = floor >> HALF, floor & HALF_MASK
    back = (((q1 * (divisor & HALF_MASK) + q0 * (divisor >> HALF)) & HALF_MASK) << HALF) + q0 * (divisor & HALF_MASK)
    if ((low - back) & LIMB_MASK) == 0:
        return floor
    return floor + 1 if floor < LIMIT - 1 else OVERFLOW
