"""The certificate on all real members together, by their own ``predict`` and ``part``, within the stated bounds."""

import lightgbm
import numpy as np
import pytest
import torch
from graph_samples import FEATURE_COUNT, finite, lightgbm_booster, problem, xgboost_booster

from models.certificate import Requirements, certify
from models.evidence import gather, gather_at_once, hard_rows, hard_stretches, native_probability
from models.graph.compose import compose
from models.members.lightgbm import FittedLightgbm
from models.members.linear import FittedLinear
from models.members.lstm_network import LstmNetwork
from models.members.protocol import FitRecord, WithoutState
from models.members.scaling import fit_scaler
from models.members.sequence import FittedSequence
from models.members.xgboost import FittedXgboost

NAMES = tuple(f"x_{number}" for number in range(FEATURE_COUNT))


def members(seed, hidden, rounds):
    """Fitted trees and linear, and a network with random weights whose probabilities spread."""
    x, y = problem(seed=seed)
    x = finite(x)
    scaler = fit_scaler(x, np.ones(len(x)), 5.0)
    generator = np.random.default_rng(seed)
    torch.manual_seed(seed)
    network = LstmNetwork(scaler, hidden, 5, 0.1, 0.5).eval()
    torch.nn.init.normal_(network.head.weight, std=0.3)
    text = lightgbm_booster(x, y, rounds).model_to_string()
    return [
        FittedLinear("linear", FitRecord(), scaler, generator.normal(size=FEATURE_COUNT), 0.1),
        FittedLightgbm("lightgbm", FitRecord(), lightgbm.Booster(model_str=text), FEATURE_COUNT),
        FittedXgboost("xgboost", FitRecord(), xgboost_booster(x, y, rounds), FEATURE_COUNT),
        FittedSequence("lstm", FitRecord(), network),
    ]


def certificate(seed, lengths, needs, hidden=32, rounds=60):
    fitted = members(seed, hidden, rounds)
    model = compose([member.part() for member in fitted])
    natives = {member.name: native_probability(member, NAMES, 60) for member in fitted}
    sequences = [finite(problem(seed=seed + 10 + n, rows=length)[0]) for n, length in enumerate(lengths)]
    sequences[0][len(sequences[0]) // 10, 0] = np.nan
    alone = {member.name: member.probability for member in fitted if isinstance(member, WithoutState)}
    hard = hard_rows(model, sequences)
    stretches = gather_at_once(hard_stretches(hard, sequences), {"lstm": natives["lstm"]})
    evidence = [*gather(model, natives, sequences), *gather_at_once(hard, alone), *stretches]
    return certify(model.SerializeToString(), evidence, requirements=needs)


def check(found):
    assert found.passed, found.reasons
    assert found.members["lightgbm"].error == 0.0
    assert found.members["linear"].error < 1e-14
    assert found.members["lstm"].error > 0.0
    assert all(sum(one.rows.values()) >= 100_000 for one in found.members.values())


def test_all_members_within_their_bounds():
    check(certificate(0, (2_500, 1_500), Requirements(real_rows=3_000, sequence=2_000)))


@pytest.mark.long
@pytest.mark.parametrize("seed", range(2))
def test_all_members_within_their_bounds_over_a_hundred_thousand_rows(seed):
    needs = Requirements(real_rows=100_000, threshold_rows=5_000, sequence=40_000)
    check(certificate(seed, (50_000, 50_010), needs, hidden=64, rounds=500))
