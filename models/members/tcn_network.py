"""A temporal convolutional network (Bai, Kolter and Koltun 2018), carried from bar to bar like a recurrent one.

Layer l looks at its input now and at K - 1 earlier moments, ``2 ** l`` bars apart: with K = 3, five layers see 63 bars.
Nothing is padded while it streams: each layer keeps the inputs that it will look at again, and that is the state, one
tensor (B, P, H) in which the layers' pasts lie one behind the other, each oldest first. Before the first bar they are
zeros, which is the causal padding of the paper. Shapes as in `models.members.sequence_network`.

The convolutions are separable (Chollet 2017): a weight for each unit and moment, then one matrix between units. They
begin by looking at the present alone but for a little of the past. Full convolutions, which look everywhere from the
start, learned two thirds as much on planted problems without memory, and the past has to begin with something: from
exact zeros a delay was not found at all.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn
from torch.nn.functional import relu

from models.members.scaling import Scaler
from models.members.sequence_network import Dropout, SequenceNetwork, State

if TYPE_CHECKING:
    from models.graph.part import GraphPart


PAST = 0.25
"""Standard deviation of the weights of earlier moments before training; the present's is 1."""


class Block(nn.Module):
    """One layer: normalise, look at the moments, mix the units, rectify, drop out, add."""

    def __init__(self, hidden: int, kernel: int, dilation: int, dropout: float) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(hidden)
        self.moments = nn.Conv1d(hidden, hidden, kernel, dilation=dilation, groups=hidden)
        self.mix = nn.Linear(hidden, hidden)
        self.dropout = Dropout(dropout)
        nn.init.normal_(self.moments.weight, std=PAST)
        nn.init.ones_(self.moments.weight.detach()[:, :, -1])
        nn.init.zeros_(self.moments.bias)  # type: ignore[arg-type]

    def forward(self, x: Tensor, past: Tensor) -> tuple[Tensor, Tensor]:
        """One layer over T bars: x (B, T, H), its past inputs (B, P, H); the layer's output and its next past."""
        seen = torch.cat([past, self.norm(x)], dim=1)  # (B, P + T, H)
        found = self.moments(seen.transpose(1, 2)).transpose(1, 2)  # (B, T, H)
        return x + self.dropout(relu(self.mix(found))), seen[:, seen.shape[1] - past.shape[1] :]


class TcnNetwork(SequenceNetwork):
    """Scaling, projection, L residual convolutions, head.

    Parameters
    ----------
    layers, kernel
        L, and K, the moments that each layer looks at; the others as of
        `models.members.sequence_network.SequenceNetwork`.
    """

    def __init__(self, scaler: Scaler, hidden: int, layers: int, kernel: int, dropout: float, base_rate: float) -> None:
        super().__init__(
            scaler,
            hidden,
            dropout,
            base_rate,
            lambda: (Block(hidden, kernel, 2**layer, dropout) for layer in range(layers)),
        )
        self.kernel = kernel
        self.pasts: list[int] = [(kernel - 1) * 2**layer for layer in range(layers)]

    @property
    def reach(self) -> int:
        """How many bars, the newest included, decide a row.

        Examples
        --------
        >>> import numpy as np
        >>> TcnNetwork(Scaler(np.zeros(2), np.ones(2), 5.0), 4, 5, 3, 0.0, 0.5).reach
        63
        """
        return 1 + sum(self.pasts)

    def zero_state(self, streams: int) -> State:
        """The state before the first bar."""
        return (torch.zeros((streams, sum(self.pasts), self.hidden), device=self.device),)

    def through(self, x: Tensor, state: State) -> tuple[Tensor, State]:
        """Projected rows (B, T, H) through the layers, and the state after the last."""
        after = []
        for block, past in zip(self.blocks, torch.split(state[0], self.pasts, dim=1), strict=True):
            x, following = block(x, past)
            after.append(following)
        return x, (torch.cat(after, dim=1),)

    def part(self, name: str) -> GraphPart:
        """One step of the network as a graph fragment."""
        from models.graph.tcn import tcn_part

        return tcn_part(name, self)
