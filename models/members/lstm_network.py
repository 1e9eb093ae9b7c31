"""The five-layer stateful LSTM: the whole network, from a feature row and a state to a logit and the next state.

Shapes: B streams side by side, T bars, F features, H hidden units, L layers. The state is two tensors (L, B, H): what
the layers said (hidden) and what they remember (cell). Each layer sees its input layer-normalised and adds what it
finds (a residual connection, He et al. 2016; normalisation before the layer, Xiong et al. 2020), so at the start of
training the network is close to a linear model, and depth cannot hurt a weak signal.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from models.members.scaling import Scaler

State = tuple[Tensor, Tensor]


class Dropout(nn.Module):
    """Dropout from a generator of its own: other fits in the process do not disturb it, nor it them."""

    def __init__(self, share: float) -> None:
        super().__init__()
        self.kept = 1.0 - share
        self.generator = torch.Generator()

    def forward(self, x: Tensor) -> Tensor:
        """Any shape; unchanged in evaluation."""
        if not self.training or self.kept == 1.0:
            return x
        mask = torch.empty_like(x).bernoulli_(self.kept, generator=self.generator)
        return x * (mask / self.kept)


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


class LstmNetwork(nn.Module):
    """Scaling, projection, L residual LSTM layers, head.

    Parameters
    ----------
    scaler
        The training rows' scaler; kept in float64 inside the network, which is float32 after it.
    hidden, layers, dropout
        H, L and the share of units dropped while training.
    base_rate
        The head starts by predicting this probability for every row.
    """

    mean: Tensor
    scale: Tensor

    def __init__(self, scaler: Scaler, hidden: int, layers: int, dropout: float, base_rate: float) -> None:
        super().__init__()
        self.hidden, self.layers, self.clip = hidden, layers, scaler.clip
        self.register_buffer("mean", torch.tensor(scaler.mean, dtype=torch.float64))  # (F,)
        self.register_buffer("scale", torch.tensor(scaler.scale, dtype=torch.float64))  # (F,)
        self.project = nn.Linear(len(scaler.mean), hidden)
        self.dropout = Dropout(dropout)
        self.blocks = nn.ModuleList(Block(hidden, dropout) for _ in range(layers))
        self.norm = nn.LayerNorm(hidden)
        self.head = nn.Linear(hidden, 1)
        self._initialise(base_rate)

    def _initialise(self, base_rate: float) -> None:
        nn.init.zeros_(self.head.weight)
        nn.init.constant_(self.head.bias, float(torch.logit(torch.tensor(base_rate, dtype=torch.float64))))
        for name, weight in self.named_parameters():
            if "weight_hh" in name:
                for gate in weight.detach().chunk(4):
                    nn.init.orthogonal_(gate)
            if "lstm.bias" in name:
                nn.init.zeros_(weight)
            if "bias_ih" in name:  # remember by default (Jozefowicz et al. 2015); gates are input, forget, cell, output
                nn.init.ones_(weight.detach()[self.hidden : 2 * self.hidden])

    @property
    def device(self) -> torch.device:
        """Where the weights are."""
        return self.head.weight.device

    def seed(self, seed: int) -> None:
        """Start every dropout's generator anew, on the device where the weights are."""
        for number, module in enumerate(one for one in self.modules() if isinstance(one, Dropout)):
            module.generator = torch.Generator(self.device).manual_seed(seed + number)

    def zero_state(self, streams: int) -> State:
        """The state before the first bar."""
        shape = (self.layers, streams, self.hidden)
        return torch.zeros(shape, device=self.device), torch.zeros(shape, device=self.device)

    def scaled(self, features: Tensor) -> Tensor:
        """Raw float64 features, any leading shape, as clipped float32."""
        return ((features - self.mean) / self.scale).clamp(-self.clip, self.clip).float()

    def forward(self, x: Tensor, state: State) -> tuple[Tensor, State]:
        """Logits (B, T) of scaled rows (B, T, F), and the state after the last."""
        x = self.dropout(self.project(x))  # (B, T, F) → (B, T, H)
        hidden, cell = (torch.split(part, 1) for part in state)  # (L, B, H) → L × (1, B, H)
        after: list[State] = []
        for block, before in zip(self.blocks, zip(hidden, cell, strict=True), strict=True):
            x, following = block(x, before)
            after.append(following)
        logits = self.head(self.norm(x)).squeeze(-1)  # (B, T, H) → (B, T)
        return logits, (torch.cat([h for h, _ in after]), torch.cat([c for _, c in after]))  # 2 × (L, B, H)
