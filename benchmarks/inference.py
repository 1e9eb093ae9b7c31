"""One bar, one answer: the one graph beside the same members called natively, on distinct rows, one thread.

Distinct rows matter: the branch predictor memorises a row that is repeated, and flatters trees threefold.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import lightgbm
import numpy as np
import torch
import xgboost
from numpy.typing import NDArray

from benchmarks.harness import Result, compare, compare_steps
from benchmarks.windowed import Windowed, windowed_lstm, windowed_tcn, windows
from models.bundle.combination import Conformal, Platt, Pool
from models.bundle.runner import GraphRunner
from models.certificate import combine
from models.graph.compose import compose
from models.graph.lightgbm import lightgbm_part
from models.graph.linear import linear_part
from models.graph.lstm import lstm_part
from models.graph.part import GraphPart
from models.graph.tcn import tcn_part
from models.graph.xgboost import xgboost_part
from models.members.lstm_network import LstmNetwork
from models.members.scaling import Scaler
from models.members.sequence_network import SequenceNetwork
from models.members.tcn_network import TcnNetwork

FEATURES, HIDDEN, LAYERS, WINDOW = 60, 64, 5, 60
TREES, DEPTH, TRAINING, ROWS = 500, 6, 8_000, 1_000
BAR, FASTER = 110e-6, 4.0
"""Seconds that a step of the graph of all members may take at p50, and how many times faster than natively and than
over windows it is to be: the bars to hold."""
Step = Callable[[NDArray[np.float64]], float]


def problem() -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    generator = np.random.default_rng(0)
    x = generator.normal(size=(TRAINING, FEATURES))
    return x, (x[:, :5].sum(axis=1) + 2.0 * generator.normal(size=TRAINING) > 0).astype(float)


def boosters() -> tuple[lightgbm.Booster, xgboost.Booster]:
    x, y = problem()
    light = {"objective": "binary", "max_depth": DEPTH, "num_leaves": 2**DEPTH, "min_data_in_leaf": 10}
    common = {"learning_rate": 0.05, "seed": 0}
    first = lightgbm.train({**light, **common, "num_threads": 1, "verbosity": -1}, lightgbm.Dataset(x, y), TREES)
    second = {"objective": "binary:logistic", "max_depth": DEPTH, "nthread": 1, **common}
    return first, xgboost.train(second, xgboost.DMatrix(x, y), TREES)


def network_step(network: SequenceNetwork) -> Step:
    """PyTorch, eager, one bar with carried state."""
    state = network.zero_state(1)

    def step(row: NDArray[np.float64]) -> float:
        nonlocal state
        logit, state = network(network.scaled(torch.from_numpy(row)).reshape(1, 1, -1), state)
        return float(torch.sigmoid(logit.double()))

    return step


def over(step: Callable[[NDArray[np.float64]], object], rows: NDArray[np.float64]) -> Callable[[], None]:
    def loop() -> None:
        for row in rows:
            step(row)

    return loop


def run() -> list[Result]:
    torch.set_num_threads(1)
    generator = np.random.default_rng(1)
    rows = generator.normal(size=(ROWS, FEATURES))
    coefficients = 0.1 * generator.normal(size=FEATURES)
    light, extreme = boosters()
    torch.manual_seed(0)
    scaler = Scaler(np.zeros(FEATURES), np.ones(FEATURES), 5.0)
    network = LstmNetwork(scaler, HIDDEN, LAYERS, 0.0, 0.5).eval()
    convolutions = TcnNetwork(scaler, HIDDEN, LAYERS, 3, 0.0, 0.5).eval()
    for one in (network, convolutions):
        torch.nn.init.normal_(one.head.weight, std=0.1)
    stacker, platt, sets = Pool((0.2,) * 5, 0.0, 1e-4), Platt(1.1, 0.01, 1e-3), Conformal(0.8, 0.55)

    natives: dict[str, Step] = {
        "linear": lambda row: float(1.0 / (1.0 + np.exp(-(np.clip(row, -5.0, 5.0) @ coefficients)))),
        "lightgbm": lambda row: float(light.predict(row[np.newaxis], num_threads=1)[0]),
        "xgboost": lambda row: float(extreme.inplace_predict(row[np.newaxis])[0]),
        "lstm": network_step(network),
        "tcn": network_step(convolutions),
    }
    parts = {
        "linear": linear_part("linear", np.zeros(FEATURES), np.ones(FEATURES), 5.0, coefficients, 0.0),
        "lightgbm": lightgbm_part("lightgbm", light, FEATURES),
        "xgboost": xgboost_part("xgboost", extreme, FEATURES),
        "lstm": lstm_part("lstm", network),
        "tcn": tcn_part("tcn", convolutions),
    }

    def together(row: NDArray[np.float64]) -> float:
        members = np.array([[native(row) for native in natives.values()]])
        return float(combine(members, stacker, platt)[0])

    graph = GraphRunner(compose(list(parts.values()), stacker, platt, sets).SerializeToString())
    alone = {name: GraphRunner(compose([part]).SerializeToString()) for name, part in parts.items()}
    with torch.inference_mode():
        results = [
            compare_steps(
                "graph: 5 members, stacker, Platt, sets; p50",
                "bar",
                graph.step,
                "native, p50",
                together,
                list(rows),
                bar=BAR,
                least=FASTER,
            )
        ]
        eager = "PyTorch eager step"
        for name, label in (("lightgbm", "LightGBM"), ("xgboost", "XGBoost"), ("lstm", eager), ("tcn", eager)):
            ours, peer = over(alone[name].step, rows), over(natives[name], rows)
            results.append(compare(f"graph: {name} alone", "bar", ours, label, peer, ROWS))
        results += beside_windows(graph, alone, windowed_lstm(network, WINDOW), windowed_tcn(convolutions), parts, rows)
    return results


def beside_windows(
    graph: GraphRunner,
    alone: Mapping[str, GraphRunner],
    lstm: Windowed,
    tcn: Windowed,
    parts: Mapping[str, GraphPart],
    rows: NDArray[np.float64],
) -> list[Result]:
    """The carried state beside reading a window anew at every bar, a run of onnxruntime for all of it.

    Of the full graph the peer is the three members without a state in one graph, and each network over its window:
    three runs, and no stacker, calibration or prediction sets, which the full graph has.
    """
    longest = max(lstm.bars, tcn.bars)
    bars = windows(rows, longest)
    rest = GraphRunner(compose([parts[name] for name in ("linear", "lightgbm", "xgboost")]).SerializeToString())

    def anew(window: NDArray[np.float64]) -> None:
        rest.step(window[-1])
        lstm.step(window[-lstm.bars :])
        tcn.step(window[-tcn.bars :])

    def compared(name: str, ours: GraphRunner, peer_name: str, peer: Callable[[NDArray[np.float64]], object]) -> Result:
        return compare_steps(
            name, "bar", lambda window: ours.step(window[-1]), f"{peer_name}, p50", peer, bars, least=FASTER
        )

    return [
        compared(
            "graph: lstm alone, carried state; p50",
            alone["lstm"],
            f"LSTM operators over {lstm.bars} bars",
            lambda window: lstm.step(window[-lstm.bars :]),
        ),
        compared(
            "graph: tcn alone, carried state; p50",
            alone["tcn"],
            f"convolutions over {tcn.bars} bars",
            lambda window: tcn.step(window[-tcn.bars :]),
        ),
        compared("graph: 5 members, carried state; p50", graph, "its networks over windows", anew),
    ]
