"""The five-layer stateful LSTM as a member."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from models.members.scaling import Scaler
from models.members.sequence import SequenceConfig, SequenceMember

if TYPE_CHECKING:
    from models.members.lstm_network import LstmNetwork


class LstmConfig(SequenceConfig, frozen=True, forbid_unknown_fields=True):
    """Hyperparameters of the LSTM: those of `models.members.sequence.SequenceConfig`."""


@dataclass(frozen=True)
class LstmMember(SequenceMember):
    """The LSTM behind the member protocol."""

    config: LstmConfig = field(default_factory=LstmConfig)
    name: str = "lstm"

    def network(self, scaler: Scaler, base_rate: float) -> LstmNetwork:
        """The untrained network."""
        from models.members.lstm_network import LstmNetwork

        config = self.config
        return LstmNetwork(scaler, config.hidden, config.layers, config.dropout, base_rate)
