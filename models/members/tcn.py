"""The temporal convolutional network as a member, streamed one bar at a time."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from models.members.scaling import Scaler
from models.members.sequence import SequenceConfig, SequenceMember

if TYPE_CHECKING:
    from models.members.tcn_network import TcnNetwork


class TcnConfig(SequenceConfig, frozen=True, forbid_unknown_fields=True):
    """Hyperparameters of the TCN: those of `models.members.sequence.SequenceConfig`, and ``kernel``.

    ``kernel``: the moments that each layer looks at. Five layers of 3 see 63 bars back, so ``burn_in`` of 64 rows gives
    every counted row its whole past.
    """

    kernel: int = 3

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 2 <= self.kernel <= 16:
            raise ValueError(f"kernel is {self.kernel}; a layer looks at 2 to 16 moments")
        if not 1 <= self.layers <= 12:
            raise ValueError(f"layers is {self.layers}; with more than 12 the last would look 4,096 bars back and more")


@dataclass(frozen=True)
class TcnMember(SequenceMember):
    """The TCN behind the member protocol."""

    config: TcnConfig = field(default_factory=TcnConfig)
    name: str = "tcn"

    def network(self, scaler: Scaler, base_rate: float) -> TcnNetwork:
        """The untrained network."""
        from models.members.tcn_network import TcnNetwork

        config = self.config
        return TcnNetwork(scaler, config.hidden, config.layers, config.kernel, config.dropout, base_rate)
