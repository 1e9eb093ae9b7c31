"""Running the one graph, a bar at a time. Research and live score with this class and nothing else.

The rule of the recurrent state, the same everywhere: a row with a NaN resets the state to zero and gives NaN; after
a reset, and at the start, the first ``burn_in`` rows advance the state and give NaN; then every row gives
probabilities until the next NaN.
"""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Sequence
from dataclasses import dataclass, fields
from math import isnan
from typing import Any

import msgspec
import numpy as np
import onnxruntime
from numpy.typing import NDArray

from models.bundle.errors import BundleError, StateError
from models.bundle.manifest import MemberInfo, StateTensor

FEATURES, MEMBERS, PROBABILITY, PREDICTION_SET = "features", "members", "probability", "prediction_set"
ENSEMBLE, RIGHT = "ensemble", "right"
"""Outputs of a graph with a second stage; the first only where that sizes the bet, and is the probability."""
STATE_HEADER = struct.Struct("<8s16sq")
STATE_MAGIC = b"bot4st01"
DTYPES: dict[str, np.dtype[Any]] = {"tensor(float)": np.dtype(np.float32), "tensor(double)": np.dtype(np.float64)}


class Prediction(msgspec.Struct, frozen=True, gc=False, eq=False):
    """One row's answer: the members' probabilities, float64 (m,), and the graph's; all NaN where there is none.

    The graph's probability is the ensemble's, or, where a second stage sizes the bet, the one that the bet follows.
    ``prediction_set``: bool (2,), whether falling and rising are in the ensemble's; None where there is no answer, or
    the graph has no prediction sets.
    """

    members: NDArray[np.float64]
    probability: float
    prediction_set: NDArray[np.bool_] | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Stages:
    """What the graph says of n rows, NaN where nothing: members (n, m), ensemble, second stage and probability (n,).

    ``right``: how probably the ensemble's side is right, NaN without a second stage. ``probability`` is the ensemble's,
    unless the second stage sizes the bet. ``sets``: whether falling and rising are in the ensemble's prediction set,
    (n, 2); neither is where there is no answer, or there are no sets.
    """

    members: NDArray[np.float64]
    ensemble: NDArray[np.float64]
    right: NDArray[np.float64]
    probability: NDArray[np.float64]
    sets: NDArray[np.bool_]

    def from_row(self, first: int) -> Stages:
        """The rows from one on."""
        return Stages(*(getattr(self, one.name)[first:] for one in fields(self)))


def session_options() -> onnxruntime.SessionOptions:
    """The one set of session options: research and live compute the same bits only if they agree on it.

    One thread, in order, and the basic optimisations: constants are folded, nodes that do nothing dropped. Measured on
    graphs of five members: the levels above fuse nodes, which changes the recurrent member's last bits (1e-7) and
    not the time; trees, linear members and the stacker have the same bits at every level. Tensors are allocated one by
    one and not reused: at batch one the arena and the sharing of buffers cost more than they save (4 of 120 µs).
    """
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    options.execution_mode = onnxruntime.ExecutionMode.ORT_SEQUENTIAL
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_BASIC
    options.use_deterministic_compute = True
    options.enable_cpu_mem_arena = False
    options.enable_mem_reuse = False
    options.log_severity_level = 3
    return options


