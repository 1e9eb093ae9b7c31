"""The five-layer stateful LSTM. Its state is two tensors (L, B, H): what the layers said (hidden), what they remember.

Shapes as in `models.members.sequence_network`; L layers.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from models.members.scaling import Scaler
from models.members.sequence_network import Dropout, SequenceNetwork, State

if TYPE_CHECKING:
    from models.graph.part import GraphPart


class Block(nn.Module):
    """One layer: normalise, step, drop out, add."""

    def __init__(self, hidden: int, dropout: float) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(hidden)
        self.lstm = nn.LSTM(hidden, hidden, batch_first=True)
        self.dropout = Dropout(dropout)

    def forward(self, x: Tensor, state: State) -> tuple[Tensor, State]:
        """One layer over T bars: x (B, T, H), state two of (1, B, H)."""
        found, state = self.lstm(self.norm(x), state)  # (B, T, H), 2 × (1, B, H)
        return x + self.dropout(found), state


class LstmNetwork(SequenceNetwork):
    """Scaling, projection, L residual LSTM layers, head.

    Parameters
    ----------
    layers
        L; the others as of `models.members.sequence_network.SequenceNetwork`.
    """

    # On a GPU autocast runs cuDNN's LSTM in float16 whatever it is asked for, and its small gradients vanish.
    in_bf16_on = frozenset({"cpu"})

    def __init__(self, scaler: Scaler, hidden: int, layers: int, dropout: float, base_rate: float) -> None:
        super().__init__(scaler, hidden, dropout, base_rate, lambda: (Block(hidden, dropout) for _ in range(layers)))
        self.layers = layers
        for name, weight in self.named_parameters():
            if "weight_hh" in name:
                for gate in weight.detach().chunk(4):
                    nn.init.orthogonal_(gate)
            if "lstm.bias" in name:
                nn.init.zeros_(weight)
            if "bias_ih" in name:  # remember by default (Jozefowicz et al. 2015); gates are input, forget, cell, output
                nn.init.ones_(weight.detach()[self.hidden : 2 * self.hidden])

    def zero_state(self, streams: int) -> State:
        """The state before the first bar."""
        shape = (self.layers, streams, self.hidden)
        return torch.zeros(shape, device=self.device), torch.zeros(shape, device=self.device)

    def through(self, x: Tensor, state: State) -> tuple[Tensor, State]:
        """Projected rows (B, T, H) through the layers, and the state after the last."""
        hidden, cell = (torch.split(part, 1) for part in state)  # (L, B, H) → L × (1, B, H)
        after: list[State] = []
        for block, before in zip(self.blocks, zip(hidden, cell, strict=True), strict=True):
            x, following = block(x, before)
            after.append(following)
        return x, (torch.cat([h for h, _ in after]), torch.cat([c for _, c in after]))  # 2 × (L, B, H)

    def part(self, name: str) -> GraphPart:
        """One step of the network as a graph fragment."""
        from models.graph.lstm import lstm_part

        return lstm_part(name, self)
