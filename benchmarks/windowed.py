"""The peers of carried state: the same networks reading the last bars anew at every bar, one ONNX run for all of them.

How others serve a recurrent network: a window from the zero state, its last answer kept. The LSTM is onnxruntime's own
operator over the whole window, a layer after the other, with the weights, norms and residuals of the streamed graph;
the TCN reads as many bars as its convolutions look back.
"""

from __future__ import annotations

import numpy as np
import onnx
import onnxruntime
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from models.bundle.runner import session_options
from models.graph.lstm import lstm_weights
from models.graph.operators import TYPES, GraphBuilder, tensor
from models.graph.part import FEATURES, PROBABILITY
from models.graph.scaling import scaled
from models.graph.sequence import Weights, head, norm, weights_of
from models.members.lstm_network import LstmNetwork
from models.members.sequence_network import SequenceNetwork
from models.members.tcn_network import TcnNetwork

Floats = NDArray[np.float64]


class Windowed:
    """A network over windows: a session of its own on one thread, its input and output bound once.

    Parameters
    ----------
    model
        From ``features`` (bars, features) to the last bar's ``probability``.
    bars
        How many a window has.
    """

    def __init__(self, model: onnx.ModelProto, bars: int, features: int) -> None:
        self.bars = bars
        providers = ["CPUExecutionProvider"]
        self._session = onnxruntime.InferenceSession(model.SerializeToString(), session_options(), providers=providers)
        self._rows, self._said = (
            onnxruntime.OrtValue.ortvalue_from_numpy(np.zeros(shape)) for shape in ((bars, features), (1, 1))
        )
        self._view, self._answer = self._rows.numpy(), self._said.numpy()
        self._binding = self._session.io_binding()
        self._binding.bind_ortvalue_input(FEATURES, self._rows)
        self._binding.bind_ortvalue_output(PROBABILITY, self._said)

    def step(self, window: Floats) -> float:
        """The probability at the last of some bars, float64 (bars, features)."""
        self._view[...] = window
        self._session.run_with_iobinding(self._binding)
        return float(self._answer[0, 0])


def windows(rows: Floats, bars: int) -> list[Floats]:
    """Every row's last ``bars`` rows, for all rows that have so many, as views."""
    return list(sliding_window_view(rows, bars, axis=0).transpose(0, 2, 1))


def windowed_lstm(network: LstmNetwork, bars: int) -> Windowed:
    """The network over ``bars`` bars: each layer is one LSTM operator over all of them."""
    weights, builder = weights_of(network), GraphBuilder()
    x = _projected(builder, weights, network.clip)
    for layer in range(network.layers):
        inputs = [norm(builder, weights, f"blocks.{layer}.norm", x), *lstm_weights(builder, weights, layer)]
        said = builder.add("LSTM", *inputs, hidden_size=network.hidden)  # (T, 1, 1, H); it begins with zeros
        x = builder.add("Add", x, builder.add("Squeeze", said, builder.constant(np.array([1]), "int64")))
    return _finished(builder, weights, network, x, bars)


def windowed_tcn(network: TcnNetwork) -> Windowed:
    """The network over the bars that decide a row, each layer one convolution over all of them."""
    weights, builder = weights_of(network), GraphBuilder()
    x = _projected(builder, weights, network.clip)
    for layer in range(len(network.pasts)):
        seen = builder.add("Transpose", norm(builder, weights, f"blocks.{layer}.norm", x), perm=[1, 2, 0])
        parts = (builder.constant(weights[f"blocks.{layer}.moments.{part}"], "float32") for part in ("weight", "bias"))
        pads = [network.pasts[layer], 0]
        looked = builder.add("Conv", seen, *parts, dilations=[2**layer], group=network.hidden, pads=pads)
        found = builder.add("Transpose", looked, perm=[2, 0, 1])
        matrix = builder.constant(weights[f"blocks.{layer}.mix.weight"].T, "float32")
        mixed = builder.add("MatMul", found, matrix)
        offset = builder.constant(weights[f"blocks.{layer}.mix.bias"], "float32")
        x = builder.add("Add", x, builder.add("Relu", builder.add("Add", mixed, offset)))
    return _finished(builder, weights, network, x, network.reach)


def _projected(builder: GraphBuilder, weights: Weights, clip: float) -> str:
    """Scaled and clipped in float64, projected in float32: (T, F) → (T, 1, H), as the LSTM operator wants it."""
    rows = builder.add("Cast", scaled(builder, weights["mean"], weights["scale"], clip), to=TYPES["float32"])
    matrix, bias = (builder.constant(weights[f"project.{part}"], "float32") for part in ("weight", "bias"))
    found = builder.add("Gemm", rows, matrix, bias, transB=1)
    return builder.add("Unsqueeze", found, builder.constant(np.array([1]), "int64"))


def _finished(builder: GraphBuilder, weights: Weights, network: SequenceNetwork, x: str, bars: int) -> Windowed:
    """The head behind the last bar of (T, 1, H), and the session."""
    last = builder.add("Gather", x, builder.constant(np.array(bars - 1), "int64"), axis=0)
    head(builder, weights, last)
    features = len(weights["mean"])
    model = builder.model("windowed", [tensor(FEATURES, (bars, features))], [tensor(PROBABILITY, (1, 1))])
    return Windowed(model, bars, features)
