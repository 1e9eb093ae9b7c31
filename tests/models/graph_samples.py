"""Boosters, parts and graphs for the tests of the graph, the certificate and the bundle."""

from __future__ import annotations

import lightgbm
import numpy as np
import onnx
import xgboost
from onnx import helper

from models.bundle.runner import session_options
from models.graph.compose import compose
from models.graph.linear import linear_part
from models.graph.operators import GraphBuilder, tensor
from models.graph.part import FEATURES, PROBABILITY, GraphPart, StateSpec

FEATURE_COUNT = 8


def problem(seed=0, rows=1500, features=FEATURE_COUNT, holes=0.05, zeros=0.05):
    """Features of many scales with NaN and zeros among them, and labels they say something about."""
    generator = np.random.default_rng(seed)
    x = generator.normal(size=(rows, features)) * 10.0 ** generator.integers(-4, 5, features)
    drive = (x / np.abs(x).mean(axis=0)) @ generator.normal(size=features)
    y = (drive + generator.normal(size=rows) > 0).astype(float)
    x[generator.random(x.shape) < holes] = np.nan
    x[generator.random(x.shape) < zeros] = 0.0
    return x, y


def lightgbm_booster(x, y, rounds=60, **parameters):
    settings = {"objective": "binary", "num_leaves": 15, "learning_rate": 0.1, "num_threads": 1, "verbosity": -1}
    return lightgbm.train(settings | parameters, lightgbm.Dataset(x, y), rounds)


def xgboost_booster(x, y, rounds=60, **parameters):
    settings = {"objective": "binary:logistic", "max_depth": 4, "eta": 0.1, "nthread": 1, "verbosity": 0}
    return xgboost.train(settings | parameters, xgboost.DMatrix(x, y), rounds)


def finite(x):
    """Rows without NaN: NaN replaced by one, which no feature has."""
    return np.where(np.isnan(x), 1.0, x)


def part_outputs(part: GraphPart, rows, *tensors):
    """Some tensors inside a part without state, row by row, (n,) each; by default its probability."""
    import onnxruntime

    model = onnx.ModelProto()
    model.CopyFrom(part.model)
    known = {output.name for output in model.graph.output}
    kinds = {value.name: value for value in onnx.shape_inference.infer_shapes(model).graph.value_info}
    model.graph.output.extend(kinds[name] for name in tensors if name not in known)
    session = onnxruntime.InferenceSession(model.SerializeToString(), session_options())
    wanted = list(tensors or (PROBABILITY,))
    found = [[value.item() for value in session.run(wanted, {FEATURES: row[np.newaxis]})] for row in rows]
    columns = [np.array(column) for column in zip(*found, strict=True)]
    return columns if tensors else columns[0]


def output_of(part: GraphPart, operator: str) -> str:
    """The name of an operator's output."""
    return next(node.output[0] for node in part.model.graph.node if node.op_type == operator)


def memory_part(name="memory", features=FEATURE_COUNT, width=3) -> GraphPart:
    """A recurrent member of exact arithmetic: ``h ← h / 2 + clip(x[0])``, ``p = clip(1/2 + h[0] / 16)``."""
    builder = GraphBuilder()
    first = builder.add("Gather", FEATURES, builder.constant(np.array([0] * width), "int64"), axis=1)
    cut = builder.add("Clip", first, builder.constant(-1.0), builder.constant(1.0))
    single = builder.add("Cast", cut, to=onnx.TensorProto.FLOAT)
    half = builder.add("Mul", "h", builder.constant(np.array([0.5]), "float32"))
    builder.add("Add", half, single, output="next_h")
    double = builder.add("Cast", "next_h", to=onnx.TensorProto.DOUBLE)
    share = builder.add("MatMul", double, builder.constant(np.array([[1.0 / 16.0]] + [[0.0]] * (width - 1))))
    builder.add("Add", share, builder.constant(np.array([0.5])), output=PROBABILITY)
    state = StateSpec("h", (1, width))
    inputs = [tensor(FEATURES, (1, features)), tensor("h", state.shape, "float32")]
    outputs = [tensor(PROBABILITY, (1, 1)), tensor("next_h", state.shape, "float32")]
    return GraphPart(name, builder.model(name, inputs, outputs), (state,))


class MemoryTwin:
    """`memory_part` in plain Python, with the runner's rule of resets and burn-in."""

    def __init__(self, burn_in=0):
        self.burn_in, self.h, self.seen = burn_in, np.float32(0.0), 0

    def step(self, row):
        if any(value != value for value in row):
            self.h, self.seen = np.float32(0.0), 0
            return np.nan
        self.h = self.h * np.float32(0.5) + np.float32(min(1.0, max(-1.0, row[0])))
        self.seen += 1
        return np.nan if self.seen <= self.burn_in else 0.5 + float(self.h) / 16.0


def memory_native(rows):
    """The twin over contiguous rows from zero state."""
    twin = MemoryTwin()
    return np.array([twin.step(row) for row in rows])


def linear_sample(name="linear", features=FEATURE_COUNT, seed=0) -> GraphPart:
    generator = np.random.default_rng(seed)
    mean, scale = generator.normal(size=features), generator.uniform(0.5, 2.0, features)
    return linear_part(name, mean, scale, 3.0, generator.normal(size=features), 0.1)


def small_graph(features=FEATURE_COUNT) -> bytes:
    """A graph with and without state, quickly made."""
    return compose([linear_sample(features=features), memory_part(features=features)]).SerializeToString()


def opset_changed(part: GraphPart, version: int) -> GraphPart:
    model = onnx.ModelProto()
    model.CopyFrom(part.model)
    model.ClearField("opset_import")
    model.opset_import.append(helper.make_opsetid("", version))
    return GraphPart(part.name, model, part.state)
