"""Networks over streams as members: trained on contiguous streams, stepped through history from the zero state."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import msgspec
import numpy as np
from numpy.typing import NDArray

from models.dataset import Panel
from models.members.along import NOWHERE, Along
from models.members.device import Device, torch_sees_cuda, training_device
from models.members.domain import above, between
from models.members.facts import MemberFacts
from models.members.protocol import FitRecord, Progress
from models.members.scaling import Scaler, fit_scaler
from models.members.streams import runs, stacked, training_streams, validation_streams
from models.members.training import consecutive, take_both, usable

if TYPE_CHECKING:
    from models.graph.part import GraphPart
    from models.members.sequence_network import SequenceNetwork
    from models.members.sequence_training import Curves

PREDICTED_AT_ONCE = 2048
FACTS = MemberFacts(
    bound=2e-6,
    library="torch",
    distributions=("numpy", "torch", "onnx"),
    axis="epoch",
    before_training=("validation_log_loss",),
    carries_state=True,
    thin={"epochs": 1},
)
"""The export's bound: float32 sums in another order."""


class SequenceConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What every network over a stream is trained by.

    ``hidden``, ``layers``, ``dropout``: the network. ``clip``: where scaled features are cut.
    ``epochs``: the most passes; ``patience`` epochs without a better validation loss stop the fit.
    ``learning_rate``: the peak, after ``warm_up`` (a share of all steps), before cosine decay.
    ``weight_decay``: of matrices. ``gradient_norm``: gradients are clipped to it.
    ``chunk``: bars of truncated back-propagation. ``stream``: bars of a stream that count, after ``burn_in`` bars that
    only move its state. ``updates``: optimiser steps wanted in an epoch; ``most_streams`` side by side at the most.
    ``bf16``: bfloat16 autocast while training, else float32, on a GPU too, without TF32. ``threads``: of the fit. Sums
    split over threads have other last bits: one gives the same bits on any number of cores.
    ``device``: where it is trained, ``cpu``, ``cuda`` or ``auto`` (`models.members.device`); it predicts on the CPU.
    """

    hidden: int = 32
    layers: int = 5
    dropout: float = 0.1
    clip: float = 5.0
    epochs: int = 10
    patience: int = 3
    learning_rate: float = 3e-3
    warm_up: float = 0.1
    weight_decay: float = 0.05
    gradient_norm: float = 1.0
    chunk: int = 64
    stream: int = 512
    burn_in: int = 64
    updates: int = 32
    most_streams: int = 64
    bf16: bool = False
    threads: int = 1
    device: Device = "cpu"

    def __post_init__(self) -> None:
        between(self, 1, 4096, "hidden")
        between(self, 1, 64, "layers")
        between(self, 0, 0.95, "dropout")
        above(self, 0, 1e6, "clip", "gradient_norm")
        between(self, 1, 100_000, "epochs", "patience", "chunk", "stream", "updates", "most_streams")
        above(self, 0, 1, "learning_rate")
        between(self, 0, 1, "warm_up", "weight_decay")
        between(self, 0, 100_000, "burn_in")
        between(self, 1, 1024, "threads")


@dataclass(frozen=True, slots=True, eq=False)
class FittedSequence:
    """A trained network."""

    name: str
    record: FitRecord
    network: SequenceNetwork

    def predict(self, panel: Panel, instrument: int, rows: NDArray[np.int64]) -> NDArray[np.float64]:
        """P(label = 1) at consecutive rows of one series, shape (n,), from the zero state before the first.

        A row with a NaN gives NaN and resets the state.
        """
        features = consecutive(panel, instrument, rows)
        out = np.full(len(features), np.nan)
        for start, stop in runs(usable(features)):
            out[start:stop] = self._run(features[start:stop])
        return out

    def _run(self, features: NDArray[np.float64]) -> NDArray[np.float64]:
        import torch

        from models.members.sequence_training import deterministic

        state = self.network.zero_state(1)
        logits = []
        with deterministic(threads=1), torch.inference_mode():
            for start in range(0, len(features), PREDICTED_AT_ONCE):
                rows = torch.from_numpy(np.ascontiguousarray(features[start : start + PREDICTED_AT_ONCE]))
                chunk, state = self.network(self.network.scaled(rows).unsqueeze(0), state)
                logits.append(chunk[0].double())
            probability: NDArray[np.float64] = torch.sigmoid(torch.cat(logits)).numpy()
        return probability

    def part(self) -> GraphPart:
        """The member as a graph fragment."""
        return self.network.part(self.name)


class SequenceMember(ABC):
    """A network over streams behind the member protocol; a member of this kind says its network alone."""

    facts: ClassVar[MemberFacts] = FACTS
    name: str
    config: SequenceConfig

    @abstractmethod
    def network(self, scaler: Scaler, base_rate: float) -> SequenceNetwork:
        """The untrained network, its weights drawn from torch's own generator."""

    def fit(
        self,
        panel: Panel,
        train: NDArray[np.int64],
        validation: NDArray[np.int64],
        seed: int,
        progress: Progress | None = None,
        along: Along = NOWHERE,
    ) -> FittedSequence:
        """Train on the streams of the training range, stopping early by the validation samples.

        After each epoch a checkpoint is kept, if ``along`` has a file for it, and a fit that was killed goes on there.

        Raises
        ------
        MemberError
            If there is nothing to learn from (`models.members.training.take_both`), or no GPU where one is asked for.
        """
        device = training_device(self.config.device, torch_sees_cuda, "torch")
        rows, _ = take_both(panel, train, validation)
        scaler = fit_scaler(rows.features, rows.weight, self.config.clip, panel.indicators)
        network, precision, curves = self._train(
            panel, train, validation, scaler, rows.base_rate, seed, device, progress, along
        )
        record = FitRecord(
            curves={
                "train_log_loss": curves.train_log_loss,
                "validation_log_loss": curves.validation_log_loss,
                "learning_rate": curves.learning_rate,
            },
            notes={
                "best_epoch": curves.best,
                "effective_rows": rows.effective,
                "parameters": sum(weight.numel() for weight in network.parameters()),
                "device": device,
                "precision": precision,
            },
        )
        return FittedSequence(self.name, record, network)

    def _train(
        self,
        panel: Panel,
        train: NDArray[np.int64],
        validation: NDArray[np.int64],
        scaler: Scaler,
        base_rate: float,
        seed: int,
        device: str,
        progress: Progress | None,
        along: Along,
    ) -> tuple[SequenceNetwork, str, Curves]:
        import torch

        from models.members.sequence_training import Trainer, deterministic, repeatable_cuda, seeded

        def report(epoch: int, fraction: float) -> None:
            if progress is not None:
                progress(f"{self.name}: epoch {epoch} of {self.config.epochs}", fraction)

        config = self.config
        if device == "cuda":
            repeatable_cuda()
        with deterministic(config.threads):
            network = seeded(lambda: self.network(scaler, base_rate), seed, device)
            trainer = Trainer(
                network,
                config,
                torch.from_numpy(scaler.transform(stacked(panel)).astype(np.float32)),
                training_streams(panel, train, config.stream, config.burn_in),
                validation_streams(panel, validation, config.stream, config.burn_in),
                np.random.default_rng(seed),
                report,
                along,
            )
            curves = trainer.fit()
            return network.cpu(), trainer.precision, curves
