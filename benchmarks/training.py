"""Training an LSTM: our streams with carried state beside the usual loop over windows, bars per second."""

from __future__ import annotations

import numpy as np
import torch

from benchmarks.harness import Result, compare
from market.bars import empty_bars
from models.dataset import Panel, Samples, Series
from models.members.lstm import LstmConfig, LstmMember
from models.members.sequence_training import deterministic

FEATURES, HIDDEN, LAYERS, WINDOW = 50, 64, 5, 60
SERIES, BARS, WINDOWED_BARS = 5, 8_000, 2_048


def panel(generator: np.random.Generator) -> Panel:
    """Random features and labels: how fast, not how well."""
    series = []
    for number in range(SERIES):
        bars = empty_bars(BARS)
        bars["end"] = np.arange(BARS) + 1
        series.append(Series(f"S{number}", bars, generator.standard_normal((BARS, FEATURES)), np.ones(BARS)))
    row, instrument = (part.ravel() for part in np.meshgrid(np.arange(BARS), np.arange(SERIES), indexing="ij"))
    t0, count = row + 1, SERIES * BARS
    label = generator.integers(0, 2, count)
    samples = Samples(instrument, row, t0, t0, t0 + 1, label, np.zeros(count), np.ones(count))
    return Panel(tuple(series), tuple(f"x_{number}" for number in range(FEATURES)), 1, samples)


class Windowed(torch.nn.Module):
    """The tutorial's network: every bar's window of the past is read from the zero state."""

    def __init__(self) -> None:
        super().__init__()
        self.lstm = torch.nn.LSTM(FEATURES, HIDDEN, LAYERS, dropout=0.1, batch_first=True)
        self.head = torch.nn.Linear(HIDDEN, 1)

    def forward(self, windows: torch.Tensor) -> torch.Tensor:
        """Logits (B,) of windows (B, WINDOW, F)."""
        out, _ = self.lstm(windows)
        logits: torch.Tensor = self.head(out[:, -1]).squeeze(-1)
        return logits


def windowed_epoch(rows: torch.Tensor, label: torch.Tensor) -> None:
    """One pass over WINDOWED_BARS windows of one series, 256 at a time."""
    network = Windowed()
    optimizer = torch.optim.AdamW(network.parameters(), lr=1e-3)
    windows = rows.unfold(0, WINDOW, 1).transpose(1, 2)  # (n, WINDOW, F)
    for batch in torch.randperm(WINDOWED_BARS).split(256):
        optimizer.zero_grad()
        logits = network(windows[batch])
        loss = torch.nn.functional.binary_cross_entropy_with_logits(logits, label[batch])
        torch.autograd.backward(loss)
        torch.nn.utils.clip_grad_norm_(network.parameters(), 1.0)
        optimizer.step()


def run() -> list[Result]:
    """One epoch of each on two threads; ours includes scaling, cutting streams and validation."""
    data = panel(np.random.default_rng(0))
    train, validation = np.split(np.arange(len(data.samples)), [int(0.95 * SERIES * BARS)])
    member = {bf16: LstmMember(LstmConfig(hidden=HIDDEN, epochs=1, bf16=bf16)) for bf16 in (False, True)}
    rows = torch.from_numpy(data.series[0].features.astype(np.float32))
    label = torch.from_numpy(data.samples.label[:WINDOWED_BARS].astype(np.float32))

    def windowed() -> None:
        with deterministic(threads=2):
            windowed_epoch(rows, label)

    return [
        compare(
            f"LSTM training, hidden {HIDDEN}, {'bf16' if bf16 else 'float32'}",
            "bar and epoch",
            lambda bf16=bf16: member[bf16].fit(data, train, validation, seed=0),  # type: ignore[misc]
            f"windows of {WINDOW}, torch.nn.LSTM",
            windowed,
            work=len(train),
            repetitions=3,
            peer_work=WINDOWED_BARS,
        )
        for bf16 in (False, True)
    ]