class GraphRunner:
    """A composed graph with its recurrent state.

    Parameters
    ----------
    model
        The bytes of ``model.onnx``, as `models.graph.compose` builds it.
    burn_in
        Finite rows after a reset that advance the state without giving a probability; not negative.

    Raises
    ------
    BundleError
        If the bytes are not such a graph, or ``burn_in`` is negative.

    Examples
    --------
    >>> from models.graph.compose import compose
    >>> from models.graph.linear import linear_part
    >>> part = linear_part("linear", mean=[0.0], scale=[1.0], clip=5.0, coefficients=[2.0], intercept=0.0)
    >>> runner = GraphRunner(compose([part]).SerializeToString(), burn_in=1)
    >>> runner.step(np.array([0.0])).probability, runner.step(np.array([0.0])).probability
    (nan, 0.5)

    Attributes
    ----------
    has_sets
        Whether the graph says prediction sets. Graphs of format 1 do not.

    Notes
    -----
    The state lives in two sets of tensors. Two bindings, made once, read one set and write the other, in turn: nothing
    is copied or allocated per row, and no output can overwrite the input that it is computed from.
    """

    def __init__(self, model: bytes, burn_in: int = 0) -> None:
        if burn_in < 0:
            raise BundleError(f"burn_in {burn_in} is negative; give the number of rows, 0 for none")
        self.burn_in = burn_in
        self._digest = hashlib.sha256(model).digest()[:16]
        self._session = _session(model)
        inputs = {value.name: value for value in self._session.get_inputs()}
        self.features = int(inputs.pop(FEATURES).shape[1])
        self.members = tuple(self._session.get_modelmeta().custom_metadata_map[MEMBERS].split(","))
        self._row, view = _buffer((1, self.features), np.dtype(np.float64))
        self._row_view = view[0]
        self._members, self._members_view = _buffer((len(self.members),), np.dtype(np.float64))
        self._probability, self._probability_view = _buffer((1,), np.dtype(np.float64))
        there = {value.name for value in self._session.get_outputs()}
        self._stages = {name: _buffer((1,), np.dtype(np.float64)) for name in (ENSEMBLE, RIGHT) if name in there}
        self.has_sets = PREDICTION_SET in there
        self._set, self._set_view = _buffer((2,), np.dtype(np.bool_))
        sides = [{name: _buffer(value.shape, DTYPES[value.type]) for name, value in inputs.items()} for _ in range(2)]
        self._states = [{name: view for name, (_, view) in side.items()} for side in sides]
        self._bindings = [self._bind(sides[0], sides[1]), self._bind(sides[1], sides[0])]
        self._tiny = np.full(self.features, 1e-100)
        self._side = 0
        self._seen = 0

    def _bind(self, before: dict[str, Any], after: dict[str, Any]) -> Any:
        binding = self._session.io_binding()
        binding.bind_ortvalue_input(FEATURES, self._row)
        binding.bind_ortvalue_output(MEMBERS, self._members)
        binding.bind_ortvalue_output(PROBABILITY, self._probability)
        for name, (value, _) in self._stages.items():
            binding.bind_ortvalue_output(name, value)
        if self.has_sets:
            binding.bind_ortvalue_output(PREDICTION_SET, self._set)
        for name in before:
            binding.bind_ortvalue_input(name, before[name][0])
            binding.bind_ortvalue_output(f"next_{name}", after[name][0])
        return binding

    @property
    def has_state(self) -> bool:
        """Whether any member carries recurrent state."""
        return bool(self._states[0])

    def member_infos(self) -> tuple[MemberInfo, ...]:
        """The members and their recurrent state, for the manifest."""
        tensors = [StateTensor(name, view.shape, view.dtype.name) for name, view in self._states[0].items()]
        return tuple(
            MemberInfo(name, tuple(tensor for tensor in tensors if tensor.name.startswith(f"{name}.")))
            for name in self.members
        )

    def step(self, row: NDArray[np.float64]) -> Prediction:
        """The next row's probabilities.

        Parameters
        ----------
        row
            float64, shape (f,).
        """
        if self._advance(row):
            held = self._set_view.copy() if self.has_sets else None
            return Prediction(self._members_view.copy(), self._probability_view.item(), held)
        return Prediction(np.full(len(self.members), np.nan), np.nan)

    def run_rows(self, rows: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """`step` over rows (n, f), from the present state on: members (n, m) and probability (n,)."""
        members = np.full((len(rows), len(self.members)), np.nan)
        probability = np.full(len(rows), np.nan)
        for number, row in enumerate(rows):
            if self._advance(row):
                members[number] = self._members_view
                probability[number] = self._probability_view[0]
        return members, probability

    def run_stages(self, rows: NDArray[np.float64]) -> Stages:
        """`step` over rows (n, f), from the present state on, with everything that the graph says."""
        count = len(rows)
        ensembles, right, probability = np.full((3, count), np.nan)
        members, sets = np.full((count, len(self.members)), np.nan), np.zeros((count, 2), np.bool_)
        found = Stages(members, ensembles, right, probability, sets)
        ensemble = self._stages[ENSEMBLE][1] if ENSEMBLE in self._stages else self._probability_view
        for number, row in enumerate(rows):
            if self._advance(row):
                found.members[number] = self._members_view
                found.ensemble[number] = ensemble[0]
                if RIGHT in self._stages:
                    found.right[number] = self._stages[RIGHT][1][0]
                found.probability[number] = self._probability_view[0]
                if self.has_sets:
                    found.sets[number] = self._set_view
        return found

    def _advance(self, row: NDArray[np.float64]) -> bool:
        """Take in one row; whether it has a prediction, which then lies in the output buffers."""
        # A product sees a NaN four times faster than a look at every value. It cannot overflow, and gives NaN without
        # one only where infinities cancel: then the values are looked at.
        if isnan(row.dot(self._tiny)) and np.isnan(row).any():
            self.reset()
            return False
        self._row_view[...] = row
        self._session.run_with_iobinding(self._bindings[self._side])
        self._side ^= 1
        if self._seen < self.burn_in:
            self._seen += 1
            return False
        return True

    def reset(self) -> None:
        """Back to zero state, with the whole burn-in ahead."""
        self._seen = 0
        for view in self._states[self._side].values():
            view[...] = 0.0

    def state(self) -> bytes:
        """The recurrent state and the burn-in counter; `set_state` takes it back, in any process."""
        header = STATE_HEADER.pack(STATE_MAGIC, self._digest, self._seen)
        return header + b"".join(view.tobytes() for view in self._states[self._side].values())

    def set_state(self, state: bytes) -> None:
        """Continue from a saved state.

        Raises
        ------
        StateError
            If it was saved by another graph, or is cut short. The present state is then kept.
        """
        views = self._states[self._side].values()
        expected = STATE_HEADER.size + sum(view.nbytes for view in views)
        if len(state) != expected:
            raise StateError(f"a state of {len(state)} bytes; this graph's has {expected}: start from a reset instead")
        magic, digest, seen = STATE_HEADER.unpack_from(state)
        if magic != STATE_MAGIC or digest != self._digest or seen < 0:
            raise StateError("the state was saved by another graph; start from a reset instead")
        position = STATE_HEADER.size
        for view in views:
            view[...] = np.frombuffer(state, view.dtype, view.size, position).reshape(view.shape)
            position += view.nbytes
        self._seen = min(seen, self.burn_in)


def _session(model: bytes) -> onnxruntime.InferenceSession:
    try:
        session = onnxruntime.InferenceSession(model, session_options(), providers=["CPUExecutionProvider"])
    except Exception as error:
        # onnxruntime's exceptions have no common base of their own below Exception.
        raise BundleError(f"onnxruntime cannot load the graph: {error}") from error
    inputs, outputs = {v.name for v in session.get_inputs()}, {v.name for v in session.get_outputs()}
    state = inputs - {FEATURES}
    wanted = {MEMBERS, PROBABILITY, *(f"next_{name}" for name in state)}
    optional = {PREDICTION_SET, *({RIGHT, ENSEMBLE} if RIGHT in outputs else ())}
    if FEATURES not in inputs or not wanted <= outputs <= wanted | optional:
        raise BundleError(f"the graph has inputs {sorted(inputs)} and outputs {sorted(outputs)}, not those of a bundle")
    if MEMBERS not in session.get_modelmeta().custom_metadata_map:
        raise BundleError("the graph's metadata does not name its members; compose it with models.graph.compose")
    return session


def _buffer(shape: Sequence[int], dtype: np.dtype[Any]) -> tuple[Any, NDArray[Any]]:
    """A zeroed tensor of onnxruntime and a writable view of its memory."""
    value = onnxruntime.OrtValue.ortvalue_from_numpy(np.zeros(shape, dtype))
    return value, value.numpy()
