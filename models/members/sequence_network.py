"""What the networks that read a stream bar by bar share: scaling, projection, residual blocks, head, and a state.

Shapes: B streams side by side, T bars, F features, H hidden units, L blocks. Each block sees its input layer-normalised
and adds what it finds (a residual connection, He et al. 2016; normalisation before the layer, Xiong et al. 2020), so at
the start of training the network is close to a linear model, and depth cannot hurt a weak signal.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, ClassVar

import torch
from torch import Tensor, nn

from models.members.scaling import Scaler

if TYPE_CHECKING:
    from models.graph.part import GraphPart

State = tuple[Tensor, ...]
"""What a network carries from bar to bar; a new one is all zeros."""


class Dropout(nn.Module):
    """Dropout from a generator of its own: other fits in the process do not disturb it, nor it them.

    Sixteen random bits decide a unit, four units from one draw: a draw for each, as torch does it, took a tenth of a
    fit. The share is dropped to the nearest of their 65,536 steps, and what is kept is scaled by what that leaves.

    Examples
    --------
    >>> dropout = Dropout(0.25)
    >>> _ = dropout.generator.manual_seed(1)
    >>> dropout(torch.ones(400_000)).unique().tolist(), round(float(dropout(torch.ones(400_000)).mean()), 2)
    ([0.0, 1.3333333730697632], 1.0)
    """

    def __init__(self, share: float) -> None:
        super().__init__()
        self.dropped = round(share * 2**16)
        self.generator = torch.Generator()

    def forward(self, x: Tensor) -> Tensor:
        """Any shape; unchanged in evaluation."""
        if not self.training or self.dropped == 0:
            return x
        words = torch.empty(-(-x.numel() // 4), dtype=torch.int64, device=x.device)
        words.random_(-(2**63), None, generator=self.generator)
        kept = words.view(torch.int16)[: x.numel()].view(x.shape) >= self.dropped - 2**15
        return x * kept.to(x.dtype).mul_(2**16 / (2**16 - self.dropped))


class SequenceNetwork(nn.Module, ABC):
    """A network over a stream, from feature rows and a state to logits and the next state.

    Parameters
    ----------
    scaler
        The training rows' scaler; kept in float64 inside the network, which is float32 after it.
    hidden, dropout
        H, and the share of units dropped while training.
    base_rate
        The head starts by predicting this probability for every row.
    blocks
        Makes the residual blocks.

    Attributes
    ----------
    in_bf16_on
        Types of devices on which it may be trained under bfloat16 autocast.
    """

    in_bf16_on: ClassVar[frozenset[str]] = frozenset({"cpu", "cuda"})
    mean: Tensor
    scale: Tensor

    def __init__(
        self,
        scaler: Scaler,
        hidden: int,
        dropout: float,
        base_rate: float,
        blocks: Callable[[], Iterable[nn.Module]],
    ) -> None:
        super().__init__()
        self.hidden, self.clip = hidden, scaler.clip
        self.register_buffer("mean", torch.tensor(scaler.mean, dtype=torch.float64))  # (F,)
        self.register_buffer("scale", torch.tensor(scaler.scale, dtype=torch.float64))  # (F,)
        self.project = nn.Linear(len(scaler.mean), hidden)
        self.dropout = Dropout(dropout)
        self.blocks = nn.ModuleList(blocks())
        self.norm = nn.LayerNorm(hidden)
        self.head = nn.Linear(hidden, 1)
        nn.init.zeros_(self.head.weight)
        nn.init.constant_(self.head.bias, float(torch.logit(torch.tensor(base_rate, dtype=torch.float64))))

    @property
    def device(self) -> torch.device:
        """Where the weights are."""
        return self.head.weight.device

    def seed(self, seed: int) -> None:
        """Start every dropout's generator anew, on the device where the weights are."""
        for number, module in enumerate(one for one in self.modules() if isinstance(one, Dropout)):
            module.generator = torch.Generator(self.device).manual_seed(seed + number)

    def scaled(self, features: Tensor) -> Tensor:
        """Raw float64 features, any leading shape, as clipped float32."""
        return ((features - self.mean) / self.scale).clamp(-self.clip, self.clip).float()

    def forward(self, x: Tensor, state: State) -> tuple[Tensor, State]:
        """Logits (B, T) of scaled rows (B, T, F), and the state after the last."""
        x, after = self.through(self.dropout(self.project(x)), state)  # (B, T, F) → (B, T, H)
        return self.head(self.norm(x)).squeeze(-1), after  # (B, T, H) → (B, T)

    @abstractmethod
    def through(self, x: Tensor, state: State) -> tuple[Tensor, State]:
        """Projected rows (B, T, H) through the blocks, and the state after the last."""

    @abstractmethod
    def zero_state(self, streams: int) -> State:
        """The state before the first bar."""

    @abstractmethod
    def part(self, name: str) -> GraphPart:
        """One step of the network as a graph fragment."""
