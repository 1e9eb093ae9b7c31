"""The graph a feature is made of: bar fields, and nodes that run a compiled kernel on them.

A feature is the last node of a small graph. Two features that contain the same node share it: nodes are values, and
a node is computed once per bar however many features read it.

Calling convention of a kernel: the float state and the offset at which this node's part begins (only if ``floats`` is
not zero or it reads a ring or fitted values), the integer state and offset (only if ``ints`` is not zero), its inputs
in order, its parameters in order.
A ``Ring`` arrives as two integers (offset, mask), a ``Block`` as three (window, fresh, since), ``Fitted`` values as the
offset of the first of them in the float state, everything else as one value. State is all zeros at the first call, and
a kernel never sees a NaN.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from market.bars import FIELDS

Kernel: TypeAlias = Callable[..., Any]
Fit: TypeAlias = Callable[[Sequence[NDArray[np.float64]]], Sequence[float]]
"""From runs of consecutive training rows, each of shape (rows, inputs), by instrument and time, to values."""


@dataclass(frozen=True, slots=True)
class Field:
    """A field of the bar."""

    name: str

    first: int = field(default=1, init=False, repr=False, compare=False)
    memory: int | None = field(default=1, init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        if self.name not in FIELDS:
            raise ValueError(f"bars have no field {self.name!r}; they have {', '.join(FIELDS)}")


@dataclass(frozen=True, slots=True)
class Clock:
    """What the engine knows about the bar besides its fields.

    ``count`` is the number of bars since the state was last empty, this one included; it is also the head of every
    ring. ``end`` is the bar's end in nanoseconds UTC.
    """

    name: str

    first: int = field(default=1, init=False, repr=False, compare=False)
    memory: int | None = field(default=1, init=False, repr=False, compare=False)


@dataclass(frozen=True, slots=True)
class Node:
    """One kernel applied to inputs, with literal parameters.

    Parameters
    ----------
    kernel
        Compiled by `market.jit.kernel`, importable by its module and name.
    inputs
        What it reads, in the order of its arguments.
    params
        Literal numbers passed after the inputs.
    floats, ints
        How much state it keeps.
    outputs
        How many values it returns (a tuple if more than one).
    delay
        How many bars after its inputs are defined its own value is.
    recursive
        Whether its value depends on all of history (an exponential average), not on the last ``delay + 1`` inputs.
    start
        The first bar at which it runs, if later than its inputs say.
    """

    kernel: Kernel
    inputs: tuple[Input, ...] = ()
    params: tuple[float | int, ...] = ()
    floats: int = 0
    ints: int = 0
    outputs: int = 1
    delay: int = 0
    recursive: bool = False
    start: int = 1

    level: int = field(init=False, repr=False, compare=False)
    first: int = field(init=False, repr=False, compare=False)
    memory: int | None = field(init=False, repr=False, compare=False)
    key: int = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        level = max([self.start, *(one.first for one in self.inputs)])
        memories = [one.memory for one in self.inputs]
        finite = [one for one in memories if one is not None]
        endless = self.recursive or len(finite) < len(memories)
        object.__setattr__(self, "level", level)
        object.__setattr__(self, "first", level + self.delay)
        object.__setattr__(self, "memory", None if endless else max([1, *finite]) + self.delay)
        object.__setattr__(self, "key", hash((self.kernel, self.inputs, self.params, self.start)))

    def __hash__(self) -> int:
        return self.key

    def __reduce__(self) -> tuple[Any, ...]:
        numbers = self.params, self.floats, self.ints, self.outputs, self.delay, self.recursive, self.start
        return node_of, (self.kernel.__module__, self.kernel.__name__, self.inputs, *numbers)


def node_of(module: str, name: str, *rest: Any) -> Node:
    """A node by its kernel's name: a node that travels between processes names its kernel, it does not copy it."""
    return Node(getattr(importlib.import_module(module), name), *rest)


@dataclass(frozen=True, slots=True)
class Part:
    """One of the values a node returns."""

    node: Node
    index: int

    @property
    def first(self) -> int:
        """The first bar at which it is defined."""
        return self.node.first

    @property
    def memory(self) -> int | None:
        """How many bars it depends on; None is all of history."""
        return self.node.memory


@dataclass(frozen=True, slots=True)
class Ring:
    """The last values of a series, the newest included; all rings of one series share their storage."""

    series: Value
    depth: int

    @property
    def first(self) -> int:
        """Rings may be read from the first value on; kernels state their delay."""
        return self.series.first

    @property
    def memory(self) -> int | None:
        """That of one value; kernels state how far back they read."""
        return self.series.memory


@dataclass(frozen=True, slots=True)
class Block:
    """Where the bar stands between the absolute boundaries of a window: see `features.kernels.windows`."""

    window: int

    first: int = field(default=1, init=False, repr=False, compare=False)
    memory: int | None = field(default=1, init=False, repr=False, compare=False)


@dataclass(frozen=True, slots=True)
class Fitted:
    """Numbers fitted on training bars only; constant while an engine runs, whatever bars come.

    Parameters
    ----------
    name
        Unique among the fitted values of a feature set; the key of `FeatureSet.fitted`.
    size
        How many numbers.
    inputs
        What they are fitted on. An engine computes these over the training bars; they may not need fitted values.
    fit
        Gives the numbers, from runs of consecutive training rows.
    """

    name: str
    size: int
    inputs: tuple[Value, ...]
    fit: Fit

    first: int = field(default=1, init=False, repr=False, compare=False)
    memory: int | None = field(default=1, init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        nested = [one.name for one in walk(self.inputs) if isinstance(one, Fitted)]
        if nested:
            raise ValueError(f"{self.name} is fitted on what needs {', '.join(nested)}, which is fitted itself")


Value: TypeAlias = Field | Clock | Node | Part
Input: TypeAlias = Value | Ring | Block | Fitted

COUNT = Clock("count")
END = Clock("end")
OPEN, HIGH, LOW, CLOSE, VOLUME = (Field(name) for name in FIELDS[:5])


def sources_of(value: Input) -> tuple[Input, ...]:
    """What a value is directly computed from."""
    match value:
        case Node():
            return value.inputs
        case Part():
            return (value.node,)
        case Ring():
            return (value.series,)
        case _:
            return ()


def walk(roots: tuple[Input, ...]) -> Iterator[Input]:
    """Everything the roots are computed from, themselves included, sources first, each once."""
    seen: set[Input] = set()

    def visit(value: Input) -> Iterator[Input]:
        if value in seen:
            return
        seen.add(value)
        for source in sources_of(value):
            yield from visit(source)
        yield value

    for root in roots:
        yield from visit(root)
