"""Training networks over streams: truncated back-propagation through time, with the state carried.

A group of streams advances side by side, a chunk of bars at a time: forward from the state that the chunk before left,
backward through this chunk alone (Williams & Peng 1990). AdamW, warm-up then cosine decay, gradients clipped by their
norm; after each epoch the validation streams are read with carried state, and the best epoch's weights are kept. The
untrained network, which says the base rate, is epoch 0: what learns nothing stays there. After each epoch everything
that decides the next one is kept, so that a fit that was killed goes on and ends with the same bytes.
"""

from __future__ import annotations

import hashlib
import io
import json
import math
import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits
from torch.utils import deterministic as torch_deterministic

from models.members.along import NOWHERE, Along
from models.members.float32 import Precision
from models.members.sequence_network import Dropout, SequenceNetwork, State
from models.members.streams import Streams

if TYPE_CHECKING:
    from models.members.sequence import SequenceConfig

VALIDATION_PARALLEL = 256
DETERMINISTIC: Any = torch_deterministic  # a module whose one setting is added when it is imported
Weights = dict[str, Tensor]


@dataclass(slots=True)
class Curves:
    """What is written down after each epoch; ``best`` is the epoch whose weights were kept, 0 for none."""

    train_log_loss: list[float] = field(default_factory=list)
    validation_log_loss: list[float] = field(default_factory=list)
    learning_rate: list[float] = field(default_factory=list)
    best: int = 0

    @property
    def epochs(self) -> int:
        """How many epochs are over."""
        return len(self.train_log_loss)

    def at(self, epoch: int) -> dict[str, float]:
        """The values after an epoch, by curve; before training there is a validation loss only."""
        found = {"validation_log_loss": self.validation_log_loss[epoch]}
        if epoch > 0:
            found["train_log_loss"] = self.train_log_loss[epoch - 1]
            found["learning_rate"] = self.learning_rate[epoch - 1]
        return found


class _Settings:
    """Torch's process-wide settings: the first fit that comes in sets them, the last one out restores them."""

    def __init__(self) -> None:
        self.changed = threading.Condition()
        self.inside = 0
        self.threads = 0
        self.before = (0, False, False, True)
        self.precision = Precision(None, None, {})

    def enter(self, threads: int) -> None:
        """Join those inside, once they use this many threads."""
        with self.changed:
            self.changed.wait_for(lambda: self.inside == 0 or self.threads == threads)
            if self.inside == 0:
                self.before = (
                    torch.get_num_threads(),
                    torch.are_deterministic_algorithms_enabled(),
                    torch.is_deterministic_algorithms_warn_only_enabled(),
                    DETERMINISTIC.fill_uninitialized_memory,
                )
                self.threads = threads
                self.precision = Precision.now()
                self.precision.exact().apply()
                torch.use_deterministic_algorithms(True)
                # Filling new tensors with NaN, so that what reads one too early repeats itself, took a tenth of a fit.
                DETERMINISTIC.fill_uninitialized_memory = False
            torch.set_num_threads(threads)  # OpenMP keeps it for each calling thread, MKL for all
            self.inside += 1

    def leave(self) -> None:
        """Go; the last one restores."""
        with self.changed:
            self.inside -= 1
            threads, strict, lenient, fill = self.before
            if self.inside == 0:
                torch.set_num_threads(threads)
                torch.use_deterministic_algorithms(strict, warn_only=lenient)
                DETERMINISTIC.fill_uninitialized_memory = fill
                self.precision.apply()
                self.changed.notify_all()


_SETTINGS = _Settings()
_BUILDING = threading.Lock()


@contextmanager
def deterministic(threads: int) -> Iterator[None]:
    """Deterministic algorithms on a fixed number of threads, in float32 as IEEE has it, also beside other fits.

    Everything is restored afterwards.
    """
    _SETTINGS.enter(threads)
    try:
        yield
    finally:
        _SETTINGS.leave()


def repeatable_cuda() -> None:
    """Give cuBLAS a fixed workspace: without one it does not repeat itself, and deterministic torch refuses to run."""
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":16:8")


def seeded(make: Callable[[], SequenceNetwork], seed: int, device: str = "cpu") -> SequenceNetwork:
    """A network whose weights and dropout come from a seed alone; torch's own generators are left as they were.

    The weights are drawn on the CPU, so every device starts from the same ones.
    """
    with _BUILDING, torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed)
        network = make()
    network.to(device)
    network.seed(seed)
    return network


