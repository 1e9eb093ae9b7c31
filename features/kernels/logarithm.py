"""The natural logarithm inside the loop: a table and a short series, inlined, where the library's is a call.

Good to 1e-15 of max(|log|, 1). Near 1 the error is absolute, not relative: log ratios of prices that
nearly agree take `features.kernels.price.log_ratio`.
"""

from __future__ import annotations

import math

import numpy as np

from market.jit import kernel

PLACES = 7
CENTRES = 1.0 + (np.arange(1 << PLACES) + 0.5) / (1 << PLACES)
INVERSES = 1.0 / CENTRES
LOGS = np.array([-math.log(inverse) for inverse in INVERSES.tolist()])
MANTISSA, ONE = 0xFFFFFFFFFFFFF, 0x3FF0000000000000
LOG_TWO = math.log(2.0)


@kernel
def logarithm(x: float) -> float:
    """log(x) of a positive number that is not subnormal; NaN of NaN and of infinity.

    With x = 2^e m, 1 <= m < 2, and c the centre of the 128th that m lies in: e log 2 + log c + log(1 + (m / c - 1)).
    """
    bits = np.float64(x).view(np.int64)
    mantissa = np.int64((bits & MANTISSA) | ONE).view(np.float64)
    place = (bits >> (52 - PLACES)) & ((1 << PLACES) - 1)
    r = mantissa * INVERSES[place] - 1.0
    z = r * r
    rest = r + z * (-0.5 + r * (1.0 / 3.0) + z * (-0.25 + r * 0.2 - z * (1.0 / 6.0)))
    result: float = ((bits >> 52) - 1023) * LOG_TWO + LOGS[place] + rest + (x - x)
    return result
