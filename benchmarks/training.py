"""Training the members, bars per second: the LSTM beside plain loops of torch, trees beside their libraries' defaults.

The plain loop over streams is what the LSTM's training would be without our part: the same number of layers and units,
sequences of the same length side by side, a state that is carried and cut, AdamW. The loop over windows is what
tutorials do. Ours does more for each bar: norms and residuals between layers, clipped gradients, streams whose first
bars only burn the state in, a validation after each epoch, and as few streams side by side as give 32 steps an epoch
(20 here), of which a matrix product makes less than of the plain loop's 64.

Trees are timed by bar and round; both sides grow the same number of trees, each of its own size.
"""

from __future__ import annotations

from typing import Any

import lightgbm
import numpy as np
import torch
import xgboost

from benchmarks.harness import Result, compare
from market.bars import empty_bars
from models.dataset import Panel, Samples, Series
from models.members.lightgbm import LightgbmConfig, LightgbmMember
from models.members.lstm import LstmConfig, LstmMember
from models.members.sequence_training import deterministic
from models.members.xgboost import XgboostConfig, XgboostMember

FEATURES, HIDDEN, LAYERS, WINDOW = 50, 64, 5, 60
SERIES, BARS, WINDOWED_BARS = 5, 8_000, 2_048
SIDE_BY_SIDE, CHUNK = 64, 128
"""Streams of the plain loop, and the bars between two steps of its optimiser."""
EPOCHS, ROUNDS = 3, 100


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
    """One pass over WINDOWED_BARS windows of one series, 256 at a time; one tells the time of another."""
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


class Streamed(torch.nn.Module):
    """torch's own stacked LSTM over a stream, with its state."""

    def __init__(self) -> None:
        super().__init__()
        self.lstm = torch.nn.LSTM(FEATURES, HIDDEN, LAYERS, dropout=0.1, batch_first=True)
        self.head = torch.nn.Linear(HIDDEN, 1)

    def forward(self, rows: torch.Tensor, state: Any) -> tuple[torch.Tensor, Any]:
        """Logits (B, T) of rows (B, T, F), and the next state."""
        out, state = self.lstm(rows, state)
        return self.head(out).squeeze(-1), state


def streamed(rows: torch.Tensor, label: torch.Tensor, bf16: bool) -> None:
    """EPOCHS passes over streams (B, T, F), a chunk of bars after another, the state carried and cut."""
    network = Streamed()
    optimizer = torch.optim.AdamW(network.parameters(), lr=1e-3)
    for _ in range(EPOCHS):
        state = None
        for start in range(0, rows.shape[1], CHUNK):
            part = slice(start, start + CHUNK)
            optimizer.zero_grad()
            with torch.autocast("cpu", torch.bfloat16, enabled=bf16):
                logits, state = network(rows[:, part], state)
            loss = torch.nn.functional.binary_cross_entropy_with_logits(logits.float(), label[:, part])
            torch.autograd.backward(loss)
            optimizer.step()
            state = tuple(one.detach() for one in state)


def run() -> list[Result]:
    """`EPOCHS` of each network, `ROUNDS` trees of each library; ours includes scaling, streams and validation."""
    return [*networks(), *trees()]


def trees() -> list[Result]:
    """Each member's own settings beside the library's defaults, on one thread, both evaluating the same two sets."""
    data = panel(np.random.default_rng(0))
    train, validation = np.split(np.arange(len(data.samples)), [int(0.95 * SERIES * BARS)])
    x = [data.rows(part) for part in (train, validation)]
    label = [data.samples.label[part] for part in (train, validation)]
    members = {
        "LightGBM": LightgbmMember(LightgbmConfig(rounds=ROUNDS, patience=ROUNDS)),
        "XGBoost": XgboostMember(XgboostConfig(rounds=ROUNDS, patience=ROUNDS)),
    }

    def plain_lightgbm() -> None:
        first = lightgbm.Dataset(x[0], label[0])
        second = first.create_valid(x[1], label[1])
        told = {"objective": "binary", "num_threads": 1, "verbosity": -1}
        lightgbm.train(told, first, ROUNDS, valid_sets=[first, second])

    def plain_xgboost() -> None:
        first, second = (xgboost.DMatrix(*one, nthread=1) for one in zip(x, label, strict=True))
        told = {"objective": "binary:logistic", "nthread": 1, "verbosity": 0}
        xgboost.train(told, first, ROUNDS, evals=[(first, "train"), (second, "validation")], verbose_eval=False)

    return [
        compare(
            f"{name} training, {ROUNDS} rounds",
            "bar and round",
            lambda name=name: members[name].fit(data, train, validation, seed=0),  # type: ignore[misc]
            f"{name}'s defaults",
            {"LightGBM": plain_lightgbm, "XGBoost": plain_xgboost}[name],
            work=len(train) * ROUNDS,
            repetitions=3,
        )
        for name in members
    ]


def networks() -> list[Result]:
    """Each on one thread, as members fit; ours includes scaling, streams, their burn-in and validation."""
    data = panel(np.random.default_rng(0))
    train, validation = np.split(np.arange(len(data.samples)), [int(0.95 * SERIES * BARS)])
    member = {
        bf16: LstmMember(LstmConfig(hidden=HIDDEN, epochs=EPOCHS, patience=EPOCHS, bf16=bf16)) for bf16 in (False, True)
    }
    rows = torch.from_numpy(data.series[0].features.astype(np.float32))
    label = torch.from_numpy(data.samples.label[:WINDOWED_BARS].astype(np.float32))
    every = np.concatenate([one.features for one in data.series]).astype(np.float32)
    streams = torch.from_numpy(every.reshape(SIDE_BY_SIDE, -1, FEATURES))
    labels = torch.from_numpy(data.samples.label.astype(np.float32).reshape(SIDE_BY_SIDE, -1))

    def windowed() -> None:
        with deterministic(threads=1):
            windowed_epoch(rows, label)

    def plain(bf16: bool) -> None:
        with deterministic(threads=1):
            streamed(streams, labels, bf16)

    found = []
    for bf16 in (False, True):
        peers = {
            f"windows of {WINDOW}, torch.nn.LSTM": (windowed, WINDOWED_BARS),
            "a plain loop over streams, torch.nn.LSTM": (lambda bf16=bf16: plain(bf16), EPOCHS * len(every)),
        }
        found += [
            compare(
                f"LSTM training, hidden {HIDDEN}, {'bf16' if bf16 else 'float32'}",
                "bar and epoch",
                lambda bf16=bf16: member[bf16].fit(data, train, validation, seed=0),  # type: ignore[misc]
                name,
                peer,
                work=EPOCHS * len(train),
                repetitions=3,
                peer_work=work,
            )
            for name, (peer, work) in peers.items()
        ]
    return found
