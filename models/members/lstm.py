"""The five-layer stateful LSTM as a member."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from models.members.scaling import Scaler
from models.members.sequence import SequenceConfig, SequenceMember

if TYPE_CHECKING:
    from models.members.lstm_network import LstmNetwork


class LstmConfig(SequenceConfig, frozen=True, forbid_unknown_fields=True):
    """Hyperparameters of the LSTM: those of `models.members.sequence.SequenceConfig`.

    ``bf16`` is for the CPU alone: refused with ``device`` ``cuda``, and without effect where ``auto`` finds a GPU.
    """

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.bf16 and self.device == "cuda":
            raise ValueError(
                'bf16 is true and device is "cuda", where cuDNN would run this LSTM in float16, whose small gradients '
                'vanish: leave bf16 out (a GPU then trains in float32), or set device to "cpu"'
            )


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
