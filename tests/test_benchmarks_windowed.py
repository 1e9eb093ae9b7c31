"""The peers over windows are the streamed networks: the same answer at a window's end as after as many steps."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from benchmarks.windowed import windowed_lstm, windowed_tcn, windows
from models.bundle.runner import GraphRunner
from models.graph.compose import compose
from models.members.lstm_network import LstmNetwork
from models.members.scaling import Scaler
from models.members.tcn_network import TcnNetwork

FEATURES, HIDDEN, LAYERS, WINDOW = 12, 16, 5, 60
TOLERANCE = 2e-6
"""Between probabilities: float32 sums in another order, as between graph and library."""


@pytest.fixture(params=["lstm", "tcn"])
def pair(request):
    """A network as it is streamed, and as it reads windows; what it says spreads widely."""
    torch.manual_seed(3)
    random = np.random.default_rng(3)
    scaler = Scaler(random.normal(size=FEATURES), random.uniform(0.5, 2.0, FEATURES), 3.0)
    if request.param == "lstm":
        network = LstmNetwork(scaler, HIDDEN, LAYERS, 0.1, 0.5).eval()
    else:
        network = TcnNetwork(scaler, HIDDEN, LAYERS, 3, 0.1, 0.5).eval()
    for name, weight in network.named_parameters():
        if weight.ndim == 1 or "head" in name:
            torch.nn.init.normal_(weight, std=0.5)
    streamed = GraphRunner(compose([network.part(request.param)]).SerializeToString())
    return streamed, windowed_lstm(network, WINDOW) if request.param == "lstm" else windowed_tcn(network)


def test_a_window_s_last_answer_is_that_of_as_many_streamed_steps_from_zero(pair):
    streamed, windowed = pair
    rows = 2.0 * np.random.default_rng(4).normal(size=(200, FEATURES))
    assert windowed.bars in (60, 63)
    found = []
    for window in windows(rows, windowed.bars):
        streamed.reset()
        expected = streamed.run_rows(np.ascontiguousarray(window))[1][-1]
        found.append(windowed.step(window))
        assert found[-1] == pytest.approx(expected, abs=TOLERANCE)
    assert len(found) == 200 - windowed.bars + 1
    assert np.std(found) > 0.02, "rows that differ have answers that do"
