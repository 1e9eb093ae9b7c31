"""Features scaled and cut, in float64: what linear members and networks begin with, in the same nodes and constants.

`models.graph.compose` writes nodes that agree in everything once, so members with the same scaler share them.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.graph.operators import GraphBuilder
from models.graph.part import FEATURES


def scaled(builder: GraphBuilder, mean: NDArray[Any], scale: NDArray[Any], clip: float) -> str:
    """``clip((x - mean) / scale, -clip, clip)`` of the row, mean and scale of f numbers: shape (1, f)."""
    centred = builder.add("Sub", FEATURES, builder.constant(np.reshape(mean, (1, -1))))
    divided = builder.add("Div", centred, builder.constant(np.reshape(scale, (1, -1))))
    return builder.add("Clip", divided, builder.constant(-clip), builder.constant(clip))