class Trainer:
    """One fit: the network, its data and its optimiser, all on the device where the network is.

    Parameters
    ----------
    rows
        Every scaled row of the panel, float32 (n, F), as `models.members.streams.stacked` numbers them.
    train, validation
        The streams to learn from and to stop by.
    report
        Called with the epoch and the fraction of all epochs done.
    along
        Where the state is kept after each epoch, and whom the curves are told.
    """

    def __init__(
        self,
        network: SequenceNetwork,
        config: SequenceConfig,
        rows: Tensor,
        train: Streams,
        validation: Streams,
        generator: np.random.Generator,
        report: Callable[[int, float], None],
        along: Along = NOWHERE,
    ) -> None:
        self.network, self.config, self.device = network, config, network.device
        self.rows = rows.to(self.device)
        self.bf16 = config.bf16 and self.device.type in network.in_bf16_on
        self.train, self.validation, self.generator, self.report = train, validation, generator, report
        self.along = along
        self.parallel = parallel_streams(config, train)
        self.steps = sum(-(-int(train.length[group].max()) // config.chunk) for group in train.groups(self.parallel))
        self.step_weight = float(train.weight.sum(dtype=np.float64)) / self.steps
        self.step = 0
        self.optimizer = torch.optim.AdamW(
            decayed(network, config.weight_decay),
            lr=config.learning_rate,
            betas=(0.9, 0.98),
            fused=self.device.type == "cpu",
        )

    @property
    def precision(self) -> str:
        """In which numbers it trains, for people."""
        return "bfloat16 autocast" if self.bf16 else "float32"

    def fit(self) -> Curves:
        """Train until the validation loss has not improved for ``patience`` epochs; the best weights stay."""
        problem = self._problem() if self.along.checkpoint else ""
        curves, kept = self._resumed(problem) or self._begun()
        for epoch in range(curves.epochs + 1):
            self.along.tell(curves.at(epoch), epoch)
        while curves.epochs < self.config.epochs and curves.epochs - curves.best < self.config.patience:
            epoch = curves.epochs + 1
            loss = self._epoch(epoch)
            curves.validation_log_loss.append(self.validation_loss())
            curves.learning_rate.append(self._learning_rate())
            curves.train_log_loss.append(loss)
            if curves.validation_log_loss[epoch] < curves.validation_log_loss[curves.best]:
                kept, curves.best = self._copy(), epoch
            self._save(problem, curves, kept)
            self.along.tell(curves.at(epoch), epoch)
        self.network.load_state_dict(kept)
        self.network.eval()
        self.report(curves.best, 1.0)
        return curves

    def _begun(self) -> tuple[Curves, Weights]:
        return Curves(validation_log_loss=[self.validation_loss()]), self._copy()

    def _problem(self) -> str:
        """A digest of the untrained network, the data and everything else that decides the fit."""
        found = hashlib.sha256(msgspec.json.encode([self.config, str(torch.__version__), self.device.type]))
        tables = [self.rows.cpu().numpy(), *(value.cpu().numpy() for value in self.network.state_dict().values())]
        for streams in (self.train, self.validation):
            tables += [streams.place, streams.label, streams.weight, streams.length]
        for table in tables:
            found.update(np.ascontiguousarray(table).data)
        found.update(json.dumps(self.generator.bit_generator.state).encode())
        for dropout in self._dropouts():
            found.update(dropout.generator.get_state().numpy().data)
        return found.hexdigest()

    def _save(self, problem: str, curves: Curves, kept: Weights) -> None:
        """Keep everything that decides what comes next."""
        if not problem:
            return
        state = {
            "problem": problem,
            "curves": asdict(curves),
            "kept": kept,
            "network": self.network.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "step": self.step,
            "generator": json.dumps(self.generator.bit_generator.state),
            "dropouts": [dropout.generator.get_state() for dropout in self._dropouts()],
        }
        content = io.BytesIO()
        torch.save(state, content)
        self.along.save(content.getvalue())

    def _resumed(self, problem: str) -> tuple[Curves, Weights] | None:
        """Take up the checkpoint of this very problem; None if there is none."""
        content = self.along.load()
        if content is None:
            return None
        state: dict[str, Any] = torch.load(io.BytesIO(content), map_location="cpu", weights_only=True)
        if state["problem"] != problem:
            return None
        self.network.load_state_dict(state["network"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.step = state["step"]
        self.generator.bit_generator.state = json.loads(state["generator"])
        for dropout, saved in zip(self._dropouts(), state["dropouts"], strict=True):
            dropout.generator.set_state(saved)
        return Curves(**state["curves"]), {name: value.to(self.device) for name, value in state["kept"].items()}

    def _dropouts(self) -> list[Dropout]:
        return [module for module in self.network.modules() if isinstance(module, Dropout)]

    def validation_loss(self) -> float:
        """Weighted log loss of the validation samples with carried state, in nats per unit of weight."""
        self.network.eval()
        loss, weight = 0.0, 0.0
        with torch.no_grad():
            for group in self.validation.groups(VALIDATION_PARALLEL):
                state = self.network.zero_state(len(group))
                for x, label, mask in self._chunks(self.validation, group):
                    logits, state = self.network(x, state)
                    loss += float(weighted_loss(logits.double(), label.double(), mask.double()))
                    weight += float(mask.sum(dtype=torch.float64))
        return loss / weight

    def _epoch(self, epoch: int) -> float:
        self.network.train()
        loss, done = 0.0, 0
        for group in self.train.groups(self.parallel, self.generator):
            state = self.network.zero_state(len(group))
            for batch in self._chunks(self.train, group):
                chunk_loss, state = self._step(batch, state)
                loss, done = loss + chunk_loss, done + 1
                self.report(epoch, (epoch - 1 + done / self.steps) / self.config.epochs)
        return loss / (self.step_weight * self.steps)

    def _step(self, batch: tuple[Tensor, Tensor, Tensor], state: State) -> tuple[float, State]:
        x, label, weight = batch
        for group in self.optimizer.param_groups:
            group["lr"] = self._learning_rate()
        self.step += 1
        # A device that has no autocast is not asked for one.
        with torch.autocast(self.device.type if self.bf16 else "cpu", torch.bfloat16, enabled=self.bf16):
            logits, after = self.network(x, state)
        loss = weighted_loss(logits.float(), label, weight)
        if bool(weight.any()):
            self.optimizer.zero_grad()
            # A constant divisor: a chunk with few labelled rows must not count as much as a full one.
            torch.autograd.backward(loss / self.step_weight)
            torch.nn.utils.clip_grad_norm_(self.network.parameters(), self.config.gradient_norm)
            self.optimizer.step()
        return float(loss.detach()), tuple(part.detach().float() for part in after)

    def _chunks(self, streams: Streams, group: NDArray[np.int64]) -> Iterator[tuple[Tensor, Tensor, Tensor]]:
        """Rows (B, T, F), labels (B, T) and weights (B, T) of a group, a chunk of bars after another."""
        for start in range(0, int(streams.length[group].max()), self.config.chunk):
            part = slice(start, min(start + self.config.chunk, int(streams.length[group].max())))
            place, label, weight = (
                torch.from_numpy(table[group, part]).to(self.device)
                for table in (streams.place, streams.label, streams.weight)
            )
            yield self.rows[place], label, weight

    def _learning_rate(self) -> float:
        total = self.steps * self.config.epochs
        warm = max(1.0, self.config.warm_up * total)
        if self.step < warm:
            return self.config.learning_rate * (self.step + 1) / (warm + 1)
        return self.config.learning_rate * 0.5 * (1.0 + math.cos(math.pi * (self.step - warm) / (total - warm + 1)))

    def _copy(self) -> Weights:
        return {name: value.clone() for name, value in self.network.state_dict().items()}


def weighted_loss(logits: Tensor, label: Tensor, weight: Tensor) -> Tensor:
    """The sum of weight × cross-entropy."""
    return binary_cross_entropy_with_logits(logits, label, weight=weight, reduction="sum")


def parallel_streams(config: SequenceConfig, train: Streams) -> int:
    """How many streams advance together: enough to use the machine, few enough for ``updates`` an epoch."""
    rows = int(train.length.sum())
    return max(1, min(config.most_streams, rows // (config.updates * config.chunk)))


def decayed(network: SequenceNetwork, weight_decay: float) -> list[dict[str, object]]:
    """Parameter groups: matrices are decayed, biases and norms are not."""
    matrices = [weight for weight in network.parameters() if weight.ndim > 1]
    vectors = [weight for weight in network.parameters() if weight.ndim == 1]
    return [{"params": matrices, "weight_decay": weight_decay}, {"params": vectors, "weight_decay": 0.0}]
