"""The LSTM: repeatable beside other fits, stateful, equal to its graph, and quick to say there is nothing."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np
import onnxruntime
import pytest
import torch

from models.graph.lstm import lstm_part
from models.members.conformance import fit, predict
from models.members.lstm import LstmConfig, LstmMember
from models.members.lstm_network import LstmNetwork
from models.members.planted import Planted, planted, with_samples
from models.members.protocol import FitRecord
from models.members.scaling import Scaler
from models.members.sequence import FittedSequence
from models.members.sequence_training import seeded
from models.members.streams import training_streams


def random_network(features: int, hidden: int, seed: int = 0) -> LstmNetwork:
    """Every weight random, the head's too."""
    generator = np.random.default_rng(seed)
    scaler = Scaler(generator.normal(0, 50, features), generator.uniform(0.1, 9, features), 5.0)
    network = seeded(lambda: LstmNetwork(scaler, hidden, 5, 0.1, 0.5), seed)
    torch.nn.init.normal_(network.head.weight, std=0.5, generator=torch.Generator().manual_seed(seed))
    return network.eval()


def remembering(delay: int = 3) -> Planted:
    """A problem whose labels follow a feature some bars ago: only memory helps."""
    problem = planted(seed=31, rows=2400)
    samples = problem.panel.samples
    past = np.array(
        [
            problem.panel.series[i].features[max(0, r - delay), 0]
            for i, r in zip(samples.instrument, samples.row, strict=True)
        ]
    )
    probability = 1.0 / (1.0 + np.exp(-2.0 * np.nan_to_num(past)))
    label = (np.random.default_rng(1).random(len(past)) < probability).astype(np.int64)
    return replace(with_samples(problem, label=label), probability=probability)


def test_it_remembers_what_trees_cannot_see():
    problem = remembering()
    fitted = fit(lambda: LstmMember(LstmConfig(epochs=20, patience=6)), problem)
    assert problem.gain(predict(fitted, problem, problem.test), problem.test) > 0.5 * problem.best_gain


def test_the_graph_steps_as_torch_does():
    network = random_network(features=50, hidden=64)
    part = lstm_part("lstm", network)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(part.model.SerializeToString(), options, ["CPUExecutionProvider"])
    rows = np.random.default_rng(1).normal(0, 60, (2500, 1, 50))
    state = {spec.name: np.zeros(spec.shape, spec.dtype) for spec in part.state}
    names = ["probability", *(f"next_{name}" for name in state)]
    ours, theirs = [], []
    carried = network.zero_state(1)
    for row in rows:
        said, *after = session.run(names, {"features": row, **state})
        state = dict(zip(state, after, strict=True))
        with torch.inference_mode():
            logits, carried = network(network.scaled(torch.from_numpy(row)).unsqueeze(0), carried)
        ours.append(said.item())
        theirs.append(float(torch.sigmoid(logits.double())))
    assert np.abs(np.array(ours) - np.array(theirs)).max() < 1e-6
    assert np.std(ours) > 0.05
    cells = np.concatenate([state[f"c_{layer}"] for layer in range(network.layers)])
    np.testing.assert_allclose(cells, carried[1].numpy(), atol=1e-5)


def test_history_at_once_is_history_bar_by_bar():
    network = random_network(features=6, hidden=16)
    fitted = FittedSequence("lstm", FitRecord(), network)
    problem = planted(seed=32)
    rows = np.arange(len(problem.panel.series[0].features))
    history = fitted.predict(problem.panel, 0, rows)
    state = network.zero_state(1)
    for row in rows:
        features = problem.panel.series[0].features[row : row + 1]
        if np.isnan(features).any():
            state = network.zero_state(1)
            assert np.isnan(history[row])
            continue
        with torch.inference_mode():
            logits, state = network(network.scaled(torch.from_numpy(features)).unsqueeze(0), state)
        assert abs(float(torch.sigmoid(logits.double())) - history[row]) < 1e-6


def small(seed, hidden=32, rows=600):
    problem = planted(seed=seed, rows=rows)
    fitted = fit(lambda: LstmMember(LstmConfig(hidden=hidden, epochs=2)), problem)
    return predict(fitted, problem, problem.test).tobytes()


@pytest.mark.parametrize("hidden", [32, 64])
def test_the_same_seed_gives_the_same_bytes(hidden):
    assert small(33, hidden) == small(33, hidden)


def test_fits_and_predictions_side_by_side_do_not_disturb_each_other():
    seeds = (33, 34, 35)
    alone = [small(seed) for seed in seeds]
    with ThreadPoolExecutor(len(seeds)) as pool:
        together = list(pool.map(small, seeds))
    assert together == alone


def test_torch_is_left_as_it_was():
    torch.manual_seed(5)
    fills = torch.utils.deterministic
    before = (torch.get_num_threads(), torch.are_deterministic_algorithms_enabled(), torch.random.get_rng_state())
    filled = fills.fill_uninitialized_memory
    fit(lambda: LstmMember(LstmConfig(epochs=1, threads=1)), planted(seed=34, rows=200))
    assert torch.get_num_threads() == before[0]
    assert torch.are_deterministic_algorithms_enabled() == before[1]
    assert torch.equal(torch.random.get_rng_state(), before[2])
    assert fills.fill_uninitialized_memory == filled


def test_an_untrained_network_says_the_base_rate():
    network = seeded(lambda: LstmNetwork(Scaler(np.zeros(3), np.ones(3), 5.0), 8, 5, 0.1, 0.3), 0).eval()
    logits, _ = network(torch.randn(2, 7, 3), network.zero_state(2))
    assert torch.allclose(torch.sigmoid(logits), torch.tensor(0.3))


def test_curves_are_kept_and_the_best_epoch_is_used():
    problem = planted(seed=35)
    fitted = fit(lambda: LstmMember(LstmConfig(epochs=6, patience=2)), problem)
    curves, best = fitted.record.curves, fitted.record.notes["best_epoch"]
    losses = curves["validation_log_loss"]
    assert best == int(np.argmin(losses))
    assert len(losses) == 1 + len(curves["train_log_loss"]) == 1 + len(curves["learning_rate"])
    assert len(losses) - 1 in (6, best + 2)
    assert losses[best] < losses[0]


def test_a_burnt_in_state_is_nearly_the_carried_one():
    problem = planted(seed=36)
    config = LstmConfig(epochs=6)
    fitted = fit(lambda: LstmMember(config), problem)
    rows = np.arange(700, 1500)
    carried = fitted.predict(problem.panel, 2, rows)
    burnt = fitted.predict(problem.panel, 2, rows[300 - config.burn_in :])[config.burn_in :]
    assert np.abs(carried[300:] - burnt).max() < 0.01


def test_purged_rows_move_the_state_and_give_no_loss():
    problem = planted(seed=37, rows=400)
    kept = problem.train[::2]
    streams = training_streams(problem.panel, kept, 64, 16)
    assert int((streams.weight > 0).sum()) == len(kept)
    assert int(streams.length.sum()) > 1.8 * len(kept)


def test_bfloat16_learns_as_well():
    problem = planted(seed=38)
    gains = []
    for bf16 in (False, True):
        fitted = fit(lambda: LstmMember(LstmConfig(bf16=bf16)), problem)  # noqa: B023
        gains.append(problem.gain(predict(fitted, problem, problem.test), problem.test))
    assert abs(gains[0] - gains[1]) < 0.15 * problem.best_gain
