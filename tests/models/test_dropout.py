"""Dropout drops the share that it is told, whichever of the four units of a draw it is, and each for itself."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from models.members.sequence_network import Dropout

UNITS = 400_001
"""Not whole draws: the last unit has one to itself."""


def dropped(share, seed=1, dtype=torch.float32):
    dropout = Dropout(share)
    dropout.generator.manual_seed(seed)
    return dropout(torch.ones(UNITS, dtype=dtype))


@pytest.mark.parametrize("share", [0.1, 0.25, 0.5, 0.95])
def test_each_unit_of_a_draw_is_dropped_as_often(share):
    for place in range(4):
        mine = dropped(share)[place::4] == 0.0
        error = math.sqrt(share * (1.0 - share) / len(mine))
        assert abs(float(mine.double().mean()) - share) < 4.0 * error + 0.5 / 2**16


def test_what_is_kept_makes_up_for_what_is_dropped():
    found = dropped(0.3)
    exact = round(0.3 * 2**16) / 2**16
    assert sorted(found.unique().tolist()) == pytest.approx([0.0, 1.0 / (1.0 - exact)], rel=1e-7)
    assert dropped(0.3, dtype=torch.bfloat16).dtype == torch.bfloat16


def test_units_are_dropped_each_for_itself():
    mine = (dropped(0.3) == 0.0).double().numpy()
    for lag in range(1, 9):
        assert abs(np.corrcoef(mine[:-lag], mine[lag:])[0, 1]) < 4.0 / math.sqrt(UNITS)
    other = (dropped(0.3, seed=2) == 0.0).double().numpy()
    assert abs(np.corrcoef(mine, other)[0, 1]) < 4.0 / math.sqrt(UNITS)


def test_nothing_is_dropped_in_evaluation_nor_of_a_share_of_nothing():
    x = torch.arange(10.0)
    assert torch.equal(Dropout(0.5).eval()(x), x)
    assert torch.equal(Dropout(0.0)(x), x)
